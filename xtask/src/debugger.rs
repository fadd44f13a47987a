// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `gdb` and `lldb`: debuggers that know the simulator's machine, as the suite `gdb` has them.

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;

use anyhow::{Context as _, Result};

use crate::setup;

/// Becomes `program` of the debuggers' root with these arguments: the terminal, its Ctrl-C and the
/// exit status are the debugger's own.
pub(crate) fn run(program: &str, arguments: &[OsString]) -> Result<Infallible> {
    let mut command = setup::debuggers_here()?.command(program)?;
    let error = command.args(arguments).exec();
    Err(error).with_context(|| format!("cannot run {program}"))
}
