// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What the user sees.

use crate::compare::Difference;
use crate::errata::ERRATA;
use crate::run::{Test, TestResult};
use crate::subjects;
use std::collections::BTreeMap;

/// Prints each test and how it is done.
pub fn list(tests: &[Test]) {
    for test in tests {
        let how = test.excluded().unwrap_or("compared with QEMU");
        println!("{:10} {:16} {how}", test.group(), test.name());
    }
}

/// Prints where QEMU is wrong.
pub fn errata() {
    for erratum in ERRATA {
        println!("{}: {}", erratum.name, erratum.instructions);
        println!("    {}\n", erratum.argument);
    }
}

#[derive(Default)]
struct Row {
    implemented: usize,
    tested: usize,
    cases: usize,
    traps: usize,
    failed: usize,
    elsewhere: BTreeMap<&'static str, usize>,
}

/// Prints the differences and the table; whether all is well.
pub fn finish(results: &[TestResult], seed: u64) -> bool {
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    let mut corrected: BTreeMap<&str, usize> = BTreeMap::new();
    for result in results {
        print_failures(result, seed);
        let row = rows.entry(result.test.group()).or_default();
        row.implemented += 1;
        row.cases += result.cases;
        row.traps += result.traps;
        row.failed += result.failed;
        match result.test.excluded() {
            Some(reason) => *row.elsewhere.entry(reason).or_default() += 1,
            None => row.tested += 1,
        }
        for (name, count) in &result.errata {
            *corrected.entry(name).or_default() += count;
        }
    }
    print_table(&rows);
    for (name, count) in &corrected {
        println!("QEMU corrected in {count} cases: {name} (--errata says why)");
    }
    let missing = subjects::missing();
    if !missing.is_empty() {
        println!("lvz-sim lacks {}", missing.join(", "));
    }
    let failed = missing.len() + results.iter().filter(|r| r.failed > 0).count();
    let skipped = results
        .iter()
        .filter(|r| r.test.excluded().is_some())
        .count();
    let passed = results.iter().filter(|r| r.passed()).count();
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    failed == 0 && passed > 0
}

/// Prints one case that is being looked at: what goes in and what comes out.
pub fn case(inputs: &str, effects: &[Difference]) {
    println!("{inputs}");
    for d in effects {
        println!("    {:10} before  {}", d.what, d.expected);
        println!("    {:10} after   {}", "", d.got);
    }
}

fn print_failures(result: &TestResult, seed: u64) {
    let name = result.test.name();
    for failure in &result.failures {
        println!("DIFFERENT {name}: {}", failure.inputs);
        for d in failure.differences.iter().take(8) {
            println!("    {:10} QEMU    {}", d.what, d.expected);
            println!("    {:10} lvz-sim {}", "", d.got);
        }
        if failure.differences.len() > 8 {
            println!("    and {} more", failure.differences.len() - 8);
        }
        println!(
            "    replay: --seed {seed} --only {name} --case {}",
            failure.index
        );
    }
    if result.failed > 0 {
        println!("{name}: {} of {} cases differ", result.failed, result.cases);
    }
}

fn print_table(rows: &BTreeMap<&str, Row>) {
    println!();
    println!(
        "{:12}{:>12}{:>8}{:>10}{:>12}{:>11}",
        "group", "implemented", "tested", "cases", "exceptions", "different"
    );
    for (group, row) in rows {
        println!(
            "{group:12}{:>12}{:>8}{:>10}{:>12}{:>11}",
            row.implemented, row.tested, row.cases, row.traps, row.failed
        );
    }
    println!();
    for (group, row) in rows {
        for (reason, count) in &row.elsewhere {
            println!("{group}: {count} not compared here ({reason})");
        }
    }
}
