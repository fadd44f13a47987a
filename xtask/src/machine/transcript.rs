// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a machine prints, while it prints it.

use std::fs::File;
use std::io::Write as _;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::resident;
use crate::streams::Streams;

/// How long a kernel that panicked may still print.
const AFTER_PANIC: Duration = Duration::from_secs(3);

/// All that a machine has printed, and what was seen of it meanwhile.
pub(super) struct Transcript<F> {
    /// Where it is written as it comes.
    file: File,
    /// Gets each full line.
    observe: F,
    console: Vec<u8>,
    /// A kernel that panicked prints its reasons and then does nothing.
    panicked_at: Option<Instant>,
    beside_ram_kib: Option<u64>,
}

impl<F: FnMut(&str)> Transcript<F> {
    pub(super) fn new(file: File, observe: F) -> Self {
        Self {
            file,
            observe,
            console: Vec::new(),
            panicked_at: None,
            beside_ram_kib: None,
        }
    }

    /// Takes what simulator `process` prints until its streams end, its machine's kernel has
    /// panicked, or `limit` is over since `started`: whether it was the last.
    pub(super) fn follow(
        &mut self,
        streams: &mut Streams,
        process: u32,
        started: Instant,
        limit: Duration,
    ) -> Result<bool> {
        loop {
            if self
                .panicked_at
                .is_some_and(|at| at.elapsed() >= AFTER_PANIC)
            {
                return Ok(false);
            }
            let Some(mut left) = limit.checked_sub(started.elapsed()) else {
                return Ok(true);
            };
            if self.has_panicked() {
                left = left.min(AFTER_PANIC);
            }
            match streams.lines(left) {
                Ok(lines) => {
                    self.write(&lines)?;
                    self.look_at(&lines, process);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(false),
            }
        }
    }

    fn look_at(&mut self, lines: &[u8], process: u32) {
        for line in String::from_utf8_lossy(lines).lines() {
            if is_panic(line) {
                self.panicked_at.get_or_insert_with(Instant::now);
            }
            if line.contains("KVM-LA-") {
                let seen = resident::beside_ram_kib(process);
                self.beside_ram_kib = self.beside_ram_kib.max(seen);
            }
            (self.observe)(line.trim_end());
        }
    }

    /// Adds bytes, which are not looked at.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes)?;
        self.console.extend(bytes);
        Ok(())
    }

    pub(super) fn has_panicked(&self) -> bool {
        self.panicked_at.is_some()
    }

    /// The most memory that the process had beside the machine's RAM, in KiB, when the
    /// machine printed a line of our own.
    pub(super) fn beside_ram_kib(&self) -> Option<u64> {
        self.beside_ram_kib
    }

    /// All of it, without carriage returns.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.console).replace('\r', "")
    }
}

/// Whether a line of the console is the last word of the machine's own kernel.
/// A guest's is marked by its number.
fn is_panic(line: &str) -> bool {
    line.contains("Kernel panic - not syncing") && !line.starts_with("guest")
}
