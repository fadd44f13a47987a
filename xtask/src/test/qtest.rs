// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Suite `qtest`: the program of tests/qtest on a KVM host, which drives QEMU over
//! qtest and QMP. docs/qtest.md says what each of its cases shows.

use std::time::Duration;

use anyhow::Result;

use super::report::Report;
use super::selftests::programs::Program;
use super::selftests::run_on_hosts;
use super::{Context, Tier};
use crate::nested::Stack;
use crate::{backend, qtest_program};

/// Seconds of the machine for all cases.
const LIMIT: Duration = Duration::from_secs(300);

const fn program(name: &'static str, arguments: &'static str) -> Program<'static> {
    Program {
        name,
        file: "qtest-kvm",
        arguments,
        limit: LIMIT,
        tier: Tier::Ci,
        host_smp: 4,
    }
}

/// With our backend, by its launcher.
const RUST: Program<'static> = program("accel=rust", "/share/qemu-kvm-la");

/// With QEMU's own.
const UPSTREAM: Program<'static> = program("accel=upstream", "upstream");

/// Runs the suite: with the run's own backend, or with both.
pub(super) fn run(context: &Context, report: &mut Report) -> Result<()> {
    let chosen: Vec<&Program<'_>> = [(Stack::Rust, &RUST), (Stack::Upstream, &UPSTREAM)]
        .into_iter()
        .filter(|(stack, _)| context.runs(Tier::Full) || *stack == context.accel)
        .map(|(_, program)| program)
        .filter(|program| report.wants(program.name))
        .collect();
    if chosen.is_empty() {
        return Ok(());
    }
    let products = &context.products;
    let backend = backend::make(products)?;
    let files = [backend.library(), backend.launcher()];
    run_on_hosts(
        context,
        report,
        &chosen,
        &qtest_program::build(products)?,
        &files,
    )
}
