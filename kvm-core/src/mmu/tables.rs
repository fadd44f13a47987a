// SPDX-License-Identifier: GPL-2.0

//! What the table code needs from its surroundings, and what it hands back.

use super::Pte;
use crate::errno::{EINVAL, ENOMEM};

/// An entry of a table that is linked, or was just allocated. Its index is below
/// [`Geometry::entries`](super::Geometry::entries). Only the functions of this module make one.
#[derive(Clone, Copy)]
pub struct Place<T> {
    pub(super) table: T,
    pub(super) index: usize,
    pub(super) level: u8,
}

impl<T: Copy> Place<T> {
    /// The table.
    #[inline]
    pub fn table(&self) -> T {
        self.table
    }

    /// Number of the entry in the table.
    #[inline]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Entry `index` of the same table.
    #[inline]
    pub(super) fn at(self, index: usize) -> Self {
        Self { index, ..self }
    }
}

/// What an entry that links a table holds. Only the functions of this module make one.
pub struct Link(pub(super) Pte);

impl Link {
    /// Host physical address of the table, as [`Tables::address_of`] gave it.
    #[inline]
    pub fn address(&self) -> u64 {
        self.0.address()
    }
}

/// A table that no entry links any more. Only the functions of this module make one.
pub struct Unlinked<T>(pub(super) T);

impl<T> Unlinked<T> {
    /// The table.
    pub fn into_table(self) -> T {
        self.0
    }
}

/// Access to the tables of one VM.
///
/// An implementation may trust what only the functions of this module can make: [`Place`],
/// [`Link`] and [`Unlinked`], as long as the geometry that they are given is the tables' own.
pub trait Tables {
    /// A table; the kernel uses its virtual address.
    type Table: Copy;

    /// The root table, which is never retired.
    fn root(&self) -> Self::Table;

    /// Reads an entry (a single load: READ_ONCE).
    fn read(&self, place: Place<Self::Table>) -> Pte;

    /// Writes an entry (a single store: WRITE_ONCE). The refill handler may be
    /// reading it.
    fn write(&mut self, place: Place<Self::Table>, pte: Pte);

    /// Takes a table from the cache that the caller filled before it took the
    /// lock, and writes what `entry` says for each index. None when the cache is empty.
    fn allocate(&mut self, entry: impl FnMut(usize) -> Pte) -> Option<Self::Table>;

    /// Takes back a table that was unlinked: to be freed after the flush.
    fn retire(&mut self, table: Unlinked<Self::Table>);

    /// Host physical address of a table.
    fn address_of(&self, table: Self::Table) -> u64;

    /// The table that an entry links.
    fn table_at(&self, link: Link) -> Self::Table;

    /// Orders the stores that filled a new table before the store that links it
    /// (smp_wmb).
    fn write_barrier(&self) {}

    /// Called by range operations after each table's worth of entries, with the
    /// tables consistent: a good point to drop the lock and reschedule.
    ///
    /// `pending` is the flush that the entries changed so far need. A function
    /// that drops the lock must do that flush first, may then free the retired
    /// tables, and says so by [`Resched::Flushed`]. The operation looks its
    /// place up again from the root, so the tables may change meanwhile.
    fn resched(&mut self, pending: Flush) -> Resched {
        let _ = pending;
        Resched::Continue
    }
}

/// Answer of [`Tables::resched`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resched {
    /// Nothing was flushed.
    Continue,
    /// The pending flush was done.
    Flushed,
}

/// What must be dropped from TLBs before a change is effective.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub enum Flush {
    /// Nothing.
    #[default]
    None,
    /// The entry pair of this guest physical address, on the calling vCPU only
    /// (KVM_REQ_TLB_FLUSH_GPA, `invtlb 0x16`).
    Gpa(u64),
    /// Everything of the calling vCPU (a new GID: KVM_REQ_TLB_FLUSH).
    Vcpu,
    /// Everything of every vCPU (kvm_flush_remote_tlbs).
    All,
}

impl Flush {
    /// The least flush that does both.
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, _) | (_, Self::All) => Self::All,
            (Self::None, flush) | (flush, Self::None) => flush,
            (Self::Gpa(a), Self::Gpa(b)) if a == b => self,
            _ => Self::Vcpu,
        }
    }

    /// Something must be flushed.
    pub fn is_needed(self) -> bool {
        self != Self::None
    }
}

/// Change of the VM's statistics `pages` and `hugepages`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatsDelta {
    /// Small pages mapped, less those unmapped.
    pub pages: i64,
    /// Huge pages mapped, less those unmapped.
    pub hugepages: i64,
}

impl StatsDelta {
    pub(super) fn count(&mut self, level: u8, by: i64) {
        let counter = if level == 0 {
            &mut self.pages
        } else {
            &mut self.hugepages
        };
        *counter = counter.wrapping_add(by);
    }
}

/// Result of an operation on a range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Some entry was changed (for ageing: was young).
    pub changed: bool,
    /// The flush that is still to be done.
    pub flush: Flush,
    /// To be added to the statistics.
    pub stats: StatsDelta,
}

/// Why a mapping could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MmuError {
    /// The cache of tables is empty: top it up and try again.
    NoTable,
    /// The guest physical address or the slot lies beyond what the tables map.
    OutOfRange,
    /// There is no huge page at the address, or none can be made.
    NotHuge,
}

impl MmuError {
    /// Positive errno.
    pub fn errno(self) -> i32 {
        match self {
            // For a slot that is too high as well (Linux
            // kvm_arch_prepare_memory_region).
            Self::NoTable | Self::OutOfRange => ENOMEM,
            Self::NotHuge => EINVAL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flushes_combine() {
        use Flush::*;
        assert_eq!(None.and(None), None);
        assert_eq!(None.and(Gpa(1)), Gpa(1));
        assert_eq!(Gpa(1).and(None), Gpa(1));
        assert_eq!(Gpa(1).and(Gpa(1)), Gpa(1));
        assert_eq!(Gpa(1).and(Gpa(2)), Vcpu);
        assert_eq!(Vcpu.and(Gpa(2)), Vcpu);
        assert_eq!(Vcpu.and(All), All);
        assert!(!None.is_needed() && Vcpu.is_needed());
    }

    #[test]
    fn errors_have_numbers() {
        assert_eq!(MmuError::NoTable.errno(), 12);
        assert_eq!(MmuError::OutOfRange.errno(), 12);
        assert_eq!(MmuError::NotHuge.errno(), 22);
    }
}
