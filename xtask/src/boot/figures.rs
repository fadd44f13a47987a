// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The figures that the simulator writes: what the exits of a run cost.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

/// The simulator's figures of a run.
pub(crate) fn read_stats(file: &Path) -> Result<Value> {
    let text = fs::read_to_string(file)
        .with_context(|| format!("the simulator left no figures in {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))
}

/// Prints what the exits cost, most expensive first.
pub(super) fn print_table(figures: &Value) {
    let number = |value: &Value| value.as_f64().unwrap_or(0.0);
    let mut rows: Vec<(&String, f64, f64, f64)> = figures["exits"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, exit)| {
            (
                name,
                number(&exit["count"]),
                number(&exit["host_instructions_mean"]),
                number(&exit["host_instructions_p99"]),
            )
        })
        .filter(|(_, count, ..)| *count > 0.0)
        .collect();
    rows.sort_by(|a, b| (b.1 * b.2).total_cmp(&(a.1 * a.2)));
    println!(
        "{:<16} {:>10} {:>12} {:>12}",
        "exit", "count", "host mean", "host p99"
    );
    for (name, count, mean, p99) in rows {
        println!("{name:<16} {count:>10.0} {mean:>12.0} {p99:>12.0}");
    }
    if let Some((host, guest)) = instructions(figures) {
        println!(
            "instructions: {:.1} million in the host, {:.1} million in the guest",
            host as f64 / 1e6,
            guest as f64 / 1e6
        );
    }
}

/// Instructions in root mode and in guest mode, of all CPUs.
pub(crate) fn instructions(figures: &Value) -> Option<(u64, u64)> {
    let total = figures["instructions"].as_u64()?;
    let guest = figures["shares"]["guest"].as_u64()?;
    Some((total.checked_sub(guest)?, guest))
}
