// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Suite `selftests`: KVM by its own interface, without QEMU. First the programs
//! that Linux lists for LoongArch under tools/testing/selftests/kvm, then those of
//! tests/kvm. docs/kvm-tests.md says what each shows.

mod kernel;
pub(super) mod programs;

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};

use super::Context;
use super::report::{Report, Verdict, detail};
use crate::kvm_programs;
use crate::machine::{Machine, make_share};
use crate::nested::copy;
use crate::said::{self, said};
use crate::setup::Products;
use programs::{MERGING, OURS, Program};

const SCRIPT: &str = include_str!("../../../tests/guest/selftests");

/// What the script's lines begin with.
const MARKER: &str = "KVM-LA-SELFTEST";

/// What a program's own lines begin with.
const OUTPUT: &str = "| ";

/// What the lines of the cases inside one of our programs begin with.
const CASE: &str = "KVM-LA-TEST";

/// How long one host may take.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// How much of what a failed program printed is shown.
const SHOWN: usize = 20;

/// How much longer a program may take on the debug kernel.
const DEBUG_FACTOR: u64 = 10;

pub(super) fn run(context: &Context, report: &mut Report) -> Result<()> {
    if !context.debug_kernel {
        return run_all(context, report);
    }
    let context = Context {
        products: context.products.with_debug_kernel()?,
        simulator: context.simulator.clone(),
        ..*context
    };
    run_all(&context, report)
}

fn run_all(context: &Context, report: &mut Report) -> Result<()> {
    let products = &context.products;
    let files = kernel::list(products)?;
    let (linux, gone) = programs::linux(&files);
    for name in gone {
        detail(format_args!(
            "{name} is not among the kernel's programs any more"
        ));
    }
    run_chosen(context, report, &linux, || kernel::build(products, &files))?;
    run_ours(context, report)?;
    run_merging(context, report)
}

/// Runs what takes a kernel that merges pages (KSM): the clients', not the host's.
fn run_merging(context: &Context, report: &mut Report) -> Result<()> {
    if !context.runs(MERGING.tier) || !report.wants(MERGING.name) {
        return Ok(());
    }
    let products = context.products.with_clients()?;
    let dir = kvm_programs::build(&products)?;
    run_on_host(
        context,
        &products,
        report,
        &[&MERGING],
        &dir,
        &[],
        MERGING.host_smp,
    )
}

/// Runs the programs of tests/kvm.
pub(super) fn run_ours(context: &Context, report: &mut Report) -> Result<()> {
    run_chosen(context, report, OURS, || {
        kvm_programs::build(&context.products)
    })
}

