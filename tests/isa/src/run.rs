// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Runs the tests: batches of cases through QEMU and the simulator.

use crate::case::{Case, Outcome};
use crate::compare::{Difference, differences, inputs};
use crate::generate::{self, ABSENT, BATCH, UNDEFINED};
use crate::layout::{SLOT, WINDOW, hot_index};
use crate::qemu::{BatchResult, Qemu};
use crate::sim::Sim;
use crate::subjects::{self, Subject, Subjects};
use crate::{Options, errata, report};
use anyhow::{Context, Result, anyhow, ensure};
use la_arch::insn::Encoding;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Progress is printed after so many tests.
const PROGRESS: usize = 100;

/// One row of work.
#[derive(Clone, Copy)]
pub enum Test {
    Instruction(Subject),
    /// Words that are no instruction.
    Undefined,
    /// Instructions that the model does not have.
    Absent,
}

impl Test {
    /// Mnemonic, or the name of the special test.
    pub fn name(&self) -> &'static str {
        match self {
            Test::Instruction(subject) => subject.insn.encoding.name,
            Test::Undefined => UNDEFINED,
            Test::Absent => ABSENT,
        }
    }

    /// The group in the table.
    pub fn group(&self) -> &'static str {
        match self {
            Test::Instruction(subject) => subjects::group_name(subject.insn.group),
            Test::Undefined | Test::Absent => UNDEFINED,
        }
    }

    /// Why it is not run, if it is not.
    pub fn excluded(&self) -> Option<&'static str> {
        match self {
            Test::Instruction(subject) => subject.excluded,
            Test::Undefined | Test::Absent => None,
        }
    }

    fn encoding(&self) -> Option<&'static Encoding> {
        match self {
            Test::Instruction(subject) => Some(subject.insn.encoding),
            Test::Undefined | Test::Absent => None,
        }
    }

    fn case(&self, subjects: &Subjects, seed: u64, index: usize) -> Case {
        match self {
            Test::Instruction(subject) => generate::case(subject.insn.encoding, seed, index),
            Test::Undefined => {
                generate::undefined_case(|word| subjects.is_instruction(word), seed, index)
            }
            Test::Absent => generate::absent_case(subjects.absent(), seed, index),
        }
    }
}

/// A case that differed.
#[derive(Debug)]
pub struct Failure {
    /// Number of the case.
    pub index: usize,
    /// What went in.
    pub inputs: String,
    /// What differed.
    pub differences: Vec<Difference>,
}

/// The outcome of one test.
pub struct TestResult {
    pub test: Test,
    /// Cases run.
    pub cases: usize,
    /// Cases that ended in an exception.
    pub traps: usize,
    /// Cases that differed.
    pub failed: usize,
    /// The first of them.
    pub failures: Vec<Failure>,
    /// Cases that an erratum corrected, by its name.
    pub errata: BTreeMap<&'static str, usize>,
}

/// The tests with these names or groups; all if there are none.
pub fn select(only: &[String], subjects: &Subjects) -> Result<Vec<Test>> {
    let mut tests: Vec<Test> = subjects.all().into_iter().map(Test::Instruction).collect();
    tests.push(Test::Undefined);
    if !subjects.absent().is_empty() {
        tests.push(Test::Absent);
    }
    tests.sort_by_key(|test| test.group());
    if only.is_empty() {
        return Ok(tests);
    }
    for name in only {
        ensure!(
            tests.iter().any(|t| t.name() == name || t.group() == name),
            "no instruction or group is called {name:?}; --list shows them"
        );
    }
    tests.retain(|t| {
        only.iter()
            .any(|name| t.name() == name || t.group() == name)
    });
    Ok(tests)
}

/// Runs `tests` on as many threads as asked for.
pub fn run(
    options: &Options,
    subjects: &Subjects,
    qemu: &Qemu,
    tests: &[Test],
) -> Result<Vec<TestResult>> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut sim = Sim::new(subjects.model().clone(), options.engine)?;
        let mut results = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(test) = tests.get(number) else { break };
            results.push(run_test(options, subjects, qemu, &mut sim, *test)?);
            if (number + 1).is_multiple_of(PROGRESS) {
                println!("{} of {} done", number + 1, tests.len());
            }
        }
        Ok(results)
    };
    let parts: Vec<Result<Vec<TestResult>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.jobs).map(|_| scope.spawn(worker)).collect();
        threads
            .into_iter()
            .map(|t| {
                t.join()
                    .unwrap_or_else(|_| Err(anyhow!("a test thread panicked")))
            })
            .collect()
    });
    let mut results = Vec::new();
    for part in parts {
        results.extend(part?);
    }
    results.sort_by_key(|r| (r.test.group(), r.test.name()));
    Ok(results)
}

