// SPDX-License-Identifier: Apache-2.0 OR MIT

//! MSI-X (PCI Local Bus Specification 3.0, 6.8.2): a table of messages and the bits of
//! those that wait until they are unmasked.

use crate::platform::field;
use serde::{Deserialize, Serialize};

/// An entry: address, data, control, of which bit 0 masks it.
const ENTRY: u64 = 16;
const CONTROL: usize = 3;
const MASKED: u32 = 1;

/// The capability's message control: enabled, all masked.
pub(super) const ENABLE: u64 = 1 << 15;
pub(super) const MASK_ALL: u64 = 1 << 14;

/// A write to memory by which a device interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::platform) struct Message {
    pub(in crate::platform) address: u64,
    pub(in crate::platform) data: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Msix {
    table: Vec<[u32; 4]>,
    pending: u64,
}

impl Msix {
    /// A table of at most 64 messages, all masked.
    pub(super) fn new(vectors: usize) -> Self {
        Self {
            table: vec![[0, 0, 0, MASKED]; vectors.min(64)],
            pending: 0,
        }
    }

    pub(super) fn vectors(&self) -> usize {
        self.table.len()
    }

    /// Reads `size` bytes of the table.
    pub(super) fn read(&self, offset: u64, size: u8) -> u64 {
        let word = |at: u64| {
            let entry = self.table.get((at / ENTRY) as usize);
            entry.map_or(0, |entry| u64::from(entry[(at % ENTRY / 4) as usize]))
        };
        let base = offset & !3;
        field::extract(word(base) | word(base + 4) << 32, offset & 3, size)
    }

    /// Writes whole words of the table, as drivers must.
    pub(super) fn write(&mut self, offset: u64, size: u8, value: u64) {
        if !matches!(size, 4 | 8) || !offset.is_multiple_of(4) {
            return;
        }
        for part in 0..u64::from(size) / 4 {
            let (at, word) = (offset + 4 * part, (value >> (32 * part)) as u32);
            if let Some(entry) = self.table.get_mut((at / ENTRY) as usize) {
                let field = (at % ENTRY / 4) as usize;
                entry[field] = match field {
                    CONTROL => word & MASKED,
                    0 => word & !3,
                    _ => word,
                };
            }
        }
    }

    /// The bits of messages that wait.
    pub(super) fn pending(&self) -> u64 {
        self.pending
    }

    /// Forgets the messages that wait.
    pub(super) fn forget_all(&mut self) {
        self.pending = 0;
    }

    /// Forgets message `vector` if it waits.
    pub(super) fn forget(&mut self, vector: u16) {
        if usize::from(vector) < self.table.len() {
            self.pending &= !(1 << vector);
        }
    }

    /// Has message `vector` sent as soon as that is possible.
    pub(super) fn trigger(&mut self, vector: u16) {
        if usize::from(vector) < self.table.len() {
            self.pending |= 1 << vector;
        }
    }

    /// Takes the messages that can be sent now, under message control `control`.
    pub(super) fn take(&mut self, control: u64) -> Vec<Message> {
        let mut messages = Vec::new();
        if control & ENABLE == 0 {
            self.forget_all();
        } else if control & MASK_ALL == 0 {
            for (vector, [low, high, data, masked]) in self.table.iter().enumerate() {
                if self.pending & 1 << vector != 0 && masked & MASKED == 0 {
                    self.pending &= !(1 << vector);
                    messages.push(Message {
                        address: u64::from(*low) | u64::from(*high) << 32,
                        data: *data,
                    });
                }
            }
        }
        messages
    }
}
