// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Message interrupts (`tests/kvm/src/bin/message-exits.rs`), which QEMU of Debian has no
//! part in: the program is the VMM of a guest on a host whose CPU has them.

use anyhow::{Result, bail};
use serde_json::Value;

use super::super::Row;
use super::classes::WHOLE_CPU;
use super::cost::median_at;
use super::{host, target};
use crate::kvm_programs;
use crate::machine::Simulator;
use crate::nested::{Stack, copy};
use crate::setup::Products;

/// The program, which the host's script looks for.
const PROGRAM: &str = "message-exits";

/// How many messages each of its guests gets; a tick of the host may come before one.
const COUNT: u64 = 240;

/// Name of the row, the simulator's name for the cause, and the instruction at which the
/// guest waits.
const ROWS: &[(&str, &str, u64)] = &[
    ("message-running", "interrupt", 0x400),
    ("message-asleep", "idle", 0x800),
    ("message-asleep-polled", "idle", 0xc00),
];

pub(super) fn rows(products: &Products, simulator: &Simulator) -> Result<Vec<Row>> {
    let program = kvm_programs::build(products)?.join(PROGRAM);
    let simulator = simulator.with_cpu(WHOLE_CPU);
    let measure = |kvm: Stack| {
        eprintln!("bench exits: messages, {} kvm.ko", kvm.name());
        host(
            products,
            &simulator,
            None,
            kvm,
            |share| {
                copy(&program, &share.join(PROGRAM))?;
                Ok("none")
            },
            |_, stats| {
                ROWS.iter()
                    .map(|row| median(stats, row))
                    .collect::<Result<Vec<_>>>()
            },
        )
    };
    let (ours, upstream) = (measure(Stack::Rust)?, measure(Stack::Upstream)?);
    let pairs = ours.into_iter().zip(upstream);
    Ok(ROWS
        .iter()
        .zip(pairs)
        .map(|((name, ..), (ours, upstream))| Row {
            target: target(name),
            ..Row::new((*name).to_owned(), "instructions", ours, upstream)
        })
        .collect())
}

fn median(stats: &Value, (name, cause, site): &(&str, &str, u64)) -> Result<f64> {
    let (count, median) = median_at(stats, cause, *site);
    if count < COUNT {
        bail!("{name}: {count} exits instead of {COUNT}");
    }
    Ok(median)
}
