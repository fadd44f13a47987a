// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Judging the transcripts of a program.

use crate::options::MachineName;
use crate::program::{Exception, Program};
use crate::transcript::{Outcome, Transcript};

/// What one machine's transcript amounts to.
#[derive(Debug)]
pub(crate) struct Run {
    /// Which machine.
    pub(crate) machine: MachineName,
    /// What it printed.
    pub(crate) transcript: Transcript,
}

/// The judgement of a program.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Reasons to fail; none is a pass.
    pub(crate) problems: Vec<String>,
    /// Checks in which QEMU differs as the program says, with the argument.
    pub(crate) argued: Vec<String>,
    /// Arguments that QEMU no longer needs.
    pub(crate) stale: Vec<String>,
}

/// Judges the runs of `program`: every check passes, on QEMU but for the named
/// exceptions, and both print the same lines.
pub(crate) fn judge(program: &Program, runs: &[Run]) -> Verdict {
    let mut verdict = Verdict::default();
    for run in runs {
        let machine = run.machine.text();
        for fault in &run.transcript.faults {
            verdict.problems.push(format!("{machine}: {fault}"));
        }
        let exceptions: &[Exception] = match run.machine {
            MachineName::Qemu => &program.directives.qemu,
            MachineName::Sim => &[],
        };
        checks(&mut verdict, run, exceptions);
    }
    if let [a, b] = runs {
        compare(&mut verdict, program, a, b);
    }
    verdict
}

/// Every check of one run.
fn checks(verdict: &mut Verdict, run: &Run, exceptions: &[Exception]) {
    let machine = run.machine.text();
    let mut used = vec![false; exceptions.len()];
    for line in &run.transcript.lines {
        let Outcome::Fail(text) = &line.result else {
            continue;
        };
        let name = &line.name;
        let mut argument = None;
        for (exception, used) in exceptions.iter().zip(&mut used) {
            if exception.covers(name) {
                *used = true;
                argument = Some(&exception.reason);
            }
        }
        match argument {
            Some(reason) => verdict.argued.push(format!("{name} {text}: {reason}")),
            None => verdict.problems.push(format!("{machine}: {name} {text}")),
        }
    }
    if run.machine == MachineName::Qemu {
        for (exception, used) in exceptions.iter().zip(used) {
            // An exception may be about a value, which `compare` judges.
            let value = run.transcript.lines.iter().any(|line| {
                matches!(line.result, Outcome::Value(_)) && exception.covers(&line.name)
            });
            if !used && !value {
                verdict.stale.push(exception.pattern.clone());
            }
        }
    }
}

/// Line by line: the same names in the same order, the same values.
fn compare(verdict: &mut Verdict, program: &Program, a: &Run, b: &Run) {
    let (left, right) = (&a.transcript.lines, &b.transcript.lines);
    for (x, y) in left.iter().zip(right) {
        if x.name != y.name {
            verdict.problems.push(format!(
                "{} checked {} where {} checked {}",
                a.machine.text(),
                x.name,
                b.machine.text(),
                y.name
            ));
            return;
        }
        let (Outcome::Value(x_value), Outcome::Value(y_value)) = (&x.result, &y.result) else {
            continue;
        };
        if x_value == y_value {
            continue;
        }
        let difference = format!(
            "{}: {x_value} on {}, {y_value} on {}",
            x.name,
            a.machine.text(),
            b.machine.text()
        );
        let exceptions = &program.directives.qemu;
        match exceptions
            .iter()
            .find(|exception| exception.covers(&x.name))
        {
            Some(exception) => verdict
                .argued
                .push(format!("{difference}: {}", exception.reason)),
            None => verdict.problems.push(difference),
        }
    }
    if left.len() != right.len() {
        verdict.problems.push(format!(
            "{} printed {} lines, {} {}",
            a.machine.text(),
            left.len(),
            b.machine.text(),
            right.len()
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Directives;

    fn program(pattern: &str) -> Program {
        Program {
            group: "base",
            name: "x".into(),
            reading: None,
            path: "x.S".into(),
            summary: String::new(),
            directives: Directives {
                qemu: vec![Exception {
                    pattern: pattern.into(),
                    reason: "because".into(),
                }],
                ..Directives::default()
            },
        }
    }

    fn verdict(pattern: &str, qemu: &str, sim: &str) -> Verdict {
        let runs =
            [(MachineName::Qemu, qemu), (MachineName::Sim, sim)].map(|(machine, text)| Run {
                machine,
                transcript: Transcript::parse(text),
            });
        judge(&program(pattern), &runs)
    }

    #[test]
    fn agreement() {
        let verdict = verdict(
            "b",
            "ok a\nFAIL b x\nend 0x2 0x1",
            "ok a\nok b\nend 0x2 0x0",
        );
        assert!(verdict.problems.is_empty(), "{:?}", verdict.problems);
        assert_eq!(verdict.argued.len(), 1);
        assert!(verdict.stale.is_empty());
    }

    #[test]
    fn exceptions_are_for_qemu_only() {
        let verdict = verdict(
            "b",
            "ok a\nok b\nend 0x2 0x0",
            "ok a\nFAIL b x\nend 0x2 0x1",
        );
        assert_eq!(verdict.problems.len(), 1);
        assert_eq!(verdict.stale, ["b"]);
    }

    #[test]
    fn differences() {
        let unexpected = verdict("z", "FAIL a x\nend 0x1 0x1", "ok a\nend 0x1 0x0");
        assert_eq!(unexpected.problems.len(), 1);
        let value = verdict(
            "z",
            "ok a\nval v 0x1\nend 0x1 0x0",
            "ok a\nval v 0x2\nend 0x1 0x0",
        );
        assert_eq!(value.problems.len(), 1);
        let missing = verdict("z", "ok a\nok b\nend 0x2 0x0", "ok a\nend 0x1 0x0");
        assert_eq!(missing.problems.len(), 1);
        let other = verdict("z", "ok a\nend 0x1 0x0", "ok b\nend 0x1 0x0");
        assert_eq!(other.problems.len(), 1);
    }
}
