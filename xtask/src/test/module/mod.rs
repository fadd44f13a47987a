// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Suite `module`: whatever is done to kvm.ko, by processes, guests and the
//! host, it goes on working, can be unloaded, and leaves nothing behind.
//!
//! A case is one KVM host. What happens on it is a script around the programs
//! of tests/kvm (see [`cases`]); what the host says afterwards is judged in
//! [`verdict`].

mod cases;
mod verdict;

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::report::{Report, Verdict, detail};
use super::{Context, Tier};
use crate::kvm_programs;
use crate::machine::{Machine, make_share};
use crate::nested::{Stack, copy};
use crate::setup::Products;
use cases::{Case, Scale};

const SCRIPT: &str = include_str!("../../../../tests/guest/module-test");

/// How long one host may take.
const LIMIT: Duration = Duration::from_secs(40 * 60);

/// RAM of a host in MiB.
const MEMORY_MIB: u32 = 1536;

pub(super) fn run(context: &Context, report: &mut Report) -> Result<()> {
    let plain = if context.runs(Tier::Full) {
        Scale::Full
    } else {
        Scale::Ci
    };
    // Asked for alone, or as a part of everything.
    let debug = context.debug_kernel || context.everything;
    if !context.debug_kernel {
        run_on(context, &context.products, plain, report);
    }
    if debug {
        let products = context.products.with_debug_kernel()?;
        run_on(context, &products, Scale::Debug, report);
    }
    Ok(())
}

fn run_on(context: &Context, products: &Products, scale: Scale, report: &mut Report) {
    for case in cases::all(scale) {
        report.case(&case.name, || host(context, products, scale, &case));
    }
}

/// Warnings that are known of a module, as extended regular expressions.
fn known(kvm: Stack) -> &'static str {
    match kvm {
        Stack::Rust => "",
        // docs/module-tests.md, "Seen of Linux's own module".
        Stack::Upstream => {
            "arch/loongarch/kvm/intc/ipi.c:[0-9]+ at kvm_ipi_(read|write)\n\
             WARNING: inconsistent lock state\n"
        }
    }
}

fn host(context: &Context, products: &Products, scale: Scale, case: &Case) -> Result<Verdict> {
    let kvm_ko = context.kvm.kvm_ko(products)?;
    let programs = kvm_programs::build(products)?;
    let run = products.cache.new_run("module")?;
    let share = run.join("share");
    make_share(&share, SCRIPT)?;
    fs::write(share.join("case"), &case.script)?;
    copy(&kvm_ko, &share.join("kvm.ko"))?;
    fs::write(share.join("known"), known(context.kvm))?;
    for program in case.programs {
        copy(&programs.join(program), &share.join(program))?;
    }
    if case.guest {
        // Guests run the small kernel on every host.
        copy(
            &context.products.host_kernel.vmlinux(),
            &share.join("guest.kernel"),
        )?;
        copy(&products.initramfs.guest(), &share.join("guest.initrd"))?;
    }
    let machine = Machine {
        kernel: products.host_kernel.vmlinux(),
        initrd: Some(products.initramfs.host()),
        // What is looked for must not have left the kernel's log.
        append: "log_buf_len=16M".to_owned(),
        smp: case.host_smp,
        memory_mib: MEMORY_MIB,
        drives: vec![products.userland_drive()],
        share: Some(share),
        ..Machine::default()
    };
    let log = run.join("console.log");
    let outcome = machine.run(&context.simulator, &log, LIMIT, |line| {
        if case.is_report(line) {
            detail(format_args!("{line}"));
        }
    })?;
    verdict::judge(&outcome.console, scale, case.programs)
        .and_then(|()| outcome.check(LIMIT))
        .with_context(|| format!("see {}", log.display()))?;
    fs::remove_dir_all(&run)?;
    Ok(Verdict::Passed)
}
