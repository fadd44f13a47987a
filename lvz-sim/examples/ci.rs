// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A CI job for a hypervisor or kernel: boots an ELF file, waits for a line on the UART, and
//! ends with 0 if it came, 1 if the machine ended or ran too long without it, 2 if the machine
//! could not be built.
//!
//! `cargo run --release --example ci -- hypervisor.elf "tests passed" [INSTRUCTIONS]`

use lvz_sim::{End, Simulation};
use std::io::Write as _;
use std::process::ExitCode;

/// One instruction is one nanosecond: ten seconds of the machine's time.
const LIMIT: u64 = 10_000_000_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (kernel, line, limit) = match arguments.as_slice() {
        [kernel, line] => (kernel, line, Some(LIMIT)),
        [kernel, line, limit] => (kernel, line, limit.parse().ok()),
        _ => return usage(),
    };
    let Some(limit) = limit else {
        return usage();
    };
    match job(kernel, line, limit) {
        Ok(End::Condition) => ExitCode::SUCCESS,
        Ok(end) => {
            eprintln!("ci: no line `{line}`: {end:?}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("ci: {error}");
            ExitCode::from(2)
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: ci KERNEL LINE [INSTRUCTIONS]");
    ExitCode::from(2)
}

/// Runs the kernel until its UART has a line that contains `text`.
fn job(kernel: &str, text: &str, limit: u64) -> Result<End, lvz_sim::Error> {
    let mut machine = Simulation::builder().kernel(kernel).build()?;
    // Lines that are complete, each looked at once, and shown.
    let mut seen = 0;
    let end = machine.run_until(
        |machine| {
            let new = machine.uart().get(seen..).unwrap_or_default();
            let Some(length) = new.iter().rposition(|&byte| byte == b'\n') else {
                return false;
            };
            let lines = String::from_utf8_lossy(new.get(..=length).unwrap_or_default());
            seen += length + 1;
            // A closed pipe is no reason to stop.
            let _ = std::io::stdout().write_all(lines.as_bytes());
            lines.lines().any(|line| line.contains(text))
        },
        limit,
    );
    Ok(end)
}
