// SPDX-License-Identifier: GPL-2.0

//! Rules about memory slots: which may use huge pages, what a change of flags
//! asks for.

use super::{Geometry, MmuError};

/// Place of a memory slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Guest physical address, page-aligned.
    pub gpa: u64,
    /// Host virtual address, page-aligned.
    pub hva: u64,
    /// Bytes, a multiple of the page size.
    pub size: u64,
}

/// Whether a slot can be mapped with huge pages, from its alignment alone:
/// compute it once, when the slot is created or moved, and carry it over when
/// only flags change (Linux kvm_arch_prepare_memory_region).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotHuge {
    /// Everywhere.
    Capable,
    /// Nowhere: the addresses differ modulo the huge page size, or no whole
    /// huge page fits.
    Incapable,
    /// All but the ends that are no whole huge page.
    Partial,
}

impl SlotHuge {
    /// Classifies a slot.
    pub fn of(geometry: &Geometry, slot: &Slot) -> Self {
        let mask = geometry.huge_size() - 1;
        if (slot.gpa | slot.hva | slot.size) & mask == 0 {
            return Self::Capable;
        }
        if (slot.gpa ^ slot.hva) & mask != 0 {
            return Self::Incapable;
        }
        match whole_huge_pages(geometry, slot) {
            (first, last) if first < last => Self::Partial,
            _ => Self::Incapable,
        }
    }
}

/// Host virtual range of the huge pages that lie wholly in a slot.
fn whole_huge_pages(geometry: &Geometry, slot: &Slot) -> (u64, u64) {
    let mask = geometry.huge_size() - 1;
    let first = match slot.hva.checked_add(mask) {
        Some(sum) => sum & !mask,
        None => return (0, 0),
    };
    (first, slot.hva.saturating_add(slot.size) & !mask)
}

/// Checks that a new or moved slot lies within what the guest can address.
/// `limit` is the size of the guest physical address space in bytes,
/// `1 << cpu_vabits` (Linux kvm_arch_init_vm `gpa_size`); the tables' own limit
/// counts as well.
///
/// # Errors
///
/// [`MmuError::OutOfRange`] (ENOMEM, as Linux answers).
pub fn check_slot(
    geometry: &Geometry,
    limit: u64,
    base_gfn: u64,
    npages: u64,
) -> Result<(), MmuError> {
    let pages = limit.min(geometry.limit()) >> geometry.page_shift();
    match base_gfn.checked_add(npages) {
        Some(end) if end <= pages => Ok(()),
        _ => Err(MmuError::OutOfRange),
    }
}

/// What decides whether a fault may be answered with a huge page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HugeRequest {
    /// Where the memory is, for the guest and for the host.
    pub slot: Slot,
    /// What alignment and size of the slot allow.
    pub class: SlotHuge,
    /// Host virtual address of the fault.
    pub hva: u64,
    /// The access is a store.
    pub write: bool,
    /// The slot's dirty pages are logged.
    pub dirty_logging: bool,
}

impl HugeRequest {
    /// The slot allows a huge page here; [`allowed`](Self::allowed) asks the host too
    /// (Linux fault_supports_huge_mapping).
    pub fn slot_allows(&self, geometry: &Geometry) -> bool {
        // A huge page cannot tell which of its pages was written.
        if self.dirty_logging && self.write {
            return false;
        }
        match self.class {
            SlotHuge::Capable => true,
            SlotHuge::Incapable => false,
            SlotHuge::Partial => {
                let (first, last) = whole_huge_pages(geometry, &self.slot);
                self.hva >= first && self.hva < last
            }
        }
    }

    /// A huge page may be mapped. `host_is_huge` says whether the host maps the address
    /// with one; it is asked last, under mmu_lock with no invalidation under way (Linux
    /// host_pfn_mapping_level).
    #[inline]
    pub fn allowed(&self, geometry: &Geometry, host_is_huge: impl FnOnce() -> bool) -> bool {
        self.slot_allows(geometry) && host_is_huge()
    }
}

/// Flags of a memory slot that matter here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotFlags {
    /// KVM_MEM_LOG_DIRTY_PAGES.
    pub log_dirty_pages: bool,
    /// KVM_MEM_READONLY.
    pub readonly: bool,
}

/// What a change of flags asks for, after it is visible to faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagsChange {
    /// Entries may stay as they are.
    Nothing,
    /// Write-protect the whole slot and flush.
    WriteProtect,
    /// Logging ended: split pages may be collapsed.
    Collapse,
}

