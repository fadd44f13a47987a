// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Cases that run in the simulated machine, driven by Python there: what it
//! prints of each case becomes a case of the report.

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};

use super::Context;
use super::report::{Report, Verdict, detail};
use crate::machine::Machine;
use crate::said::{self, said};

/// The Python module that prints what is read here.
pub(super) const VERDICT: &str = include_str!("../../../tests/machine/verdict.py");

/// What the lines about cases begin with.
pub(super) const MARKER: &str = "KVM-LA-CASE";

/// The names of the cases that a machine would run with these `arguments`: what its main.py, in
/// `folder`, lists here.
pub(super) fn names(context: &Context, folder: &Path, arguments: &str) -> Result<Vec<String>> {
    let main = folder.join("main.py");
    let mut python = context.products.tools.command("python3")?;
    python.arg("-B").arg(&main).arg("--list");
    let output = python
        .args(arguments.split_whitespace())
        .output()
        .context("cannot run python3")?;
    if !output.status.success() {
        bail!(
            "{} lists no cases: {}",
            main.display(),
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    let lines = String::from_utf8_lossy(&output.stdout);
    Ok(lines.lines().map(str::to_owned).collect())
}

/// Runs a machine to its end and reports the cases that it runs. What fails
/// outside them is said of `title`.
pub(super) fn run(
    context: &Context,
    report: &mut Report,
    machine: &Machine,
    log: &Path,
    limit: Duration,
    title: &str,
) -> Result<()> {
    let failures = report.failures();
    let outcome = std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        let thread = scope.spawn(|| {
            let sender = sender;
            machine.run(&context.simulator, log, limit, |line| {
                // The receiver is gone once the last case has ended.
                let _ = sender.send(line.to_owned());
            })
        });
        while let Some(name) = next_case(&receiver) {
            report.case(&name, || judge(&name, &receiver));
        }
        thread
            .join()
            .map_err(|_| anyhow!("the thread that runs the machine died"))?
    })?;
    let ended = said::check_ended(&outcome.console, MARKER, "cases");
    if let Err(error) = ended.and_then(|()| outcome.check(limit)) {
        report.failed_outside(&error.context(title.to_owned()));
    }
    if report.failures() != failures {
        detail(format_args!("see {}", log.display()));
    }
    Ok(())
}

/// The name of the next case that begins; none at the host's end.
fn next_case(lines: &mpsc::Receiver<String>) -> Option<String> {
    lines.iter().find_map(|line| {
        let (_, text) = said(line.as_str(), MARKER)?;
        text.strip_suffix(" ...").map(str::to_owned)
    })
}

/// Reads up to the end of a case that has begun.
fn judge(name: &str, lines: &mpsc::Receiver<String>) -> Result<Verdict> {
    for line in lines {
        let said = said(&line, MARKER).map(|(_, text)| text);
        if let Some(progress) = said.and_then(|text| text.strip_prefix("progress: ")) {
            detail(progress);
        }
        match said.and_then(|text| text.strip_prefix(name)?.strip_prefix(' ')) {
            Some(said) if said == "ok" || said.starts_with("ok (") => return Ok(Verdict::Passed),
            Some(said) => {
                if let Some(reason) = said.strip_prefix("skipped: ") {
                    return Ok(Verdict::Skipped(reason.to_owned()));
                }
                bail!("{}", said.strip_prefix("FAILED ").unwrap_or(said));
            }
            None => {}
        }
    }
    bail!("the host ended before the case did")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str) -> Result<(String, Result<Verdict>)> {
        let (sender, receiver) = mpsc::channel();
        for line in text.lines() {
            sender.send(line.to_owned())?;
        }
        drop(sender);
        let name = next_case(&receiver).ok_or_else(|| anyhow!("no case"))?;
        let verdict = judge(&name, &receiver);
        Ok((name, verdict))
    }

    #[test]
    fn a_case_is_judged_by_its_last_line() -> Result<()> {
        let (name, verdict) = judged(
            "noise\nKVM-LA-CASE a,b ...\n| x\nKVM-LA-CASE progress: y\nKVM-LA-CASE a,b ok (1.0 s)\n",
        )?;
        assert_eq!(name, "a,b");
        assert!(matches!(verdict, Ok(Verdict::Passed)));
        let (_, verdict) = judged("KVM-LA-CASE a ...\nKVM-LA-CASE a FAILED Timeout: b\n")?;
        assert!(verdict.is_err_and(|error| error.to_string() == "Timeout: b"));
        let (_, verdict) = judged("KVM-LA-CASE a ...\nKVM-LA-CASE a skipped: why\n")?;
        assert!(matches!(verdict, Ok(Verdict::Skipped(why)) if why == "why"));
        let (_, verdict) = judged("KVM-LA-CASE a ...\nKVM-LA-CASE all ended\n")?;
        assert!(verdict.is_err());
        Ok(())
    }
}
