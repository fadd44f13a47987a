// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Suite `determinism`: the same command ends in the same state.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};

use super::Context;
use super::report::{Report, Verdict};
use crate::boot::read_stats;
use crate::machine::Machine;
use crate::nested::{Guest, Nested};

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
    report.case("nested-twice", || with_guests(context, twice));
    report.case("nested-snapshot", || with_guests(context, snapshot));
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

/// Two guests on a host with two CPUs.
fn guests(context: &Context) -> Nested {
    let guest = |seed| Guest {
        seed,
        smp: 2,
        memory_mib: 256,
        ..Guest::default()
    };
    Nested {
        kvm: context.kvm,
        accel: context.accel,
        host_smp: 2,
        kernel_irqchip: true,
        guests: vec![guest(11), guest(12)],
        interactive: false,
        copy_share: true,
    }
}

/// Runs a test on a host with guests.
fn with_guests(
    context: &Context,
    test: fn(&Context, &str, &Machine) -> Result<Verdict>,
) -> Result<Verdict> {
    let run = context.products.cache.new_run("determinism-share")?;
    let share = run.join("share");
    let machine = guests(context).machine(&context.products, &share)?;
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
fn end(context: &Context, machine: &Machine, dir: &Path, name: &str) -> Result<End> {
    let stats = dir.join(format!("{name}.json"));
    let log = dir.join(format!("{name}.log"));
    let machine = Machine {
        hash: true,
        stats: Some(stats.clone()),
        ..machine.clone()
    };
    let outcome = machine.run(&context.simulator, &log, LIMIT, |_| {})?;
    let stopped_on_purpose = machine.max_instructions.is_some();
    if outcome.timed_out || !(outcome.status.success() || stopped_on_purpose) {
        bail!(
            "the machine ended with {}, see {}",
            outcome.status,
            log.display()
        );
    }
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

fn twice(context: &Context, name: &str, machine: &Machine) -> Result<Verdict> {
    let run = context
        .products
        .cache
        .new_run(&format!("determinism-{name}"))?;
    let first = end(context, machine, &run, "first")?;
    let second = end(context, machine, &run, "second")?;
    compare(&first, &second, "the second run", &run)
}

/// Stops a run half way into a snapshot and goes on from it in another process.
fn snapshot(context: &Context, name: &str, machine: &Machine) -> Result<Verdict> {
    let run = context
        .products
        .cache
        .new_run(&format!("determinism-{name}-snapshot"))?;
    let whole = end(context, machine, &run, "whole")?;
    let file = run.join("snapshot");
    let first_half = Machine {
        max_instructions: Some(whole.instructions / 2),
        snapshot_out: Some(file.clone()),
        ..machine.clone()
    };
    let half = end(context, &first_half, &run, "first-half")?;
    if half.instructions >= whole.instructions {
        bail!("--max-instructions did not stop the run");
    }
    let second_half = Machine {
        snapshot_in: Some(file),
        ..machine.clone()
    };
    let resumed = end(context, &second_half, &run, "second-half")?;
    compare(&whole, &resumed, "the resumed run", &run)
}

fn compare(first: &End, second: &End, what: &str, run: &Path) -> Result<Verdict> {
    if first != second {
        return Err(anyhow!("{what} ended in {second:?} instead of {first:?}"))
            .with_context(|| format!("see {}", run.display()));
    }
    println!(
        "    {} instructions, state {}",
        first.instructions, first.state_hash
    );
    fs::remove_dir_all(run)?;
    Ok(Verdict::Passed)
}
