// SPDX-License-Identifier: GPL-2.0

//! Sizes of pages and tables.

use super::Pte;

/// The host kernel's page-table layout, which stage 2 shares.
///
/// Level 0 holds pages; an entry of level `n` covers
/// `1 << (page_shift + n * (page_shift - 3))` bytes
/// (Linux arch/loongarch/kvm/vm.c:kvm_arch_init_vm, `pte_shifts`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    page_shift: u8,
    levels: u8,
    empty: [u64; Self::MAX_LEVELS],
}

impl Geometry {
    /// Bits of an address: an entry's address field ends at bit 47.
    const ADDRESS_BITS: u8 = 48;

    /// Most levels that a kernel uses (CONFIG_PGTABLE_LEVELS=4).
    pub const MAX_LEVELS: usize = 4;

    /// A layout of `levels` tables (2 to 4) of pages of `1 << page_shift` bytes
    /// (12, 14 or 16).
    ///
    /// `empty[n]` is what an empty entry of level `n` holds: 0 at level 0, above
    /// it the address of the kernel's `invalid_pte_table`, `invalid_pmd_table`
    /// and `invalid_pud_table`, so that the refill handler ends on an invalid
    /// page without a test for null. None if the parameters make no layout, or
    /// if an empty value could be taken for a page.
    pub const fn new(page_shift: u8, levels: u8, empty: [u64; Self::MAX_LEVELS]) -> Option<Self> {
        if page_shift != 12 && page_shift != 14 && page_shift != 16 {
            return None;
        }
        if levels < 2 || levels as usize > Self::MAX_LEVELS {
            return None;
        }
        let [e0, e1, e2, e3] = empty;
        if (e0 | e1 | e2 | e3) & (Pte::HUGE | Pte::PRESENT | Pte::VALID) != 0 {
            return None;
        }
        let geometry = Self {
            page_shift,
            levels,
            empty,
        };
        if geometry.shift(levels) >= u64::BITS as u8 {
            return None;
        }
        Some(geometry)
    }

    /// The same layout, told the compiler: arithmetic on it is done at compile
    /// time where this is inlined. `PAGE_SHIFT` and `LEVELS` must be what
    /// [`new`](Self::new) was given.
    #[inline(always)]
    pub const fn with_layout<const PAGE_SHIFT: u8, const LEVELS: u8>(&self) -> Self {
        debug_assert!(self.page_shift == PAGE_SHIFT && self.levels == LEVELS);
        Self {
            page_shift: PAGE_SHIFT,
            levels: LEVELS,
            empty: self.empty,
        }
    }

    /// Log2 of the page size in bytes.
    #[inline]
    pub const fn page_shift(&self) -> u8 {
        self.page_shift
    }

    /// Page size in bytes.
    #[inline]
    pub const fn page_size(&self) -> u64 {
        1 << self.page_shift
    }

    /// Size in bytes of a huge page, an entry of level 1: 2 MiB with 4 KiB
    /// pages, 32 MiB with 16 KiB, 512 MiB with 64 KiB.
    #[inline]
    pub const fn huge_size(&self) -> u64 {
        self.size(1)
    }

    /// Level of the root table.
    #[inline]
    pub const fn root_level(&self) -> u8 {
        self.levels - 1
    }

    /// Entries in a table of any level.
    #[inline]
    pub const fn entries(&self) -> usize {
        1 << (self.page_shift - 3)
    }

    /// Tables that one [`map`](super::map()) can need: top the cache up to this
    /// before the lock is taken. A table for each level below the root (Linux
    /// KVM_MMU_CACHE_MIN_PAGES); a split needs one where the walk needs none.
    #[inline]
    pub const fn cache_min(&self) -> usize {
        self.levels as usize - 1
    }

    /// First guest physical address that the tables cannot map. Three levels of 64 KiB
    /// reach further than an address does, and use the beginning of their root alone.
    #[inline]
    pub const fn limit(&self) -> u64 {
        let reach = self.shift(self.levels);
        if reach < Self::ADDRESS_BITS {
            1 << reach
        } else {
            1 << Self::ADDRESS_BITS
        }
    }

    /// Bytes that an entry of `level` covers.
    #[inline]
    pub const fn size(&self, level: u8) -> u64 {
        1 << self.shift(level)
    }

    /// What an empty entry of `level` holds.
    #[inline]
    pub const fn empty(&self, level: u8) -> Pte {
        let [e0, e1, e2, e3] = self.empty;
        Pte(match level {
            0 => e0,
            1 => e1,
            2 => e2,
            _ => e3,
        })
    }

    /// Index of `gpa` in a table of `level`, below [`entries`](Self::entries).
    #[inline]
    pub const fn index(&self, gpa: u64, level: u8) -> usize {
        (gpa >> self.shift(level)) as usize & (self.entries() - 1)
    }

    /// `gpa` rounded down to the start of its entry of `level`.
    #[inline]
    pub const fn base(&self, gpa: u64, level: u8) -> u64 {
        gpa & !(self.size(level) - 1)
    }

    /// Start of the entry of `level` that follows the one of `gpa`.
    #[inline]
    pub(super) const fn next(&self, gpa: u64, level: u8) -> u64 {
        self.base(gpa, level).wrapping_add(self.size(level))
    }

    #[inline]
    const fn shift(&self, level: u8) -> u8 {
        self.page_shift + level * (self.page_shift - 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_follow_the_page_size() {
        for (shift, levels, huge, limit, entries, used) in [
            (12, 3, 2 << 20, 1 << 39, 512, 512),
            (12, 4, 2 << 20, 1 << 48, 512, 512),
            (14, 2, 32 << 20, 1 << 36, 2048, 2048),
            (14, 3, 32 << 20, 1u64 << 47, 2048, 2048),
            (16, 2, 512 << 20, 1 << 42, 8192, 8192),
            (16, 3, 512 << 20, 1 << 48, 8192, 64),
        ] {
            let g = Geometry::new(shift, levels, [0; 4]).unwrap();
            assert_eq!(g.huge_size(), huge);
            assert_eq!(g.limit(), limit);
            assert_eq!(g.entries(), entries);
            assert_eq!(g.cache_min(), levels as usize - 1);
            let last = g.limit() - 1;
            assert_eq!(g.index(last, g.root_level()), used - 1);
            assert_eq!(g.next(0, 1), huge);
        }
    }

    #[test]
    fn impossible_layouts_are_refused() {
        assert!(Geometry::new(13, 3, [0; 4]).is_none());
        assert!(Geometry::new(12, 1, [0; 4]).is_none());
        assert!(Geometry::new(12, 5, [0; 4]).is_none());
        // 16 + 4 * 13 = 68 bits.
        assert!(Geometry::new(16, 4, [0; 4]).is_none());
        assert!(Geometry::new(14, 3, [0, Pte::HUGE, 0, 0]).is_none());
        assert!(Geometry::new(14, 3, [0, 0, Pte::PRESENT, 0]).is_none());
    }
}
