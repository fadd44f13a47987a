// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The results of cases: progress while they run, counts at the end.

use std::cell::Cell;
use std::fmt::Display;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, ensure};

use crate::machine;

thread_local! {
    /// The suite that this thread runs.
    static SUITE: Cell<&'static str> = const { Cell::new("") };
}

/// Says more of the case that is under way. Suites run side by side, so the line has
/// the suite's name.
pub(super) fn detail(text: impl Display) {
    println!("{}:     {text}", SUITE.get());
}

/// The texts of `--only`. An empty one would be in every name.
pub(super) fn texts(only: &str) -> Result<String> {
    ensure!(
        only.split(',').all(|text| !text.is_empty()),
        "an empty text is in the name of every case: name a part, or leave --only out"
    );
    Ok(only.to_owned())
}

/// What a case that did not fail came to.
pub(super) enum Verdict {
    /// It showed what it is there to show.
    Passed,
    /// It could not be run here, and why.
    Skipped(String),
    /// A program of many cases ran, with the counts of its closing line.
    Counted {
        passed: u64,
        failed: u64,
        /// Cases that it skipped; it names the reasons itself.
        skipped: u64,
    },
}

impl Verdict {
    /// Whether a case of the program failed.
    pub(super) fn is_failure(&self) -> bool {
        matches!(self, Self::Counted { failed: 1.., .. })
    }
}

/// The counts of a run.
pub(super) struct Report {
    suite: &'static str,
    only: Option<String>,
    passed: u64,
    failed: u64,
    skipped: u64,
    /// What failed and why, repeated at the end.
    failures: Vec<String>,
}

impl Report {
    /// An empty report; with `only`, other cases are left out.
    pub(super) fn new(only: Option<String>) -> Self {
        Self {
            suite: "",
            only,
            passed: 0,
            failed: 0,
            skipped: 0,
            failures: Vec::new(),
        }
    }

    /// The cases from here on belong to this suite.
    pub(super) fn begin(&mut self, suite: &'static str) {
        self.suite = suite;
        SUITE.set(suite);
        println!("== {suite}");
    }

