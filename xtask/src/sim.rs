// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `sim`: the simulator itself.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use crate::machine::Simulator;

/// Runs lvz-sim with these arguments in our place.
pub(crate) fn run(arguments: &[OsString]) -> Result<ExitCode> {
    let program = Simulator::program()?;
    let status = Command::new(&program)
        .args(arguments)
        .status()
        .with_context(|| format!("cannot run {}", program.display()))?;
    Ok(crate::exit_code(status))
}
