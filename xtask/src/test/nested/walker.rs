// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The hardware page table walker (`ptw`) in hosts that have it and in hosts that
//! have not, on and off in their guests.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::super::report::{Report, Verdict, detail};
use super::super::{Context, Tier};
use crate::boot::read_stats;
use crate::machine::Outcome;
use crate::nested::{Guest, Nested, Stack};

/// How long one host may take.
const LIMIT: Duration = Duration::from_secs(40 * 60);

/// What the backends say of a guest that wants a walker where the host has none.
const REFUSAL: &str = "'ptw' feature not supported by KVM";

pub(super) fn run(context: &Context, report: &mut Report) {
    for kvm in Stack::ALL {
        for (host, guest) in [(true, true), (true, false), (false, true), (false, false)] {
            let short = kvm == context.kvm && host;
            if !short && !context.runs(Tier::Full) {
                continue;
            }
            let name = format!(
                "walker,host={},guest={},kvm={}",
                on(host),
                on(guest),
                kvm.name()
            );
            report.case(&name, || boot(context, kvm, host, guest));
        }
    }
}

fn on(yes: bool) -> &'static str {
    if yes { "on" } else { "off" }
}

fn boot(context: &Context, kvm: Stack, host: bool, guest: bool) -> Result<Verdict> {
    let products = &context.products;
    let nested = Nested {
        kvm,
        accel: context.accel,
        host_smp: 2,
        kernel_irqchip: true,
        guests: vec![Guest {
            smp: 2,
            cpu: format!("max,ptw={}", on(guest)),
            ..Guest::default()
        }],
        interactive: false,
        copy_share: false,
    };
    let run = products.cache.new_run("nested-walker")?;
    let mut machine = nested.machine(products, &run.join("share"))?;
    let stats = run.join("stats.json");
    machine.stats = Some(stats.clone());
    let log = run.join("console.log");
    let simulator = context
        .simulator
        .with_cpu(&format!("la664,ptw={}", on(host)));
    let outcome = machine.run(&simulator, &log, LIMIT, |_| {})?;
    let verdict = if guest && !host {
        refused(&outcome)
    } else {
        nested
            .check(&outcome, LIMIT)
            .and_then(|()| check_walks(&read_stats(&stats)?, host, guest))
    };
    verdict.with_context(|| format!("see {}", log.display()))?;
    fs::remove_dir_all(&run)?;
    Ok(Verdict::Passed)
}

/// QEMU says once why it does not run, and the host goes on to its end.
fn refused(outcome: &Outcome) -> Result<()> {
    let times = outcome.console.matches(REFUSAL).count();
    if times != 1 {
        bail!("{times} times \"{REFUSAL}\"");
    }
    if outcome.timed_out || !outcome.status.success() || outcome.script_status() != Some(1) {
        outcome.check(LIMIT).context("behind QEMU's refusal")?;
        bail!("QEMU refused, and a guest ran");
    }
    Ok(())
}

/// Each of the three translations was walked by hardware or refilled by software,
/// as it should be, and not both.
fn check_walks(stats: &serde_json::Value, host: bool, guest: bool) -> Result<()> {
    let rows = [("host", host), ("stage1", guest), ("stage2", host)];
    for (translation, walker) in rows {
        let figures = &stats["tlb"][translation];
        let count = |what: &str| {
            figures[what]
                .as_u64()
                .with_context(|| format!("the simulator did not count tlb.{translation}.{what}"))
        };
        let (walks, refills) = (count("walks")?, count("refills")?);
        let fits = match walker {
            true => walks > 0 && refills == 0,
            false => walks == 0 && refills > 0,
        };
        detail(format_args!(
            "{translation}: {walks} walks, {refills} refills"
        ));
        if !fits {
            bail!("{translation}: {walks} walks and {refills} refills");
        }
    }
    Ok(())
}
