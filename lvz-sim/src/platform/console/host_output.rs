// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A stream of the computer that gets what a machine sends.

use crate::leaving::Leaving;
use crate::say;
use std::fs::File;
use std::io::{self, Write};

/// It never fails, since a closed pipe must not stop the machine, nor must a full disk: what
/// cannot be written is dropped. The first error is said, but not that a pipe's reader is gone.
pub(crate) struct HostOutput {
    file: File,
    /// What it gets, as in "what the machine prints".
    what: &'static str,
    leaving: Leaving,
    failed: bool,
}

impl HostOutput {
    /// Writes to `file` until the run is to end.
    pub(crate) fn new(file: File, what: &'static str, leaving: Leaving) -> Self {
        Self {
            file,
            what,
            leaving,
            failed: false,
        }
    }
}

impl Write for HostOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(error) = self.leaving.write_all(&self.file, bytes)
            && !matches!(
                error.kind(),
                io::ErrorKind::BrokenPipe | io::ErrorKind::TimedOut
            )
            && !std::mem::replace(&mut self.failed, true)
        {
            say!("lvz-sim: {} is lost: {error}", self.what);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
