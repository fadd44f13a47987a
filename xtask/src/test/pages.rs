// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Suite `pages`: KVM hosts with pages of every size and every number of levels that
//! Linux offers, both modules on them, and guests with pages of each size. Linux's
//! module is left out on hosts with [small tables](Pages::small_tables).

use std::fs;
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;

use super::Context;
use super::report::{Report, Verdict};
use crate::machine::add_parameters;
use crate::nested::{Guest, Nested, Stack};
use crate::setup::Pages;

/// How long one host may take.
const LIMIT: Duration = Duration::from_secs(40 * 60);

/// A layout for each size of a guest's pages.
const GUESTS: [Pages; 3] = [Pages::Small4, Pages::Usual3, Pages::Large3];

pub(super) fn run(context: &Context, report: &mut Report) -> Result<()> {
    for host in Pages::value_variants() {
        for guest in GUESTS {
            for kvm in Stack::ALL {
                let name = format!(
                    "host={},guest={},kvm={}",
                    host.name(),
                    guest.name(),
                    kvm.name()
                );
                report.case(&name, || match kvm {
                    Stack::Upstream if host.small_tables() => Ok(Verdict::Skipped(NO_ROOM.into())),
                    _ => boot(context, kvm, *host, guest),
                });
            }
        }
    }
    Ok(())
}

/// Why Linux's module is left out.
const NO_ROOM: &str = "a host with such tables stopped with the module of Linux 7.2.12";

fn boot(context: &Context, kvm: Stack, host: Pages, guest: Pages) -> Result<Verdict> {
    let append = guest.guest_parameters().to_owned();
    let products = context.products.with_pages(host)?;
    let guest = context.products.with_pages(guest)?;
    let nested = Nested {
        kvm,
        accel: context.accel,
        host_smp: 2,
        kernel_irqchip: true,
        guests: vec![Guest {
            kernel: Some(guest.host_kernel.vmlinux()),
            smp: 2,
            append,
            ..Guest::default()
        }],
        interactive: false,
        copy_share: false,
    };
    let run = products.cache.new_run("pages")?;
    let mut machine = nested.machine(&products, &run.join("share"))?;
    add_parameters(&mut machine.append, host.host_parameters());
    let log = run.join("console.log");
    nested.pass(&machine, &context.simulator, &log, LIMIT)?;
    fs::remove_dir_all(&run)?;
    Ok(Verdict::Passed)
}
