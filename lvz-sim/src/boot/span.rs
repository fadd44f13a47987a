// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Ranges of physical memory, and the one that is not for images.

use crate::mem::GuestRam;
use vm_memory::{GuestAddress, GuestMemoryBackend, GuestMemoryRegion};

/// Below this address are the parking loop and the firmware's tables. Linux
/// never uses these two megabytes (arch/loongarch/kernel/mem.c:
/// `memblock_init`).
pub(crate) const FIRMWARE_END: u64 = 0x20_0000;

/// A range of physical memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) length: u64,
}

impl Span {
    pub(super) fn end(self) -> u64 {
        self.start.saturating_add(self.length)
    }

    pub(super) fn overlaps(self, other: Span) -> bool {
        self.start < other.end() && other.start < self.end()
    }
}

/// The ranges of `ram`, lowest first.
pub(super) fn memory(ram: &GuestRam) -> Vec<Span> {
    ram.iter()
        .map(|region| Span {
            start: region.start_addr().0,
            length: region.len(),
        })
        .collect()
}

/// The length of all of them.
pub(super) fn total(spans: &[Span]) -> u64 {
    spans.iter().map(|span| span.length).sum()
}

/// Whether `ram` has all of a range.
pub(super) fn holds(ram: &GuestRam, start: u64, length: u64) -> bool {
    usize::try_from(length).is_ok_and(|length| ram.check_range(GuestAddress(start), length))
}