/// Those of the programs that this run is for, whose files `dir` makes.
fn run_chosen(
    context: &Context,
    report: &mut Report,
    programs: &[Program<'_>],
    dir: impl FnOnce() -> Result<PathBuf>,
) -> Result<()> {
    let chosen: Vec<&Program<'_>> = programs
        .iter()
        .filter(|program| context.runs(program.tier) && report.wants(program.name))
        .collect();
    if chosen.is_empty() {
        return Ok(());
    }
    run_on_hosts(context, report, &chosen, &dir()?, &[])
}

/// One host for each number of CPUs that these programs, files in `dir`, want.
/// They find copies of `more` files in /share.
pub(super) fn run_on_hosts(
    context: &Context,
    report: &mut Report,
    programs: &[&Program<'_>],
    dir: &Path,
    more: &[PathBuf],
) -> Result<()> {
    let mut by_smp = BTreeMap::<u32, Vec<&Program<'_>>>::new();
    for program in programs {
        by_smp.entry(program.host_smp).or_default().push(program);
    }
    // Most programs want the largest host: theirs are the first results.
    for (smp, programs) in by_smp.into_iter().rev() {
        let products = &context.products;
        run_on_host(context, products, report, &programs, dir, more, smp)?;
    }
    Ok(())
}

/// A host that runs these programs one after the other.
fn run_on_host(
    context: &Context,
    products: &Products,
    report: &mut Report,
    programs: &[&Program<'_>],
    dir: &Path,
    more: &[PathBuf],
    smp: u32,
) -> Result<()> {
    let run = products.cache.new_run("selftests")?;
    let share = run.join("share");
    make_share(&share, SCRIPT)?;
    copy(&context.kvm.kvm_ko(products)?, &share.join("kvm.ko"))?;
    let list = offer(context, programs, dir, &share)?;
    fs::write(share.join("list"), list)?;
    for file in more {
        copy(file, &share.join(file.file_name().unwrap_or_default()))?;
    }
    let machine = Machine {
        kernel: products.host_kernel.vmlinux(),
        initrd: Some(products.initramfs.host()),
        smp,
        memory_mib: 3072,
        drives: vec![products.userland_drive()],
        share: Some(share),
        ..Machine::default()
    };
    let log = run.join("console.log");
    let failures = report.failures();
    let outcome = std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        let thread = scope.spawn(|| {
            let sender = sender;
            machine.run(&context.simulator, &log, LIMIT, |line| {
                // The receiver is gone once the last case has ended.
                let _ = sender.send(line.to_owned());
            })
        });
        for program in programs {
            report.case(program.name, || {
                judge(program, limit(context, program), &receiver)
            });
        }
        thread
            .join()
            .map_err(|_| anyhow!("the thread that runs the machine died"))?
    })?;
    report.needed_case(&format!("kernel-log,host-smp={smp}"), || {
        said::check_ended(&outcome.console, MARKER, "programs")
            .and_then(|()| outcome.check(LIMIT))
            .with_context(|| format!("see {}", log.display()))?;
        Ok(Verdict::Passed)
    });
    if report.failures() == failures {
        fs::remove_dir_all(&run)?;
    } else {
        detail(format_args!("see {}", log.display()));
    }
    Ok(())
}

/// Copies these programs, files in `dir`, into the shared folder; returns the list by which its
/// script runs them.
fn offer(context: &Context, programs: &[&Program<'_>], dir: &Path, share: &Path) -> Result<String> {
    let mut list = String::new();
    for program in programs {
        let Program {
            name,
            file,
            arguments,
            ..
        } = program;
        copy(&dir.join(file), &share.join(name))?;
        let seconds = limit(context, program).as_secs();
        list.push_str(&format!("{name} {seconds} {name} {arguments}\n"));
    }
    Ok(list)
}

/// How long a program may take on this run's kernel.
fn limit(context: &Context, program: &Program<'_>) -> Duration {
    let factor = if context.debug_kernel {
        DEBUG_FACTOR
    } else {
        1
    };
    Duration::from_secs(program.limit.as_secs() * factor)
}

/// Reads lines up to the end of a program and judges it.
fn judge(
    program: &Program<'_>,
    limit: Duration,
    lines: &mpsc::Receiver<String>,
) -> Result<Verdict> {
    let mut output = VecDeque::new();
    let mut cases = Cases::default();
    let mut begun = false;
    let status = loop {
        let Ok(line) = lines.recv() else {
            show(&output);
            bail!("the host ended before the program did");
        };
        let of_program = said(&line, MARKER)
            .and_then(|(_, text)| text.strip_prefix(program.name)?.strip_prefix(' '));
        if let Some(status) = of_program.and_then(|text| text.strip_prefix("ended ")) {
            break status.to_owned();
        }
        if of_program == Some("begin") {
            begun = true;
        } else if begun {
            // Lines of the host's kernel may stand between the program's.
            let printed = line.strip_prefix(OUTPUT).unwrap_or(&line);
            if let Some((_, case)) = said(printed, CASE) {
                cases.read(case);
            }
            output.push_back(printed.to_owned());
            if output.len() > 200 {
                output.pop_front();
            }
        }
    };
    let verdict = match status.as_str() {
        "124" | "137" => Err(anyhow!("no end within {} s", limit.as_secs())),
        // KSFT_SKIP.
        "4" => Ok(Verdict::Skipped(skip_reason(&output))),
        _ => cases.verdict(&status),
    };
    if verdict.is_err() {
        show(&output);
    }
    verdict
}

/// Prints the last of what a program said.
fn show(output: &VecDeque<String>) {
    for line in output.iter().skip(output.len().saturating_sub(SHOWN)) {
        detail(format_args!("{OUTPUT}{line}"));
    }
}

/// Why a program of the kernel skipped: the reason that its TAP output gives, or
/// what it says to be skipping the test for (`print_skip` of its library), or
/// else its last line.
fn skip_reason(output: &VecDeque<String>) -> String {
    let tap = || {
        output
            .iter()
            .find_map(|line| line.split_once("# SKIP").map(|(_, reason)| reason))
    };
    let printed = || {
        let at = output
            .iter()
            .position(|line| line.contains("skipping test"))?;
        let (before, _) = output.get(at)?.split_once(", skipping test")?;
        // A reason that ends in a line feed stands before.
        if before.is_empty() {
            output.get(at.checked_sub(1)?).map(String::as_str)
        } else {
            Some(before)
        }
    };
    tap()
        .or_else(printed)
        .or_else(|| output.back().map(String::as_str))
        .unwrap_or("it gives no reason")
        .trim_matches([' ', '-'])
        .to_owned()
}

/// The cases inside a program of ours.
#[derive(Default)]
struct Cases {
    begun: Option<String>,
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Cases {
    /// Takes `NAME ...`, `NAME ok`, `NAME skipped: reason` or `NAME FAILED: reason`.
    fn read(&mut self, line: &str) {
        let Some((name, said)) = line.split_once(' ') else {
            return;
        };
        match said {
            "..." => {
                self.begun = Some(name.to_owned());
                return;
            }
            "ok" => self.passed += 1,
            _ if said.starts_with("skipped: ") => self.skipped += 1,
            _ if said.starts_with("FAILED: ") => self.failed += 1,
            _ => return,
        }
        self.begun = None;
        detail(format_args!("{line}"));
    }

    /// The program's word, its exit status and its cases must agree.
    fn verdict(self, status: &str) -> Result<Verdict> {
        if let Some(name) = self.begun {
            bail!("it ended with status {status} in the middle of {name}");
        }
        match (self.passed + self.failed + self.skipped, status) {
            (0, "0") => Ok(Verdict::Passed),
            (0, _) => bail!("it ended with status {status}"),
            (_, "0") if self.failed == 0 => Ok(Verdict::Counted {
                passed: self.passed,
                failed: 0,
                skipped: self.skipped,
            }),
            (_, "1") if self.failed != 0 => Ok(Verdict::Counted {
                passed: self.passed,
                failed: self.failed,
                skipped: self.skipped,
            }),
            _ => bail!(
                "it ended with status {status} after {} failures",
                self.failed
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: Program<'static> = Program {
        name: "p",
        file: "p",
        arguments: "",
        limit: Duration::from_secs(5),
        tier: crate::test::Tier::Ci,
        host_smp: 1,
    };

    fn judged(text: &str) -> Result<Verdict> {
        let (sender, receiver) = mpsc::channel();
        for line in text.lines() {
            sender.send(line.to_owned())?;
        }
        drop(sender);
        judge(&PROGRAM, PROGRAM.limit, &receiver)
    }

    #[test]
    fn a_program_is_judged_by_its_status() {
        let with = |text: &str| format!("noise\n{MARKER} p begin\n{text}");
        let ended = |status: u32| with(&format!("| x\n{MARKER} p ended {status}\n"));
        assert!(matches!(judged(&ended(0)), Ok(Verdict::Passed)));
        assert!(judged(&ended(254)).is_err());
        assert!(judged(&ended(124)).is_err());
        assert!(judged(&with("| half")).is_err());
        let skipped = with(&format!(
            "| 1..0 # SKIP - no such thing\n{MARKER} p ended 4\n"
        ));
        assert!(
            matches!(judged(&skipped), Ok(Verdict::Skipped(reason)) if reason == "no such thing")
        );
    }

    #[test]
    fn reasons_to_skip() {
        let reason =
            |lines: &[&str]| skip_reason(&lines.iter().map(|line| (*line).to_owned()).collect());
        assert_eq!(reason(&["1..0 # SKIP - no such thing"]), "no such thing");
        assert_eq!(
            reason(&["seed", "no PMU", ", skipping test", "counters: 0"]),
            "no PMU"
        );
        assert_eq!(reason(&["no PMU, skipping test", "counters: 0"]), "no PMU");
        assert_eq!(reason(&["a", "b"]), "b");
        assert_eq!(reason(&[]), "it gives no reason");
    }

    #[test]
    fn cases_inside_a_program_count() {
        let text = |status: u32, last: &str| {
            format!(
                "{MARKER} p begin\n| {CASE} a ...\n| {CASE} a ok\n| {CASE} b ...\n\
                 | {CASE} b skipped: not offered\n| {CASE} c ...\n{last}{MARKER} p ended {status}\n"
            )
        };
        assert!(matches!(
            judged(&text(0, &format!("| {CASE} c ok\n"))),
            Ok(Verdict::Counted {
                passed: 2,
                failed: 0,
                skipped: 1
            })
        ));
        assert!(matches!(
            judged(&text(1, &format!("| {CASE} c FAILED: why\n"))),
            Ok(Verdict::Counted { failed: 1, .. })
        ));
        // It may not die, nor succeed after a failure.
        assert!(judged(&text(0, "")).is_err());
        assert!(judged(&text(0, &format!("| {CASE} c FAILED: why\n"))).is_err());
        assert!(judged(&text(101, &format!("| {CASE} c ok\n"))).is_err());
    }
}
