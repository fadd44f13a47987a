// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `bench`: figures of ours beside the rival's, measured in one run.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::machine::{Chosen, Simulator};
use crate::setup::{self, KernelOption, Products};

pub(crate) mod backend;
mod exits;
mod exits_guest;
mod sim;

/// How long one machine may take.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Options of `bench`.
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    kernel: KernelOption,
    /// Benches to run; all if none is named
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Write the figures there
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Show what figures are made of, for those that tell
    #[arg(long)]
    verbose: bool,
}

/// A bench, which prints what it finds and returns its rows.
type Bench = fn(&Products, &Simulator) -> Result<Vec<Row>>;

const BENCHES: &[(&str, Bench)] = &[
    ("sim", sim::bench),
    ("exits", exits::bench),
    ("backend", backend::bench),
];

/// One figure: a cost, of which less is better.
struct Row {
    name: String,
    unit: &'static str,
    ours: f64,
    upstream: f64,
    /// What the two are made of: an object with `ours` and `upstream`, each an
    /// object of numbers.
    detail: Option<Value>,
}

impl Row {
    fn new(name: String, unit: &'static str, ours: f64, upstream: f64) -> Self {
        Self {
            name,
            unit,
            ours,
            upstream,
            detail: None,
        }
    }

    fn ratio(&self) -> f64 {
        self.ours / self.upstream
    }
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let mut chosen = Vec::new();
    for name in &options.names {
        match BENCHES.iter().find(|(known, _)| known == name) {
            Some((_, bench)) => chosen.push(bench),
            None => {
                let known: Vec<&str> = BENCHES.iter().map(|(name, _)| *name).collect();
                bail!("no bench {name}: there are {}", known.join(", "));
            }
        }
    }
    if chosen.is_empty() {
        chosen.extend(BENCHES.iter().map(|(_, bench)| bench));
    }
    let products = setup::products(options.kernel)?;
    let simulator = Simulator::build(Chosen::default())?;
    let mut rows = Vec::new();
    for bench in chosen {
        rows.extend(bench(&products, &simulator)?);
    }
    print(&rows, options.verbose);
    if let Some(file) = &options.json {
        let rows: Vec<Value> = rows
            .iter()
            .map(|row| {
                let mut object = json!({
                    "name": row.name,
                    "unit": row.unit,
                    "ours": row.ours,
                    "upstream": row.upstream,
                    "ratio": row.ratio(),
                });
                if let Some(detail) = &row.detail {
                    object["detail"] = detail.clone();
                }
                object
            })
            .collect();
        fs::write(file, format!("{:#}\n", Value::from(rows)))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the table; with `verbose` below each row what it is made of.
fn print(rows: &[Row], verbose: bool) {
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    let width = width.max(24);
    println!(
        "{:<width$} {:>12} {:>14} {:>14} {:>8}",
        "figure", "unit", "ours", "upstream", "ratio"
    );
    for row in rows {
        println!(
            "{:<width$} {:>12} {:>14.3} {:>14.3} {:>8.2}",
            row.name,
            row.unit,
            row.ours,
            row.upstream,
            row.ratio()
        );
        let Some(detail) = row.detail.as_ref().filter(|_| verbose) else {
            continue;
        };
        let side = |name: &str| detail[name].as_object().into_iter().flatten();
        let names: BTreeSet<&String> = side("ours")
            .chain(side("upstream"))
            .map(|(n, _)| n)
            .collect();
        for name in names {
            let of = |side: &str| detail[side][name.as_str()].as_u64().unwrap_or(0);
            println!(
                "  {name:<width$} {:>11} {:>14} {:>14}",
                "",
                of("ours"),
                of("upstream")
            );
        }
    }
}
