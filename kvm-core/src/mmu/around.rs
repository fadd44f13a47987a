// SPDX-License-Identifier: GPL-2.0

//! Fault-around: a fault maps, beside its own page, pages that the host maps already.
//!
//! A page is mapped so only if the VMM itself could load from it and store to it without
//! a fault ([`HostEntry::is_at_hand`]): the host gives up nothing, allocates nothing and
//! copies nothing for it, and its own bits say that the page is in use. In a slot whose
//! dirty pages are logged such a page is mapped clean, so that its first store faults.

use super::walk::{descend, Entry};
use super::{Geometry, Mapping, Pte, Slot, StatsDelta, Tables};

/// Pages of the aligned window around a fault.
pub const WINDOW: usize = 16;

/// An entry of the host's own tables for a page, or for the huge page around it. Its bits
/// are those of [`Pte`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostEntry(pub u64);

impl HostEntry {
    /// The page may not be accessed now (NUMA balancing, PROT_NONE).
    pub const PROTNONE: u64 = 1 << 10;
    /// No page structure belongs to it, or none that may be used.
    pub const SPECIAL: u64 = 1 << 11;

    /// What every entry has for which [`is_at_hand`](Self::is_at_hand) is true.
    pub const AT_HAND: u64 = Pte::VALID | Pte::PRESENT | Pte::WRITE;

    /// A load and a store of the VMM would find the page as it is: present, young,
    /// writable and dirty. Not a page that is shared for copying or with KSM (not
    /// writable), not one that MADV_FREE gave back (clean).
    #[inline]
    pub const fn is_at_hand(self) -> bool {
        let all = Self::AT_HAND;
        self.0 & (all | Self::PROTNONE | Self::SPECIAL) == all
            && self.0 & (Pte::DIRTY | Pte::WRITABLE) != 0
    }

    /// The host maps a page that may be stored to. Without that it has to be asked.
    #[inline]
    pub const fn is_writable(self) -> bool {
        let all = Pte::PRESENT | Pte::WRITE;
        self.0 & (all | Self::PROTNONE) == all
    }

    /// The host maps the page at `address` here, writable if `write`.
    #[inline]
    pub const fn maps(self, address: u64, write: bool) -> bool {
        let allowed = if write {
            self.is_writable()
        } else {
            self.0 & (Pte::PRESENT | Self::PROTNONE) == Pte::PRESENT
        };
        allowed && self.0 & Pte::ADDRESS == address
    }
}

/// Pages of a window on one side of a fault, in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Side {
    /// Guest physical address of the page next to the fault's.
    pub nearest: u64,
    /// How many there are.
    pub pages: usize,
    /// They have lower addresses than the fault.
    pub below: bool,
}

impl Side {
    /// Guest physical address of the page with the lowest address.
    #[inline]
    pub fn first(&self, geometry: &Geometry) -> u64 {
        let others = (self.pages as u64).saturating_sub(1) << geometry.page_shift();
        if self.below {
            self.nearest.wrapping_sub(others)
        } else {
            self.nearest
        }
    }
}

/// The pages of the window around `gpa`, which is in `slot`, above and below it, as far
/// as they are in the slot.
#[inline]
pub fn sides(geometry: &Geometry, slot: &Slot, gpa: u64) -> [Side; 2] {
    let (shift, page) = (geometry.page_shift(), geometry.page_size());
    let size = (WINDOW as u64) << shift;
    let at = gpa & !(page - 1);
    let base = gpa & !(size - 1);
    let start = base.max(slot.gpa);
    // Without `size`, which could lead beyond the last address.
    let last = (base | (size - page)).min(slot.gpa.wrapping_add(slot.size).wrapping_sub(page));
    let side = |bytes: u64, nearest, below| Side {
        nearest,
        pages: (bytes >> shift) as usize,
        below,
    };
    [
        side(last.saturating_sub(at), at.wrapping_add(page), false),
        side(at.saturating_sub(start), at.wrapping_sub(page), true),
    ]
}

/// What is left of `side` if it ends before the first page that is mapped already or that
/// the host does not have at hand. `host` has the host's entries from the nearest page on,
/// as far as they go.
#[inline]
pub fn trim<T: Tables>(tables: &T, geometry: &Geometry, side: Side, host: &[u64]) -> Side {
    let (place, _) = descend(tables, geometry, side.nearest, 0);
    // A window never leaves the table of its pages.
    let is_empty = |distance: usize| {
        let index = if side.below {
            place.index.checked_sub(distance)
        } else {
            place.index.checked_add(distance)
        };
        index.is_some_and(|index| {
            index < geometry.entries()
                && matches!(
                    Entry::of(geometry, tables.read(place.at(index)), 0),
                    Entry::Empty
                )
        })
    };
    let usable =
        |(distance, entry): &(usize, &u64)| HostEntry(**entry).is_at_hand() && is_empty(*distance);
    let host = host.iter().enumerate().take(side.pages);
    let pages = if place.level == 0 {
        host.take_while(usable).count()
    } else {
        0
    };
    Side { pages, ..side }
}

