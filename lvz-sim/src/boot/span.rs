// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Ranges of physical memory, and the one that is not for images.

use crate::mem::GuestRam;
use std::collections::BTreeMap;
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

    fn overlaps(self, other: Span) -> bool {
        self.start < other.end() && other.start < self.end()
    }
}

/// Ranges in use, no two of which overlap: lengths by where they start.
#[derive(Debug, Default)]
pub(super) struct Taken(BTreeMap<u64, u64>);

impl Taken {
    /// The highest range in use that has some of `span`.
    pub(super) fn conflict(&self, span: Span) -> Option<Span> {
        let (&start, &length) = self.0.range(..span.end()).next_back()?;
        Some(Span { start, length }).filter(|other| span.overlaps(*other))
    }

    /// Where the highest range ends, or 0.
    pub(super) fn end(&self) -> u64 {
        let last = self.0.last_key_value();
        last.map_or(0, |(&start, &length)| Span { start, length }.end())
    }

    /// Takes ranges that are not in use.
    pub(super) fn extend(&mut self, spans: impl Iterator<Item = Span>) {
        self.0.extend(spans.map(|span| (span.start, span.length)));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflicts() {
        let span = |start, length| Span { start, length };
        let mut taken = Taken::default();
        assert_eq!(taken.conflict(span(0, u64::MAX)), None);
        assert_eq!(taken.end(), 0);
        taken.extend([span(0x3000, 0x1000), span(0x1000, 0x1000)].into_iter());
        assert_eq!(taken.end(), 0x4000);
        for (wanted, found) in [
            (span(0, 0x1000), None),
            (span(0, 0x1001), Some(0x1000)),
            (span(0x1800, 1), Some(0x1000)),
            (span(0x2000, 0x1000), None),
            (span(0x1fff, 0x1001), Some(0x1000)),
            (span(0x1fff, 0x1002), Some(0x3000)),
            (span(0x3fff, u64::MAX), Some(0x3000)),
            (span(0x4000, u64::MAX), None),
        ] {
            let start = taken.conflict(wanted).map(|span| span.start);
            assert_eq!(start, found, "{wanted:x?}");
        }
    }
}
