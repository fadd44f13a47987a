//! `bench`: figures of ours beside the rival's, measured in one run.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::machine::Simulator;
use crate::setup::{self, Products};

mod exits;
mod exits_guest;
mod sim;

/// How long one machine may take.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Options of `bench`.
#[derive(Args)]
pub(crate) struct Options {
    /// Benches to run; all if none is named
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Write the figures there
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// A bench, which prints what it finds and returns its rows.
type Bench = fn(&Products, &Simulator) -> Result<Vec<Row>>;

const BENCHES: &[(&str, Bench)] = &[("sim", sim::bench), ("exits", exits::bench)];

/// One figure: a cost, of which less is better.
struct Row {
    name: String,
    unit: &'static str,
    ours: f64,
    upstream: f64,
}

impl Row {
    fn ratio(&self) -> f64 {
        self.ours / self.upstream
    }
}

/// Runs the command.
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
    let products = setup::products()?;
    let simulator = Simulator::build()?;
    let mut rows = Vec::new();
    for bench in chosen {
        rows.extend(bench(&products, &simulator)?);
    }
    println!(
        "{:<24} {:>12} {:>12} {:>12} {:>8}",
        "figure", "unit", "ours", "upstream", "ratio"
    );
    for row in &rows {
        println!(
            "{:<24} {:>12} {:>12.3} {:>12.3} {:>8.2}",
            row.name,
            row.unit,
            row.ours,
            row.upstream,
            row.ratio()
        );
    }
    if let Some(file) = &options.json {
        let rows: Vec<Value> = rows
            .iter()
            .map(|row| {
                json!({
                    "name": row.name,
                    "unit": row.unit,
                    "ours": row.ours,
                    "upstream": row.upstream,
                    "ratio": row.ratio(),
                })
            })
            .collect();
        fs::write(file, format!("{:#}\n", Value::from(rows)))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}