/// Maps the pages at `addresses` from the first of `side` on, as `like` says but for its
/// addresses, each only where nothing is mapped. To be called with what [`trim`] left.
#[inline]
pub fn map_side<T: Tables>(
    tables: &mut T,
    geometry: &Geometry,
    side: &Side,
    like: &Mapping,
    addresses: impl Iterator<Item = u64>,
) -> StatsDelta {
    let mut stats = StatsDelta::default();
    let (place, _) = descend(tables, geometry, side.first(geometry), 0);
    if place.level > 0 {
        return stats;
    }
    let indices = (place.index..geometry.entries()).take(side.pages);
    for (index, address) in indices.zip(addresses) {
        let old = tables.read(place.at(index));
        if matches!(Entry::of(geometry, old, 0), Entry::Empty) {
            let pte = Mapping { address, ..*like }.pte(geometry, 0);
            tables.write(place.at(index), pte);
            stats.count(0, 1);
        }
    }
    stats
}

#[cfg(test)]
mod tests {
    use super::*;

    fn geometry() -> Geometry {
        Geometry::new(14, 3, [0; 4]).unwrap()
    }

    const PAGE: u64 = 1 << 14;

    fn slot(first: u64, pages: u64) -> Slot {
        Slot {
            gpa: first * PAGE,
            hva: 0x7f00_0000_0000,
            size: pages * PAGE,
        }
    }

    /// Numbers of the first page and of pages, above and below.
    fn around(slot: Slot, gpa: u64) -> [(u64, usize); 2] {
        let g = geometry();
        sides(&g, &slot, gpa).map(|side| (side.first(&g) / PAGE, side.pages))
    }

    #[test]
    fn a_window_is_aligned_and_ends_with_the_slot() {
        assert_eq!(around(slot(0, 100), 0), [(1, 15), (u64::MAX / PAGE, 0)]);
        assert_eq!(around(slot(0, 100), 5 * PAGE + 9), [(6, 10), (0, 5)]);
        assert_eq!(around(slot(0, 100), 15 * PAGE), [(16, 0), (0, 15)]);
        assert_eq!(around(slot(0, 100), 16 * PAGE), [(17, 15), (15, 0)]);
        assert_eq!(around(slot(3, 9), 5 * PAGE), [(6, 6), (3, 2)]);
        assert_eq!(around(slot(5, 1), 5 * PAGE), [(6, 0), (4, 0)]);
        let top = u64::MAX / PAGE;
        let at_top = slot(top - 19, 20);
        assert_eq!(around(at_top, (top - 1) * PAGE)[0], (top, 1));
    }

    #[test]
    fn no_page_is_taken_that_the_host_would_first_have_to_do_something_for() {
        let at_hand = 0x1000_4000 | 0x393;
        assert!(HostEntry(at_hand).is_at_hand());
        // Dirty in either way.
        assert!(HostEntry(at_hand & !Pte::DIRTY).is_at_hand());
        assert!(HostEntry(at_hand & !Pte::WRITABLE).is_at_hand());
        assert!(!HostEntry(at_hand & !Pte::DIRTY & !Pte::WRITABLE).is_at_hand());
        for missing in [Pte::VALID, Pte::PRESENT, Pte::WRITE] {
            assert!(!HostEntry(at_hand & !missing).is_at_hand(), "{missing:#x}");
        }
        for too_much in [HostEntry::PROTNONE, HostEntry::SPECIAL] {
            assert!(!HostEntry(at_hand | too_much).is_at_hand(), "{too_much:#x}");
        }
        assert!(!HostEntry(0).is_at_hand());
    }

    #[test]
    fn a_page_is_known_again_by_its_address() {
        let entry = HostEntry(0x1000_4000 | Pte::PRESENT | Pte::VALID);
        assert!(entry.maps(0x1000_4000, false));
        assert!(!entry.maps(0x1000_4000, true));
        assert!(!entry.maps(0x1000_8000, false));
        assert!(HostEntry(entry.0 | Pte::WRITE).maps(0x1000_4000, true));
        assert!(!HostEntry(entry.0 | HostEntry::PROTNONE).maps(0x1000_4000, false));
        assert!(!HostEntry(entry.0 & !Pte::PRESENT).maps(0x1000_4000, false));
    }
}