fn run_test(
    options: &Options,
    subjects: &Subjects,
    qemu: &Qemu,
    sim: &mut Sim,
    test: Test,
) -> Result<TestResult> {
    let mut result = TestResult {
        test,
        cases: 0,
        traps: 0,
        failed: 0,
        failures: Vec::new(),
        errata: BTreeMap::new(),
    };
    if test.excluded().is_some() {
        return Ok(result);
    }
    let all = match options.case {
        Some(index) => index as usize..index as usize + 1,
        None => 0..options.cases as usize,
    };
    for start in all.clone().step_by(BATCH) {
        let indices = start..all.end.min(start + BATCH);
        let cases: Vec<Case> = indices
            .clone()
            .map(|index| test.case(subjects, options.seed, index))
            .collect();
        let label = || format!("test {}", test.name());
        let (batch, untrapped) = run_qemu(qemu, test, &cases).with_context(label)?;
        let simulated = sim.run(&cases).with_context(label)?;
        let outcomes = batch.outcomes.into_iter().zip(simulated.outcomes);
        for ((index, case), (mut expected, got)) in indices.zip(&cases).zip(outcomes) {
            let context = errata::Context {
                name: test.name(),
                case,
                untrapped: untrapped.get(index - start),
            };
            for name in errata::correct(&context, &mut expected) {
                *result.errata.entry(name).or_default() += 1;
            }
            if options.case.is_some() {
                let before = Outcome::before(case);
                let effects = differences(case, &before, &got);
                report::case(&inputs(test.encoding(), case), &effects);
            }
            result.cases += 1;
            result.traps += usize::from(got.trap.is_some());
            let found = differences(case, &expected, &got);
            if found.is_empty() {
                continue;
            }
            result.failed += 1;
            if result.failures.len() < options.show {
                result.failures.push(Failure {
                    index,
                    inputs: inputs(test.encoding(), case),
                    differences: found,
                });
            }
        }
        result.add_stray(start, stray_difference(&batch.window, &simulated.window));
    }
    Ok(result)
}

/// QEMU's results, and if an erratum wants them those of the same cases with
/// floating-point exceptions disabled.
fn run_qemu(qemu: &Qemu, test: Test, cases: &[Case]) -> Result<(BatchResult, Vec<Outcome>)> {
    if !errata::needs_untrapped(test.name()) {
        return Ok((qemu.run(cases)?, Vec::new()));
    }
    let mut both = cases.to_vec();
    both.extend(cases.iter().map(|case| {
        // Slots of a batch's second half are free.
        case.untrapped(case.pc + BATCH as u64 * SLOT)
    }));
    let mut batch = qemu.run(&both)?;
    let untrapped = batch.outcomes.split_off(cases.len());
    Ok((batch, untrapped))
}

impl TestResult {
    /// Whether it was run and nothing differed.
    pub fn passed(&self) -> bool {
        self.test.excluded().is_none() && self.failed == 0
    }

    fn add_stray(&mut self, start: usize, stray: Option<Difference>) {
        self.failed += usize::from(stray.is_some());
        self.failures.extend(stray.map(|difference| Failure {
            index: start,
            inputs: "the whole batch: memory outside of the cases' view".into(),
            differences: vec![difference],
        }));
    }
}

/// The first byte that differs, when the batch is over, where no case looks:
/// writes that went astray.
fn stray_difference(expected: &[u8], got: &[u8]) -> Option<Difference> {
    let unseen = |at: usize| hot_index(WINDOW + at as u64).is_none();
    let at = (0..expected.len()).find(|&at| expected[at] != got[at] && unseen(at))?;
    Some(Difference {
        what: format!("[{:#x}]", WINDOW + at as u64),
        expected: format!("{:#04x}", expected[at]),
        got: format!("{:#04x}", got[at]),
    })
}
