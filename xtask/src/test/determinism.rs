// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Suite `determinism`: the same command ends in the same state, whichever engine
//! executes it.

mod engines;

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};

use super::Context;
use super::report::{Report, Verdict, detail};
use crate::boot::read_stats;
use crate::machine::{Machine, Outcome, Simulator};
use crate::nested::{GUEST_MARKER, Guest, Nested};
use crate::said;

/// How long one machine may take.
const LIMIT: Duration = Duration::from_secs(40 * 60);

/// Where a run ended: instructions retired, and the hash of RAM and registers.
#[derive(Debug, PartialEq, Eq)]
struct End {
    instructions: u64,
    state_hash: String,
}

pub(super) fn run(context: &Context, report: &mut Report) -> Result<()> {
    report.case("linux-smp=2-twice", || {
        twice(context, "linux", &linux(context, 2))
    });
    report.case("linux-smp=2-snapshot", || {
        snapshot(context, "linux", &linux(context, 2))
    });
    report.case("linux-smp=4-twice", || {
        twice(context, "linux", &linux(context, 4))
    });
    let two = || guests(context, 2, &[11, 12]);
    report.case("nested-twice", || with_guests(context, &two(), twice));
    report.case("nested-lints", || {
        with_guests(context, &guests(context, 1, &[11]), lints)
    });
    report.case("nested-snapshot", || with_guests(context, &two(), snapshot));
    engines::run(context, report);
    Ok(())
}

/// A machine that boots, checks itself and powers off, with no disk.
fn linux(context: &Context, smp: u32) -> Machine {
    Machine {
        kernel: context.products.host_kernel.vmlinux(),
        initrd: Some(context.products.initramfs.guest()),
        append: "kvm-la.seed=3".to_owned(),
        smp,
        memory_mib: 512,
        ..Machine::default()
    }
}

/// Guests with these seeds on a host, each machine with as many CPUs.
fn guests(context: &Context, smp: u32, seeds: &[u64]) -> Nested {
    let guest = |&seed: &u64| Guest {
        seed,
        smp,
        memory_mib: 256,
        ..Guest::default()
    };
    Nested {
        kvm: context.kvm,
        accel: context.accel,
        host_smp: smp,
        kernel_irqchip: true,
        guests: seeds.iter().map(guest).collect(),
        interactive: false,
        copy_share: true,
    }
}

/// Runs a test on a host with guests.
fn with_guests(
    context: &Context,
    guests: &Nested,
    test: fn(&Context, &str, &Machine) -> Result<Verdict>,
) -> Result<Verdict> {
    let run = context.products.cache.new_run("determinism-share")?;
    let share = run.join("share");
    let machine = guests.machine(&context.products, &share)?;
    settle(&share)?;
    let verdict = test(context, "nested", &machine)?;
    fs::remove_dir_all(run)?;
    Ok(verdict)
}

/// Reads all files of a share once. The time of access that the machine sees
/// would otherwise change with its own first reading, and be another input of
/// the second run; further readings leave it (relatime).
fn settle(share: &Path) -> Result<()> {
    for entry in fs::read_dir(share)? {
        fs::read(entry?.path())?;
    }
    Ok(())
}

/// Runs a machine and reads where it ended.
fn end(simulator: &Simulator, machine: &Machine, dir: &Path, name: &str) -> Result<End> {
    let stats = dir.join(format!("{name}.json"));
    let log = dir.join(format!("{name}.log"));
    let machine = Machine {
        hash: true,
        stats: Some(stats.clone()),
        ..machine.clone()
    };
    let outcome = machine.run(simulator, &log, LIMIT, |_| {})?;
    check(&machine, &outcome).with_context(|| format!("see {}", log.display()))?;
    let figures = read_stats(&stats)?;
    let field = |name: &str| anyhow!("{} has no {name}", stats.display());
    Ok(End {
        instructions: figures["instructions"]
            .as_u64()
            .ok_or_else(|| field("instructions"))?,
        state_hash: figures["state_hash"]
            .as_str()
            .ok_or_else(|| field("state_hash"))?
            .to_owned(),
    })
}

