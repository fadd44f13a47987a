// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Two simulators in step: both run a quantum of machine time, exchange the frames
//! that were sent in it, with a mark (a frame of length zero) behind them, and run
//! the next one. What a machine receives, and when by its own clock, then depends
//! on the two machines alone.

use super::deframer::{Deframer, FRAME_MAX, Item, LENGTH};
use super::error::Lost;

/// Machine time between two exchanges, in nanoseconds.
pub(crate) const QUANTUM: u64 = 100_000;

/// A quantum takes no further frame once it has so many bytes: 10 Gbit/s.
pub(super) const QUANTUM_BYTES: usize = 125_000;

/// Ends a quantum.
pub(super) const MARK: [u8; LENGTH] = [0; LENGTH];

/// The first bytes of each side: what no frame begins with, a name, the quantum.
pub(super) fn hello() -> [u8; 20] {
    let mut hello = [0; 20];
    hello[4..12].copy_from_slice(b"LVZSTEP1");
    hello[12..].copy_from_slice(&QUANTUM.to_be_bytes());
    hello
}

/// How far a machine and its peer have come.
#[derive(Debug, Default)]
pub(super) struct Lockstep {
    /// Number of the quantum that runs.
    quantum: u64,
    /// Whether this side's mark is in the stream or waits to be.
    pub(super) marked: bool,
    /// Whether the peer's has come.
    pub(super) peer_marked: bool,
    /// What the peer sent in this quantum, so far.
    frames: Vec<Vec<u8>>,
    bytes: usize,
}

impl Lockstep {
    /// The machine's time is `now`, whatever was before.
    pub(super) fn set_time(&mut self, now: u64) {
        self.quantum = now / QUANTUM;
    }

    /// When the quantum ends.
    pub(super) fn end(&self) -> u64 {
        (self.quantum + 1).saturating_mul(QUANTUM)
    }

    /// Takes what has come, up to the mark.
    pub(super) fn take(&mut self, received: &mut Deframer) -> Result<(), Lost> {
        while !self.peer_marked {
            match received.next().map_err(Lost::Length)? {
                Some(Item::Mark) => self.peer_marked = true,
                Some(Item::Frame(frame)) => {
                    self.bytes += LENGTH + frame.len();
                    if self.bytes > QUANTUM_BYTES + LENGTH + FRAME_MAX {
                        return Err(Lost::Flood);
                    }
                    self.frames.push(frame);
                }
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// Begins the next quantum; gives what the peer sent in the last.
    pub(super) fn go_on(&mut self, now: u64) -> Vec<Vec<u8>> {
        self.set_time(now);
        self.marked = false;
        self.peer_marked = false;
        self.bytes = 0;
        std::mem::take(&mut self.frames)
    }
}
