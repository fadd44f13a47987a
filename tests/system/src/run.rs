// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Running the programs, several at a time.

use crate::assemble::Toolchain;
use crate::machine;
use crate::options::{MachineName, Options};
use crate::program::Program;
use crate::report;
use crate::transcript::Transcript;
use crate::verdict::{Run, Verdict, judge};
use anyhow::Result;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// How a program ended.
#[derive(Debug)]
pub(crate) enum Status {
    Ran {
        /// The judgement.
        verdict: Verdict,
        /// Checks on each machine that it ran on.
        checks: Vec<(MachineName, usize)>,
        /// Wall-clock time of all its runs.
        took: Duration,
        /// Consoles and messages, for a failure's report.
        transcripts: Vec<(MachineName, String)>,
    },
    /// It could not be built or started.
    Broken(String),
    /// It has no machine to run on; why.
    Skipped(String),
}

/// A program, and how it ended.
#[derive(Debug)]
pub(crate) struct Done<'a> {
    pub(crate) program: &'a Program,
    /// Its fate.
    pub(crate) status: Status,
}

/// Runs all programs and reports each as it ends; results are in order.
pub(crate) fn all<'a>(options: &Options, programs: &'a [Program]) -> Result<Vec<Done<'a>>> {
    let toolchain = Toolchain::new(options)?;
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..options.jobs.min(programs.len()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(program) = programs.get(index) else {
                        break;
                    };
                    let status = one(options, &toolchain, program)
                        .unwrap_or_else(|error| Status::Broken(format!("{error:#}")));
                    let result = Done { program, status };
                    // A panic elsewhere does not make the list unusable.
                    let mut list = done.lock().unwrap_or_else(|error| error.into_inner());
                    report::one(options, &result);
                    list.push((index, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(|error| error.into_inner());
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

fn one(options: &Options, toolchain: &Toolchain<'_>, program: &Program) -> Result<Status> {
    let wanted = match options.machine {
        Some(machine) => vec![machine],
        None => vec![MachineName::Qemu, MachineName::Sim],
    };
    let mut machines = Vec::new();
    let mut reasons = Vec::new();
    for machine in wanted {
        match program.runs_on(machine) {
            Ok(()) => machines.push(machine),
            Err(reason) => reasons.push(reason),
        }
    }
    if machines.is_empty() {
        return Ok(Status::Skipped(reasons.join("; ")));
    }
    let elf = toolchain.build(program)?;
    let mut runs = Vec::new();
    let mut troubles = Vec::new();
    let mut transcripts = Vec::new();
    let mut took = Duration::ZERO;
    for machine in machines {
        let outcome = machine::run(options, machine, program, &elf)?;
        took += outcome.took;
        if let Some(trouble) = outcome.trouble {
            let said = outcome.messages.lines().last().unwrap_or_default();
            troubles.push(format!("{}: {trouble} {said}", machine.text()));
        }
        runs.push(Run {
            machine,
            transcript: Transcript::parse(&outcome.console),
        });
        transcripts.push((machine, outcome.console + &outcome.messages));
    }
    let mut verdict = judge(program, &runs);
    verdict.problems.extend(troubles);
    let checks = runs
        .iter()
        .map(|run| (run.machine, run.transcript.checks()))
        .collect();
    Ok(Status::Ran {
        verdict,
        checks,
        took,
        transcripts,
    })
}
