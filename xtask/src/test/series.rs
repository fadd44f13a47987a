// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Suite `series`: what the other suites show on one kernel series, in short on
//! another: kernel and module build, a guest boots, the programs of tests/kvm pass.
//!
//! The other series is the default one if the run is on another, and otherwise the
//! newest that can be had.

mod unfit;

use anyhow::Result;

use super::report::{Report, Verdict};
use super::{Context, Tier, nested, selftests};
use crate::setup::{CannotBeHad, Products, Wanted};

/// Runs the suite.
pub(super) fn run(context: &Context, report: &mut Report) -> Result<()> {
    report.case("unfit-trees", || unfit::check(&context.products));
    let mut other = None;
    report.case("kernel", || kernel(&context.products, &mut other));
    let Some(products) = other else {
        return Ok(());
    };
    let context = Context {
        products,
        simulator: context.simulator.clone(),
        tier: Tier::Ci,
        everything: false,
        ..*context
    };
    report.case("kvm.ko", || {
        context.kvm.kvm_ko(&context.products)?;
        Ok(Verdict::Passed)
    });
    report.case("boot", || nested::boot_one(&context));
    selftests::run_ours(&context, report)
}

/// Builds the other kernel.
fn kernel(products: &Products, other: &mut Option<Products>) -> Result<Verdict> {
    let wanted = if products.is_default_series()? {
        Wanted::Other
    } else {
        Wanted::Default
    };
    match products.with_kernel(wanted) {
        Ok(products) => {
            println!("    Linux {}", products.series);
            *other = Some(products);
            Ok(Verdict::Passed)
        }
        Err(error) if error.is::<CannotBeHad>() => Ok(Verdict::Skipped(format!("{error:#}"))),
        Err(error) => Err(error),
    }
}
