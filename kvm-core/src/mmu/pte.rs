// SPDX-License-Identifier: GPL-2.0

//! A stage-2 entry.

use la_arch::csr::TlbElo;
use la_arch::page_table;

/// Memory access type, bits 5:4 of an entry (manual volume 1, 2.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryType {
    /// Strongly-ordered uncached: pages that are not memory (a passed-through
    /// device's registers).
    StronglyOrdered = 0,
    /// Coherent cached: memory.
    Coherent = 1,
    /// Weakly-ordered uncached.
    WeaklyOrdered = 2,
}

/// A stage-2 entry: a page, a huge page, a link to a table, or the empty value
/// of its level.
///
/// Bits as the host kernel has them, so that its refill handler can load them
/// (Linux arch/loongarch/include/asm/pgtable-bits.h). KVM's conventions on top
/// (include/asm/kvm_mmu.h): *young* is V, *dirty* is D together with WRITE, and
/// MODIFIED says that the page may be made dirty without asking the host again
/// (*writable*). PLV is 0 and NR, NX, RPLV and G are clear: stage 2 restricts
/// nothing but presence and writing (`docs/lvz.md` M-5, Q-4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Pte(pub u64);

impl Pte {
    /// V, valid; KVM's accessed bit.
    pub const VALID: u64 = TlbElo(0).with_v(true).0;
    /// D, dirty: stores are allowed.
    pub const DIRTY: u64 = TlbElo(0).with_d(true).0;
    /// MAT field.
    pub const MAT: u64 = TlbElo(0).with_mat(3).0;
    /// The entry of a directory maps a huge page.
    pub const HUGE: u64 = page_table::HUGE;
    /// Software: the entry maps a page, whether or not it is young.
    pub const PRESENT: u64 = page_table::PRESENT;
    /// Software: WRITE, kept equal to D.
    pub const WRITE: u64 = page_table::WRITE;
    /// Software: MODIFIED, the page may be made dirty.
    pub const WRITABLE: u64 = 1 << 9;
    /// Physical address bits 47:12.
    pub const ADDRESS: u64 = 0x0000_ffff_ffff_f000;

    /// A young page at host physical address `address`, neither writable nor
    /// dirty. Address bits outside 47:12 are dropped.
    #[inline]
    pub const fn page(address: u64, memory_type: MemoryType) -> Self {
        Self(address & Self::ADDRESS | (memory_type as u64) << 4 | Self::PRESENT | Self::VALID)
    }

    /// A link to the table at host physical address `address`.
    #[inline]
    pub const fn table(address: u64) -> Self {
        Self(address & Self::ADDRESS)
    }

    /// Host physical address of the page, huge page or table.
    #[inline]
    pub const fn address(self) -> u64 {
        self.0 & Self::ADDRESS
    }

    /// The entry maps a page (at level 0) or a huge page.
    #[inline]
    pub const fn is_present(self) -> bool {
        self.0 & Self::PRESENT != 0
    }

    /// The entry of a directory maps a huge page.
    #[inline]
    pub const fn is_huge(self) -> bool {
        self.0 & Self::HUGE != 0
    }

    /// Accessed since it was last made old.
    #[inline]
    pub const fn is_young(self) -> bool {
        self.0 & Self::VALID != 0
    }

    /// Stores do not fault.
    #[inline]
    pub const fn is_dirty(self) -> bool {
        self.0 & (Self::DIRTY | Self::WRITE) != 0
    }

    /// May be made dirty without asking the host.
    #[inline]
    pub const fn is_writable(self) -> bool {
        self.0 & Self::WRITABLE != 0
    }

    /// With V set.
    #[inline]
    #[must_use]
    pub const fn young(self) -> Self {
        Self(self.0 | Self::VALID)
    }

    /// With V cleared: the next access faults.
    #[inline]
    #[must_use]
    pub const fn old(self) -> Self {
        Self(self.0 & !Self::VALID)
    }

    /// With D and WRITE set.
    #[inline]
    #[must_use]
    pub const fn dirty(self) -> Self {
        Self(self.0 | Self::DIRTY | Self::WRITE)
    }

    /// With D and WRITE cleared: the next store faults.
    #[inline]
    #[must_use]
    pub const fn clean(self) -> Self {
        Self(self.0 & !(Self::DIRTY | Self::WRITE))
    }

    /// With MODIFIED set.
    #[inline]
    #[must_use]
    pub const fn writable(self) -> Self {
        Self(self.0 | Self::WRITABLE)
    }

    /// As a huge page.
    #[inline]
    #[must_use]
    pub const fn huge(self) -> Self {
        Self(self.0 | Self::HUGE)
    }

    /// As a small page.
    #[inline]
    #[must_use]
    pub const fn small(self) -> Self {
        Self(self.0 & !Self::HUGE)
    }

    /// The same permissions and type, `offset` bytes further.
    #[inline]
    #[must_use]
    pub const fn advanced(self, offset: u64) -> Self {
        Self(self.0 & !Self::ADDRESS | self.0.wrapping_add(offset) & Self::ADDRESS)
    }
}
