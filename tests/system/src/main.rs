// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `system-tests`: bare-metal programs that test a LoongArch64 machine.
//!
//! The programs are under `base/` (run on QEMU and on lvz-sim, which have to
//! print the same) and `lvz/` (lvz-sim only: QEMU has no LVZ). What a program
//! says and which directives it may carry is in `docs/system-tests.md`.

mod assemble;
mod efi;
mod images;
mod machine;
mod options;
mod program;
mod report;
mod run;
mod transcript;
mod verdict;

use anyhow::Result;
use std::process::ExitCode;

fn main() -> ExitCode {
    match start() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("system-tests: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether some passed and none failed.
fn start() -> Result<bool> {
    let Some(options) = options::parse(std::env::args().skip(1))? else {
        print!("{}", options::USAGE);
        return Ok(true);
    };
    let programs = program::discover(&options.names)?;
    if options.list {
        report::list(&programs);
        return Ok(true);
    }
    if let Some(dir) = &options.images {
        images::write(&options, &programs, dir)?;
        return Ok(true);
    }
    let results = run::all(&options, &programs)?;
    Ok(report::summary(&results))
}
