// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `sim`: the simulator itself.

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::machine::Simulator;

/// Becomes lvz-sim with these arguments: signals and the exit status are its own.
pub(crate) fn run(arguments: &[OsString]) -> Result<Infallible> {
    let program = Simulator::program()?;
    let error = Command::new(&program).args(arguments).exec();
    Err(error).with_context(|| format!("cannot run {}", program.display()))
}
