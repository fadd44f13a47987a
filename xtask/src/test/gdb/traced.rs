// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A trace and a profile of a KVM host and its guest, with the symbols of both kernels.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::super::Context;
use super::super::report::Verdict;
use super::{LIMIT, output};
use crate::boot::{instructions, read_stats, symbols_of};
use crate::nested::Nested;

/// Where the trace is: the first instructions of this function of the guest's kernel.
const TRACED: &str = "start_kernel";

/// Of the instructions of a kernel at most one in so many has no symbol: the host's modules have
/// none here.
const KNOWN: u64 = 5;

pub(super) fn run(context: &Context, nested: &Nested) -> Result<Verdict> {
    let run = context.products.cache.new_run("trace-profile")?;
    let kernel = context.products.host_kernel.vmlinux();
    let start = address(context, &kernel, TRACED)?;
    let (stats, profile) = (run.join("stats.json"), run.join("profile"));
    let mut machine = nested.machine(&context.products, &run.join("share"))?;
    machine.stats = Some(stats.clone());
    machine.options = vec![
        format!(
            "--trace-only=mode=guest,plv=0,pc={start:x}-{:x}",
            start + 12
        )
        .into(),
        "--trace=guest".into(),
        "--profile".into(),
        profile.clone().into(),
    ];
    for mode in ["host", "guest"] {
        machine.options.extend(symbols_of(mode, &kernel)?);
    }
    let log = run.join("console.log");
    let outcome = machine.run(
        &context.simulator.with_engine("interpreter"),
        &log,
        LIMIT,
        |_| {},
    )?;
    outcome.check(LIMIT)?;
    check_trace(&outcome.console)
        .and_then(|()| check_exits(&outcome.console))
        .with_context(|| format!("see {}", log.display()))?;
    let (host, guest) = instructions(&read_stats(&stats)?)
        .context("the simulator's figures have no instructions")?;
    check_profile(&fs::read_to_string(&profile)?, host + guest)
        .with_context(|| format!("see {}", profile.display()))?;
    fs::remove_dir_all(run)?;
    Ok(Verdict::Passed)
}

/// The address of a function of `kernel`.
fn address(context: &Context, kernel: &Path, function: &str) -> Result<u64> {
    let mut nm = context.products.tools.command("loongarch64-linux-gnu-nm")?;
    let symbols = output(nm.arg(kernel))?;
    let digits = symbols
        .lines()
        .find_map(|line| line.strip_suffix(&format!(" T {function}")))
        .with_context(|| format!("the kernel has no {function}"))?;
    Ok(u64::from_str_radix(digits, 16)?)
}

/// The trace is of the instructions that were asked for, and of no other.
fn check_trace(console: &str) -> Result<()> {
    let places: Vec<&str> = console
        .lines()
        .filter(|line| line.starts_with('[') && line.contains(" plv0 0x"))
        .filter_map(|line| line.split_once('<')?.1.split_once('>'))
        .map(|(place, _)| place)
        .collect();
    let expected = ["0x0", "0x4", "0x8", "0xc"].map(|at| format!("{TRACED}+{at}"));
    if places != expected {
        bail!("traced were {places:?}");
    }
    Ok(())
}

/// Exits of the guest's kernel have symbols.
fn check_exits(console: &str) -> Result<()> {
    let exits = console.lines().filter(|line| {
        line.starts_with('[') && line.contains(" guest plv0 ") && line.contains(" exit pc=")
    });
    let (named, unnamed): (Vec<&str>, Vec<&str>) = exits.partition(|line| line.contains(" <"));
    if named.is_empty() || unnamed.len() as u64 * KNOWN > named.len() as u64 {
        bail!(
            "{} exits have a symbol, and {} have none",
            named.len(),
            unnamed.len()
        );
    }
    Ok(())
}

/// The profile has all instructions, and symbols for those of the kernels.
fn check_profile(stacks: &str, instructions: u64) -> Result<()> {
    let weight = |begin: &str, end: &str| -> Result<u64> {
        let weights = stacks.lines().filter_map(|line| {
            let (stack, weight) = line.rsplit_once(' ')?;
            (stack.starts_with(begin) && stack.ends_with(end)).then(|| weight.parse::<u64>())
        });
        Ok(weights.collect::<Result<Vec<_>, _>>()?.iter().sum())
    };
    let all = weight("", "")?;
    if all != instructions {
        bail!("the profile has {all} instructions of {instructions}");
    }
    for mode in ["host", "guest"] {
        let kernel = format!("{mode};kernel;");
        let (all, unknown) = (weight(&kernel, "")?, weight(&kernel, ";[unknown]")?);
        if all == 0 || unknown * KNOWN > all {
            bail!("{unknown} of {all} instructions of the {mode}'s kernel have no symbol");
        }
    }
    Ok(())
}
