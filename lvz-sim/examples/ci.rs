// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A CI job for a hypervisor or kernel: boots its files and waits for a line on the UART. The
//! exit status is 0 if the line came and the lints found nothing; 1 if the machine ended or ran
//! too long without it, or a lint found something; 2 if the machine could not be built.
//!
//! `cargo run --release --example ci -- "tests passed" hypervisor.elf guest.bin@0x88000000`

use clap::Parser;
use lvz_sim::{End, Error, Simulation};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Boots a hypervisor or kernel until a line comes on the UART.
#[derive(Parser)]
struct Job {
    /// What the line has to contain
    line: String,

    /// The hypervisor or kernel: an ELF file or an EFI image, at whose entry the machine starts
    kernel: PathBuf,

    /// Files to load beside it: images, or with an address any file as it is
    #[arg(value_name = "FILE[@0xADDRESS]", value_parser = parse_load)]
    load: Vec<Load>,

    /// Fail after so many instructions; each is a nanosecond of the machine's time
    #[arg(long, value_name = "N", default_value_t = 1_000_000_000)]
    instructions: u64,

    /// Fail after so many seconds of this computer's time
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
}

/// A file, and the physical address where it goes as it is.
#[derive(Clone)]
struct Load(PathBuf, Option<u64>);

fn parse_load(text: &str) -> Result<Load, String> {
    let Some((file, digits)) = text.rsplit_once("@0x") else {
        return Ok(Load(text.into(), None));
    };
    match u64::from_str_radix(digits, 16) {
        Ok(address) => Ok(Load(file.into(), Some(address))),
        Err(error) => Err(format!("0x{digits}: {error}")),
    }
}

fn main() -> ExitCode {
    match run(&Job::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("ci: {error}");
            ExitCode::from(2)
        }
    }
}

/// Runs the job; whether all is well.
fn run(job: &Job) -> Result<bool, Error> {
    let mut builder = Simulation::builder().kernel(&job.kernel).lints();
    for Load(file, address) in &job.load {
        builder = match address {
            Some(address) => builder.load_at(*address, file),
            None => builder.load(file),
        };
    }
    let mut machine = builder.build()?;
    let (started, allowed) = (Instant::now(), Duration::from_secs(job.seconds));
    let (mut seen, mut came) = (0, false);
    let end = machine.run_until(
        |machine| {
            came = show_lines(machine, &mut seen).contains(&job.line);
            came || started.elapsed() >= allowed
        },
        job.instructions,
    );
    let findings = machine.findings();
    for finding in &findings {
        eprintln!("ci: {finding}");
    }
    if !came {
        let why = match end {
            End::Condition => format!("{} seconds are over", job.seconds),
            End::Limit => format!("{} instructions are over", machine.instructions()),
            end => format!("the machine ended, {end:?}"),
        };
        eprintln!("ci: no line with `{}`: {why}", job.line);
    }
    Ok(came && findings.is_empty())
}

/// Shows the lines that have become complete since the last call, and returns them.
fn show_lines(machine: &Simulation, seen: &mut usize) -> String {
    let new = machine.uart().get(*seen..).unwrap_or_default();
    let length = new.iter().rposition(|&byte| byte == b'\n');
    let complete = length.and_then(|length| new.get(..=length));
    let lines = complete.unwrap_or_default();
    *seen += lines.len();
    // A closed pipe is no reason to stop.
    let _ = std::io::stdout().write_all(lines);
    String::from_utf8_lossy(lines).into_owned()
}