    /// Adds what another report has.
    pub(super) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.failures.extend(other.failures);
    }

    /// Whether a case of this name is part of the run.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.only
            .as_ref()
            .is_none_or(|only| only.split(',').all(|part| name.contains(part)))
    }

    /// Whether one of several cases is part of the run.
    pub(super) fn wants_any(&self, names: impl IntoIterator<Item: AsRef<str>>) -> bool {
        names.into_iter().any(|name| self.wants(name.as_ref()))
    }

    /// What the names of cases must contain, if not every case is wanted.
    pub(super) fn only(&self) -> Option<&str> {
        self.only.as_deref()
    }

    /// How many failed so far.
    pub(super) fn failures(&self) -> u64 {
        self.failed
    }

    /// Runs one case, if it is wanted.
    pub(super) fn case(&mut self, name: &str, run: impl FnOnce() -> Result<Verdict>) {
        if self.wants(name) {
            self.needed_case(name, run);
        }
    }

    /// Runs one case, which others that are wanted need.
    pub(super) fn needed_case(&mut self, name: &str, run: impl FnOnce() -> Result<Verdict>) {
        let suite = self.suite;
        println!("{suite}: {name} ...");
        let started = Instant::now();
        let verdict = run();
        let seconds = started.elapsed().as_secs_f64();
        match verdict {
            Ok(Verdict::Passed) => {
                self.passed += 1;
                println!("{suite}: {name} ok ({seconds:.0} s)");
            }
            Ok(Verdict::Skipped(reason)) => {
                self.skipped += 1;
                println!("{suite}: {name} skipped: {reason}");
            }
            Ok(Verdict::Counted {
                passed,
                failed,
                skipped,
            }) => {
                self.passed += passed;
                self.failed += failed;
                self.skipped += skipped;
                let word = match (passed, failed) {
                    (0, 0) => "skipped",
                    (_, 0) => "ok",
                    _ => "FAILED",
                };
                println!(
                    "{suite}: {name} {word}: {passed} passed, {failed} failed, {skipped} skipped ({seconds:.0} s)"
                );
                if failed != 0 {
                    self.failures
                        .push(format!("{suite}: {name}: {failed} cases"));
                }
            }
            Err(error) => {
                self.failed += 1;
                println!("{suite}: {name} FAILED ({seconds:.0} s): {error:#}");
                self.failures.push(format!("{suite}: {name}: {error:#}"));
            }
        }
    }

    /// A suite failed before or between its cases.
    pub(super) fn failed_outside(&mut self, error: &anyhow::Error) {
        self.failed += 1;
        println!("{}: FAILED: {error:#}", self.suite);
        self.failures.push(format!("{}: {error:#}", self.suite));
    }

    /// Prints the closing line. A run in which no case passed has shown nothing, and
    /// fails.
    pub(super) fn finish(self) -> ExitCode {
        if !self.failures.is_empty() {
            println!("\nfailed:");
            for failure in &self.failures {
                println!("  {failure}");
            }
        }
        if self.passed + self.failed + self.skipped == 0 {
            match self.only {
                Some(only) => eprintln!(
                    "error: no case was run: --only {only}: none has {} in its name",
                    only.replace(',', " and ")
                ),
                None => eprintln!("error: no case was run"),
            }
            return ExitCode::FAILURE;
        }
        let cpu_time = machine::cpu_time();
        if !cpu_time.is_zero() {
            println!("\nsimulators: {:.0} s of CPU time", cpu_time.as_secs_f64());
        }
        println!(
            "\n{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        );
        match (self.passed, self.failed) {
            (0, 0) => {
                eprintln!(
                    "error: nothing was shown: all cases were skipped, for the reasons above"
                );
                ExitCode::FAILURE
            }
            (_, 0) => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[test]
    fn counts_add_up() {
        let mut report = Report::new(None);
        report.begin("suite");
        report.case("a", || Ok(Verdict::Passed));
        report.case("b", || {
            Ok(Verdict::Skipped("no such thing here".to_owned()))
        });
        report.case("c", || Err(anyhow!("broken")));
        report.case("d", || {
            Ok(Verdict::Counted {
                passed: 3,
                failed: 1,
                skipped: 2,
            })
        });
        assert_eq!((report.passed, report.failed, report.skipped), (4, 2, 3));
        assert_eq!(report.failures.len(), 2);
    }

    #[test]
    fn reports_add_up() {
        let mut whole = Report::new(None);
        for _ in 0..2 {
            let mut report = Report::new(None);
            report.case("a", || Ok(Verdict::Passed));
            report.case("b", || Err(anyhow!("broken")));
            whole.add(report);
        }
        assert_eq!((whole.passed, whole.failed, whole.skipped), (2, 2, 0));
        assert_eq!(whole.failures.len(), 2);
    }

    #[test]
    fn other_cases_are_left_out() {
        let mut report = Report::new(Some("smp=2".to_owned()));
        report.case("smp=1", || Err(anyhow!("must not run")));
        report.case("smp=2", || Ok(Verdict::Passed));
        assert_eq!((report.passed, report.failed), (1, 0));
    }

    #[test]
    fn an_empty_text_is_refused() {
        for only in ["", ",", "a,", ",a", "a,,b"] {
            assert!(texts(only).is_err(), "{only}");
        }
        assert!(texts("a,b c").is_ok_and(|only| only == "a,b c"));
    }

    #[test]
    fn a_run_of_no_case_fails() {
        let mut report = Report::new(Some("nowhere".to_owned()));
        report.case("smp=1", || Err(anyhow!("must not run")));
        assert_eq!(report.finish(), ExitCode::FAILURE);
    }

    #[test]
    fn a_run_of_skipped_cases_fails() {
        let mut report = Report::new(None);
        report.case("a", || Ok(Verdict::Skipped("not here".to_owned())));
        assert_eq!(report.finish(), ExitCode::FAILURE);
    }

    #[test]
    fn what_others_need_runs_anyway() {
        let mut report = Report::new(Some("smp=2".to_owned()));
        report.needed_case("kernel", || Ok(Verdict::Passed));
        assert_eq!((report.passed, report.failed), (1, 0));
    }

    #[test]
    fn all_parts_of_a_filter_must_occur() {
        let report = Report::new(Some("accel=rust,reset".to_owned()));
        assert!(report.wants("kvm=rust,accel=rust,smp=4,reset-loop"));
        assert!(!report.wants("kvm=rust,accel=upstream,smp=4,reset-loop"));
        assert!(!report.wants("kvm=rust,accel=rust,smp=4,reboot"));
        assert!(report.wants_any(["other", "accel=rust,reset"]));
        assert!(!report.wants_any(["other", "reset"]));
    }
}
