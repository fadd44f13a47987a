// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Lines for standard error.

use crate::leaving::Leaving;
use rustix::stdio::stderr;
use std::io::Write as _;
use std::sync::OnceLock;

/// What ends the wait for a reader of standard error in this process, if anything does.
static LEAVING: OnceLock<Leaving> = OnceLock::new();

/// Has lines wait for their reader until this process is to end.
pub(crate) fn until(leaving: &Leaving) {
    // There is one such wish in a process.
    let _ = LEAVING.set(leaving.clone());
}

/// Writes a line that has its end.
#[doc(hidden)]
pub fn write(line: &str) {
    // There is nowhere to say that it cannot be said.
    let _ = match LEAVING.get() {
        Some(leaving) => leaving.write_all(stderr(), line.as_bytes()),
        None => std::io::stderr().write_all(line.as_bytes()),
    };
}

/// `eprintln!` in one piece, and without its panic where standard error is full.
#[doc(hidden)]
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => {
        $crate::standard_error::write(&(format!($($text)*) + "\n"))
    };
}
