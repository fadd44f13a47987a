// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Suite `series`: what the other suites show on one kernel series, in short on
//! another: kernel and module build, a guest boots, the programs of tests/kvm pass.
//!
//! The other series is the default one if the run is on another, and otherwise the
//! newest that can be had.

mod unfit;

use anyhow::Result;

use super::report::{Report, Verdict, detail};
use super::selftests::programs::OURS;
use super::{Context, Tier, nested, selftests};
use crate::setup::{CannotBeHad, Products};

/// Which of the programs of tests/kvm run.
const TIER: Tier = Tier::Ci;

/// The case that the others need.
const KERNEL: &str = "kernel";
const MODULE: &str = "kvm.ko";
const BOOT: &str = "boot";

pub(super) fn run(context: &Context, report: &mut Report) -> Result<()> {
    report.case("unfit-trees", || unfit::check(&context.products));
    let programs = OURS.iter().filter(|program| program.tier == TIER);
    let names = [KERNEL, MODULE, BOOT]
        .into_iter()
        .chain(programs.map(|program| program.name));
    if !report.wants_any(names) {
        return Ok(());
    }
    let mut other = None;
    report.needed_case(KERNEL, || kernel(&context.products, &mut other));
    let Some(products) = other else {
        return Ok(());
    };
    let context = Context {
        products,
        simulator: context.simulator.clone(),
        tier: TIER,
        everything: false,
        ..*context
    };
    report.case(MODULE, || {
        context.kvm.kvm_ko(&context.products)?;
        Ok(Verdict::Passed)
    });
    report.case(BOOT, || nested::boot_one(&context));
    selftests::run_ours(&context, report)
}

/// Builds the other kernel.
fn kernel(products: &Products, other: &mut Option<Products>) -> Result<Verdict> {
    match products.with_other_series() {
        Ok(products) => {
            detail(format_args!("Linux {}", products.series));
            *other = Some(products);
            Ok(Verdict::Passed)
        }
        Err(error) if error.is::<CannotBeHad>() => Ok(Verdict::Skipped(format!("{error:#}"))),
        Err(error) => Err(error),
    }
}
