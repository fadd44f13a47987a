// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What the user sees.

use crate::options::Options;
use crate::program::Program;
use crate::run::{Done, Status};
use std::collections::BTreeMap;

/// `--list`.
pub(crate) fn list(programs: &[Program]) {
    for program in programs {
        let cpus = program.directives.cpus;
        println!("{:28} {cpus} CPU  {}", program.title(), program.summary);
    }
}

/// One program, as soon as it ends.
pub(crate) fn one(options: &Options, done: &Done<'_>) {
    let title = done.program.title();
    match &done.status {
        Status::Broken(error) => println!("FAILED  {title:28} {error}"),
        Status::Skipped(reason) => println!("skipped {title:28} {reason}"),
        Status::Ran {
            verdict,
            checks,
            took,
            transcripts,
        } => {
            let counts = checks
                .iter()
                .map(|(machine, checks)| format!("{} {checks}", machine.text()))
                .collect::<Vec<_>>()
                .join(", ");
            let word = match verdict.problems.is_empty() {
                true => "passed ",
                false => "FAILED ",
            };
            let argued = match verdict.argued.len() {
                0 => String::new(),
                count => format!(", QEMU differs as argued in {count}"),
            };
            println!(
                "{word} {title:28} checks: {counts}{argued} ({:.2} s)",
                took.as_secs_f64()
            );
            for problem in &verdict.problems {
                println!("        {problem}");
            }
            for pattern in &verdict.stale {
                println!("        note: QEMU no longer differs in {pattern}");
            }
            if options.verbose {
                for argued in &verdict.argued {
                    println!("        argued: {argued}");
                }
                if !verdict.problems.is_empty() {
                    for (machine, text) in transcripts {
                        println!("        --- {} ---", machine.text());
                        text.lines().for_each(|line| println!("        {line}"));
                    }
                }
            }
        }
    }
}

/// The last lines; whether some passed and none failed.
pub(crate) fn summary(results: &[Done<'_>]) -> bool {
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    let mut checks = BTreeMap::new();
    for done in results {
        match &done.status {
            Status::Broken(_) => failed += 1,
            Status::Skipped(_) => skipped += 1,
            Status::Ran {
                verdict,
                checks: counts,
                ..
            } => {
                for (machine, count) in counts {
                    *checks.entry(machine.text()).or_insert(0) += count;
                }
                match verdict.problems.is_empty() {
                    true => passed += 1,
                    false => failed += 1,
                }
            }
        }
    }
    for (machine, count) in checks {
        println!("{count} checks on {machine}");
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    failed == 0 && passed > 0
}
