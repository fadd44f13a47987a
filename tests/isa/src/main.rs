// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Differential tests of lvz-sim's instructions against `qemu-loongarch64`;
//! `docs/isa-tests.md` describes them.

mod asm;
mod case;
mod compare;
mod elf;
mod errata;
mod generate;
mod layout;
mod qemu;
mod report;
mod rng;
mod run;
mod sim;
mod subjects;
mod system_driver;
mod user_driver;

use anyhow::Result;
use clap::Parser;
use lvz_sim::cli::parse_engine;
use lvz_sim::cpu::Model;
use lvz_sim::engine::Engine;
use std::path::PathBuf;
use std::process::ExitCode;
use subjects::Subjects;

/// Runs every instruction that lvz-sim implements with random and edge-case
/// operands in lvz-sim and in qemu-loongarch64, and compares registers,
/// condition flags, FCSR, memory and exceptions.
#[derive(Debug, Parser)]
#[command(name = "isa-tests")]
pub(crate) struct Options {
    /// qemu-loongarch64 of the Debian package qemu-user
    #[arg(long, default_value = "qemu-loongarch64", value_name = "PATH")]
    qemu: PathBuf,
    /// CPU model of lvz-sim with features, as `lvz-sim run --cpu` has it
    #[arg(long, default_value = "la664,exact=on,lbt=off", value_name = "MODEL")]
    cpu: Model,
    /// How lvz-sim executes instructions, as `lvz-sim run --engine` has it
    #[arg(long, value_name = "ENGINE", value_parser = parse_engine)]
    engine: Option<Engine>,
    /// Seed of all random choices
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Cases for each instruction
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    cases: u64,
    /// Only these instructions or groups
    #[arg(long, value_delimiter = ',', value_name = "NAME,...")]
    only: Vec<String>,
    /// Only this case of each, with all that is known about it
    #[arg(long, value_name = "INDEX")]
    case: Option<u64>,
    /// Differences shown for each instruction
    #[arg(long, default_value_t = 3, value_name = "N")]
    show: usize,
    /// Threads, each with a QEMU of its own
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=64))]
    jobs: u64,
    /// List the instructions and how they are tested, and stop
    #[arg(long)]
    list: bool,
    /// List the cases where QEMU is wrong, with the reasons, and stop
    #[arg(long)]
    errata: bool,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("isa-tests: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> Result<bool> {
    if options.errata {
        report::errata();
        return Ok(true);
    }
    let subjects = Subjects::of(options.cpu.clone());
    let tests = run::select(&options.only, &subjects)?;
    if options.list {
        report::list(&tests);
        return Ok(true);
    }
    let qemu = qemu::Qemu::new(&options.qemu)?;
    println!(
        "lvz-sim against {} (-cpu {}), seed {}, {} cases for each instruction",
        qemu.version,
        qemu::MODEL,
        options.seed,
        options.cases
    );
    let results = run::run(options, &subjects, &qemu, &tests)?;
    Ok(report::finish(&results, options.seed))
}