/// An error unless the machine came to its end, or to where it was to be stopped: two that do
/// nothing are alike.
fn check(machine: &Machine, outcome: &Outcome) -> Result<()> {
    if machine.max_instructions.is_some() {
        return match outcome.timed_out {
            true => bail!("it was not stopped within {} s", LIMIT.as_secs()),
            false => Ok(()),
        };
    }
    if machine.share.is_some() {
        return outcome.check(LIMIT);
    }
    let powered_off = said::all(&outcome.console, "", GUEST_MARKER).any(|text| text == "power-off");
    if !powered_off || !outcome.status.success() {
        bail!("the machine did not power off ({})", outcome.status);
    }
    Ok(())
}

fn twice(context: &Context, name: &str, machine: &Machine) -> Result<Verdict> {
    let run = context
        .products
        .cache
        .new_run(&format!("determinism-{name}"))?;
    let first = end(&context.simulator, machine, &run, "first")?;
    let second = end(&context.simulator, machine, &run, "second")?;
    compare(&first, &second, "the second run", &run)?;
    passed(&first, &run)
}

/// Lints find nothing, and the machine is the same with them.
fn lints(context: &Context, name: &str, machine: &Machine) -> Result<Verdict> {
    let run = context
        .products
        .cache
        .new_run(&format!("determinism-{name}-lints"))?;
    let without = end(&context.simulator, machine, &run, "without")?;
    let mut linted = machine.clone();
    linted.options.push("--trace=lint".into());
    let with = end(&context.simulator, &linted, &run, "with")?;
    let console = fs::read_to_string(run.join("with.log"))?;
    let findings: Vec<&str> = console.lines().filter(|l| l.contains(" lint: ")).collect();
    if !findings.is_empty() {
        bail!("findings; see {}:\n{}", run.display(), findings.join("\n"));
    }
    compare(&without, &with, "the run with lints", &run)?;
    passed(&with, &run)
}

/// Stops a run half way into a snapshot and goes on from it in another process.
pub(super) fn snapshot(context: &Context, name: &str, machine: &Machine) -> Result<Verdict> {
    let run = context
        .products
        .cache
        .new_run(&format!("determinism-{name}-snapshot"))?;
    let simulator = &context.simulator;
    let whole = end(simulator, machine, &run, "whole")?;
    let resumed = resumed(simulator, simulator, machine, &whole, &run)?;
    compare(&whole, &resumed, "the resumed run", &run)?;
    passed(&whole, &run)
}

/// Where a run ends whose first half `first` executes, and `second` the rest.
fn resumed(
    first: &Simulator,
    second: &Simulator,
    machine: &Machine,
    whole: &End,
    run: &Path,
) -> Result<End> {
    let file = run.join("snapshot");
    let first_half = Machine {
        max_instructions: Some(whole.instructions / 2),
        snapshot_out: Some(file.clone()),
        ..machine.clone()
    };
    let half = end(first, &first_half, run, "first-half")?;
    if half.instructions >= whole.instructions {
        bail!("--max-instructions did not stop the run");
    }
    let second_half = Machine {
        snapshot_in: Some(file),
        ..machine.clone()
    };
    end(second, &second_half, run, "second-half")
}

/// An error if two runs, the second of which is `what`, did not end alike.
fn compare(first: &End, second: &End, what: &str, run: &Path) -> Result<()> {
    if first != second {
        return Err(anyhow!("{what} ended in {second:?} instead of {first:?}"))
            .with_context(|| format!("see {}", run.display()));
    }
    Ok(())
}

/// Says where all runs ended, and removes what they left in `run`.
fn passed(end: &End, run: &Path) -> Result<Verdict> {
    detail(format_args!(
        "{} instructions, state {}",
        end.instructions, end.state_hash
    ));
    fs::remove_dir_all(run)?;
    Ok(Verdict::Passed)
}