/// Decides what a KVM_MR_FLAGS_ONLY change needs (Linux
/// kvm_arch_commit_memory_region). `initially_set`: dirty logging starts with
/// all pages taken as dirty (KVM_DIRTY_LOG_INITIALLY_SET), so that each
/// KVM_CLEAR_DIRTY_LOG protects its own pages.
pub fn flags_change(old: SlotFlags, new: SlotFlags, initially_set: bool) -> FlagsChange {
    // A read-only slot has no dirty pages.
    if old.readonly && new.readonly {
        return FlagsChange::Nothing;
    }
    match (old.log_dirty_pages, new.log_dirty_pages) {
        (false, true) if !initially_set => FlagsChange::WriteProtect,
        (true, false) => FlagsChange::Collapse,
        _ => FlagsChange::Nothing,
    }
}

/// Whether the entry that raised a handled fault must be flushed
/// ([`Flush::Gpa`](super::Flush::Gpa)): always where software refills, since an
/// invalid entry was cached; with a hardware page walk (`ptw`) only after a
/// store to a clean page (`modify`, exception PME), since an earlier load may
/// have cached it (Linux kvm_handle_mm_fault).
pub fn flush_after_fault(ptw: bool, modify: bool) -> bool {
    !ptw || modify
}

#[cfg(test)]
mod tests {
    use super::*;

    const M: u64 = 1 << 20;

    fn geometry() -> Geometry {
        Geometry::new(14, 3, [0; 4]).unwrap()
    }

    fn slot(gpa: u64, hva: u64, size: u64) -> Slot {
        Slot { gpa, hva, size }
    }

    #[test]
    fn slots_are_classified_by_alignment() {
        let g = geometry();
        let class = |gpa, hva, size| SlotHuge::of(&g, &slot(gpa * M, hva * M, size * M));
        assert_eq!(class(0, 64, 32), SlotHuge::Capable);
        assert_eq!(class(0, 80, 64), SlotHuge::Incapable);
        assert_eq!(class(16, 80, 64), SlotHuge::Partial);
        assert_eq!(class(0, 64, 33), SlotHuge::Partial);
        assert_eq!(class(16, 80, 32), SlotHuge::Incapable);
        assert_eq!(class(0, 64, 31), SlotHuge::Incapable);
        // At the top of the address space nothing wraps.
        let top = slot(0x1ff_ffff & !0x3fff, !0x3fff, 0x4000);
        assert_eq!(SlotHuge::of(&g, &top), SlotHuge::Incapable);
    }

    #[test]
    fn faults_get_huge_pages_where_slot_log_and_host_agree() {
        let g = geometry();
        let slot = slot(16 * M, 80 * M, 64 * M);
        let mut request = HugeRequest {
            slot,
            class: SlotHuge::of(&g, &slot),
            hva: 96 * M,
            write: true,
            dirty_logging: false,
        };
        assert!(request.allowed(&g, || true));
        assert!(!request.allowed(&g, || false));
        for (hva, answer) in [
            (80 * M, false),
            (96 * M - 1, false),
            (128 * M - 1, true),
            (128 * M, false),
        ] {
            request.hva = hva;
            assert_eq!(request.slot_allows(&g), answer, "{hva:#x}");
        }
        request.hva = 100 * M;
        request.dirty_logging = true;
        assert!(!request.slot_allows(&g));
        request.write = false;
        assert!(request.slot_allows(&g));
        request.class = SlotHuge::Incapable;
        assert!(!request.slot_allows(&g));
        request.class = SlotHuge::Capable;
        assert!(request.slot_allows(&g));
    }

    #[test]
    fn slots_must_fit() {
        let g = geometry();
        let limit = 1u64 << 47;
        let pages = limit >> 14;
        assert_eq!(check_slot(&g, limit, 0, pages), Ok(()));
        assert_eq!(check_slot(&g, 1 << 48, 0, pages), Ok(()));
        assert_eq!(check_slot(&g, limit, 1, pages), Err(MmuError::OutOfRange));
        assert_eq!(
            check_slot(&g, limit, u64::MAX, 2),
            Err(MmuError::OutOfRange)
        );
        assert_eq!(check_slot(&g, 1 << 40, 0, pages), Err(MmuError::OutOfRange));
    }

    #[test]
    fn flags_ask_for_protection_once() {
        let flags = |log_dirty_pages, readonly| SlotFlags {
            log_dirty_pages,
            readonly,
        };
        let (off, on) = (flags(false, false), flags(true, false));
        assert_eq!(flags_change(off, on, false), FlagsChange::WriteProtect);
        assert_eq!(flags_change(off, on, true), FlagsChange::Nothing);
        assert_eq!(flags_change(on, on, false), FlagsChange::Nothing);
        assert_eq!(flags_change(on, off, false), FlagsChange::Collapse);
        let (off, on) = (flags(false, true), flags(true, true));
        assert_eq!(flags_change(off, on, false), FlagsChange::Nothing);
    }

    #[test]
    fn stale_entries_are_flushed_where_they_can_exist() {
        assert!(flush_after_fault(false, false));
        assert!(flush_after_fault(false, true));
        assert!(!flush_after_fault(true, false));
        assert!(flush_after_fault(true, true));
    }
}
