// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Suites that are programs of their own, each a package of this workspace: run
//! with the products of `setup` in their environment.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::process::{ExitStatus, Stdio};

use anyhow::{Context as _, Result, anyhow, bail};

use super::report::{Report, Verdict, detail};
use super::{Context, Tier};
use crate::cargo;

/// Instructions against qemu-loongarch64.
pub(super) fn isa(context: &Context, report: &mut Report) -> Result<()> {
    let qemu = context.products.qemu_user();
    let mut arguments = vec!["--qemu".into(), qemu.into_os_string()];
    arguments.extend(simulated(context));
    if !context.runs(Tier::Full) {
        arguments.extend(["--cases".into(), "1000".into()]);
    }
    let program = Program {
        package: "isa-tests",
        arguments,
        name: |line| line.split_whitespace().nth(1),
        choose: |names| vec!["--only".into(), names.join(",").into()],
    };
    program.case(context, report, "differential")
}

pub(super) fn system(context: &Context, report: &mut Report) -> Result<()> {
    let program = Program {
        package: "system-tests",
        arguments: simulated(context),
        name: |line| line.split_whitespace().next(),
        choose: |names| names.iter().map(OsString::from).collect(),
    };
    program.case(context, report, "bare-metal")
}

/// A program of many cases, which it can list and choose among.
struct Program {
    package: &'static str,
    /// What all of its runs have.
    arguments: Vec<OsString>,
    /// The name of a case, in a line of `--list`.
    name: fn(&str) -> Option<&str>,
    /// The arguments that choose cases.
    choose: fn(&[String]) -> Vec<OsString>,
}

impl Program {
    /// Runs it as the case `name` with all its cases or, if `--only` has texts that `name`
    /// does not contain, with those of its cases that do.
    fn case(mut self, context: &Context, report: &mut Report, name: &str) -> Result<()> {
        if !report.wants(name) {
            let mut names = self.list(context)?;
            names.retain(|name| report.wants(name));
            names.dedup();
            if names.is_empty() {
                return Ok(());
            }
            self.arguments.extend((self.choose)(&names));
        }
        report.needed_case(name, || run(context, self.package, &self.arguments));
        Ok(())
    }

    /// The names of its cases.
    fn list(&self, context: &Context) -> Result<Vec<String>> {
        let output = cargo::program(&context.products, self.package)?
            .args(&self.arguments)
            .arg("--list")
            .stderr(Stdio::inherit())
            .output()
            .context("cannot run cargo")?;
        if !output.status.success() {
            bail!("{} --list ended with {}", self.package, output.status);
        }
        let lines = String::from_utf8_lossy(&output.stdout);
        let names = lines.lines().filter_map(self.name);
        Ok(names.map(str::to_owned).collect())
    }
}

/// The options that choose CPU model and engine, if they are not the program's own.
fn simulated(context: &Context) -> Vec<OsString> {
    let chosen = context.simulator.chosen();
    chosen.into_iter().map(OsString::from).collect()
}

/// Runs a package's program and takes the counts from its closing line.
fn run(context: &Context, package: &str, arguments: &[OsString]) -> Result<Verdict> {
    let mut child = cargo::program(&context.products, package)?
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run cargo")?;
    let output = child.stdout.take().ok_or_else(|| anyhow!("no output"))?;
    let mut counts = None;
    for line in BufReader::new(output).lines() {
        let line = line?;
        detail(format_args!("{line}"));
        counts = parse_closing_line(&line).or(counts);
    }
    judge(package, counts, child.wait()?)
}

/// What a program's counts and its exit status come to, which must agree: it ends well if
/// something passed and nothing failed.
fn judge(package: &str, counts: Option<(u64, u64, u64)>, status: ExitStatus) -> Result<Verdict> {
    match counts {
        Some((passed, failed, skipped)) if status.success() == (failed == 0 && passed > 0) => {
            Ok(Verdict::Counted {
                passed,
                failed,
                skipped,
            })
        }
        Some((passed, failed, _)) => {
            bail!("{package} counted {passed} passed, {failed} failed, and ended with {status}")
        }
        None if status.success() => bail!("{package} printed no closing line"),
        None => bail!("{package} ended with {status}"),
    }
}

/// The counts of `N passed, N failed[, N skipped]`.
pub(super) fn parse_closing_line(line: &str) -> Option<(u64, u64, u64)> {
    let mut counts = [None, None, Some(0)];
    for part in line.trim().split(", ") {
        let (number, word) = part.split_once(' ')?;
        let index = ["passed", "failed", "skipped"]
            .iter()
            .position(|w| *w == word)?;
        counts[index] = Some(number.parse().ok()?);
    }
    Some((counts[0]?, counts[1]?, counts[2]?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;

    #[test]
    fn closing_lines() {
        assert_eq!(parse_closing_line("3 passed, 0 failed"), Some((3, 0, 0)));
        assert_eq!(
            parse_closing_line("3 passed, 1 failed, 2 skipped"),
            Some((3, 1, 2))
        );
        assert_eq!(parse_closing_line("it passed, 1 failed"), None);
        assert_eq!(parse_closing_line("3 passed"), None);
    }

    #[test]
    fn counts_and_exit_status_must_agree() {
        let (well, badly) = (ExitStatus::from_raw(0), ExitStatus::from_raw(1 << 8));
        for (counts, status) in [
            ((3, 0, 0), well),
            ((3, 0, 2), well),
            ((3, 1, 0), badly),
            // Only what is tested elsewhere was asked for.
            ((0, 0, 2), badly),
        ] {
            let verdict = judge("tests", Some(counts), status);
            let Ok(Verdict::Counted {
                passed,
                failed,
                skipped,
            }) = verdict
            else {
                panic!("{counts:?} with {status}");
            };
            assert_eq!((passed, failed, skipped), counts);
        }
        for (counts, status) in [
            (Some((3, 0, 0)), badly),
            (Some((3, 1, 0)), well),
            (Some((0, 0, 2)), well),
            (None, well),
            (None, badly),
        ] {
            assert!(
                judge("tests", counts, status).is_err(),
                "{counts:?} with {status}"
            );
        }
    }
}
