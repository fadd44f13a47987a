// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `bench`: figures of ours beside the rival's, measured in one run.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};

use crate::dist::identity::Identity;
use crate::machine::{Chosen, Simulator};
use crate::output;
use crate::said;
use crate::setup::{self, KernelOption, Products, workspace};

pub(crate) mod backend;
mod boot;
mod exits;
mod functions;
mod growth;
mod marks;
mod picture;
mod sim;

use picture::Picture;

/// The address of a site in the simulator's figures.
fn site_address(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// How long one machine may take.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Options of `bench`.
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    kernel: KernelOption,
    /// Benches to run; all if none is named
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(BENCHES.iter().map(|(name, _)| *name)))]
    names: Vec<String>,
    /// Write the figures there
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw what was measured, a file for each picture of a bench that has some
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
    /// Show what figures are made of, for those that tell
    #[arg(long)]
    verbose: bool,
    /// Of bench `boot`: these loads alone
    #[arg(long = "load", value_name = "NAME,...", value_delimiter = ',')]
    loads: Vec<String>,
    /// Of bench `boot`: CPUs of host and guest that boots, each number in turn
    #[arg(long, value_name = "N,...", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=256))]
    smp: Vec<u32>,
    /// Of bench `boot`: RAM of the guests, in MiB
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(256..=65536))]
    memory: Option<u32>,
}

/// What a bench works with.
struct Bench<'a> {
    products: &'a Products,
    simulator: &'a Simulator,
    options: &'a Options,
}

/// What a bench found, besides what it printed.
#[derive(Default)]
struct Found {
    rows: Vec<Row>,
    pictures: Vec<Picture>,
}

impl From<Vec<Row>> for Found {
    fn from(rows: Vec<Row>) -> Self {
        Self {
            rows,
            pictures: Vec::new(),
        }
    }
}

/// A bench by its function.
type Function = fn(&Bench<'_>) -> Result<Found>;

const BENCHES: &[(&str, Function)] = &[
    ("sim", |bench| Ok(sim::bench(bench)?.into())),
    ("exits", exits::bench),
    ("backend", |bench| Ok(backend::bench(bench)?.into())),
    ("boot", boot::bench),
    ("growth", |bench| Ok(growth::bench(bench)?.into())),
];

/// What ran, as the host's script says it: `MARKER versions TEXT`.
fn versions(console: &str, marker: &str) -> Result<String> {
    said::all(console, "", marker)
        .find_map(|text| text.strip_prefix("versions "))
        .map(|text| {
            let version = Identity::of_checkout(&workspace()?).map(|identity| identity.version);
            let version = version.unwrap_or_else(|_| env!("CARGO_PKG_VERSION").to_owned());
            Ok(format!("{text}, this project {version}"))
        })
        .context("the host did not say what runs there")?
}

/// One figure: a cost, of which less is better.
struct Row {
    name: String,
    unit: &'static str,
    ours: f64,
    upstream: f64,
    /// The ratio that is to be reached, where there is one.
    target: Option<f64>,
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
            target: None,
            detail: None,
        }
    }

    fn ratio(&self) -> f64 {
        self.ours / self.upstream
    }
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let chosen: Vec<&Function> = match &options.names[..] {
        [] => BENCHES.iter().map(|(_, bench)| bench).collect(),
        names => {
            let known = |name| BENCHES.iter().find(|(known, _)| known == name);
            names
                .iter()
                .filter_map(known)
                .map(|(_, bench)| bench)
                .collect()
        }
    };
    boot::check(options)?;
    // What takes an hour must not be lost for want of a place.
    if let Some(file) = &options.json {
        output::check(file)?;
    }
    if let Some(dir) = &options.svg {
        Picture::check(dir)?;
    }
    let products = setup::products(options.kernel)?;
    let simulator = Simulator::build(Chosen::default())?;
    let bench = Bench {
        products: &products,
        simulator: &simulator,
        options,
    };
    let (found, verdict) = gather(chosen.iter().map(|function| function(&bench)));
    let delivered = deliver(&found, options);
    verdict.and(delivered).map(|()| ExitCode::SUCCESS)
}

/// What benches find, and the first failure: what was measured before it is kept, and no bench
/// after it runs.
fn gather(benches: impl Iterator<Item = Result<Found>>) -> (Found, Result<()>) {
    let mut all = Found::default();
    for found in benches {
        match found {
            Ok(Found { rows, pictures }) => {
                all.rows.extend(rows);
                all.pictures.extend(pictures);
            }
            Err(error) => return (all, Err(error)),
        }
    }
    (all, Ok(()))
}

/// Prints the figures, and writes the files that are asked for.
fn deliver(Found { rows, pictures }: &Found, options: &Options) -> Result<()> {
    if !rows.is_empty() {
        print(rows, options.verbose);
    }
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
                if let Some(target) = row.target {
                    object["target"] = target.into();
                }
                if let Some(detail) = &row.detail {
                    object["detail"] = detail.clone();
                }
                object
            })
            .collect();
        output::write(file, &format!("{:#}\n", Value::from(rows)))?;
    }
    if let Some(dir) = &options.svg {
        for picture in pictures {
            picture.draw(dir)?;
        }
    }
    Ok(())
}

/// Prints the table, `!` behind a target that is not reached; with `verbose` below each
/// row what it is made of.
fn print(rows: &[Row], verbose: bool) {
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    let width = width.max(24);
    println!(
        "{:<width$} {:>12} {:>14} {:>14} {:>8} {:>8}",
        "figure", "unit", "ours", "upstream", "ratio", "target"
    );
    for row in rows {
        let target = row.target.map_or(String::new(), |ratio| {
            let reached = if row.ratio() <= ratio { "" } else { " !" };
            format!("{ratio:>8.2}{reached}")
        });
        let line = format!(
            "{:<width$} {:>12} {:>14.3} {:>14.3} {:>8.2} {target}",
            row.name,
            row.unit,
            row.ours,
            row.upstream,
            row.ratio()
        );
        println!("{}", line.trim_end());
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

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[test]
    fn what_was_measured_before_a_failure_is_kept() {
        let row = |name: &str| Found::from(vec![Row::new(name.to_owned(), "s", 1.0, 2.0)]);
        let mut benches = vec![Ok(row("a")), Err(anyhow!("broken")), Ok(row("b"))].into_iter();
        let (found, verdict) = gather(&mut benches);
        assert!(verdict.is_err());
        assert_eq!(found.rows.len(), 1);
        assert_eq!(benches.len(), 1, "none ran after the failure");
        let (found, verdict) = gather([Ok(row("a")), Ok(row("b"))].into_iter());
        assert!(verdict.is_ok());
        assert_eq!(found.rows.len(), 2);
    }
}
