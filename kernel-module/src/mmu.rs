// SPDX-License-Identifier: GPL-2.0

//! Stage-2 tables: `kvm_core::mmu` on page frames, and what KVM asks of them
//! other than to answer faults (`fault`).
//!
//! `kvm->mmu_lock` protects the tables of a VM.

use core::ptr::null_mut;

use kvm_core::mmu::{
    self, FlagsChange, Flush, Geometry, HugeRequest, Outcome, Pte, Reclaim, Resched, SlotHuge,
    StatsDelta, Tables,
};

use crate::bindings as b;
use crate::bindings::constant as c;
use crate::cpu::host;
use crate::slots::{class_flags, SlotPointer};
use crate::vm::Vm;

const EINVAL: i32 = b::EINVAL as i32;

/// The layout of the tables, as constants where that helps.
#[inline(always)]
pub(crate) fn geometry() -> Geometry {
    host()
        .geometry
        .with_layout::<{ c::PAGE_SHIFT as u8 }, { c::PGTABLE_LEVELS as u8 }>()
}

/// The tables of one VM, for the time that `mmu_lock` is held.
pub(crate) struct StageTwo<'a> {
    vm: &'a Vm,
    /// Where new tables come from; null where none may be needed.
    cache: *mut b::kvm_mmu_memory_cache,
    /// Tables to be freed after the flush; zeros as long as there is none.
    retired: b::list_head,
    /// The lock may be dropped between two tables' worth of work.
    may_yield: bool,
}

impl<'a> StageTwo<'a> {
    /// Takes the lock of `vm`'s tables and runs `f`.
    #[inline]
    pub(crate) fn locked<R>(
        vm: &'a Vm,
        cache: *mut b::kvm_mmu_memory_cache,
        f: impl FnOnce(&mut Self) -> R,
    ) -> R {
        // SAFETY: The VM is alive; unlocked below.
        unsafe { b::kvm_la_mmu_lock(vm.kvm) };
        let result = Self::held(vm, cache, f);
        // SAFETY: Locked above.
        unsafe { b::kvm_la_mmu_unlock(vm.kvm) };
        result
    }

    /// As [`Self::locked`] if the lock is free; else None.
    #[inline]
    pub(crate) fn try_locked<R>(
        vm: &'a Vm,
        cache: *mut b::kvm_mmu_memory_cache,
        f: impl FnOnce(&mut Self) -> R,
    ) -> Option<R> {
        // SAFETY: The VM is alive; unlocked below.
        if !unsafe { b::kvm_la_mmu_trylock(vm.kvm) } {
            return None;
        }
        let result = Self::held(vm, cache, f);
        // SAFETY: Locked above.
        unsafe { b::kvm_la_mmu_unlock(vm.kvm) };
        Some(result)
    }

    /// As [`Self::locked`], for callers that hold the lock.
    #[inline]
    fn held<R>(
        vm: &'a Vm,
        cache: *mut b::kvm_mmu_memory_cache,
        f: impl FnOnce(&mut Self) -> R,
    ) -> R {
        let mut tables = Self {
            vm,
            cache,
            retired: b::list_head::default(),
            may_yield: false,
        };
        let result = f(&mut tables);
        tables.free_retired();
        result
    }

    /// Frees what was retired, after the flush.
    #[inline]
    fn free_retired(&mut self) {
        if !self.retired.next.is_null() {
            // SAFETY: `retire` made it a list, at its final address.
            unsafe { b::kvm_la_tables_free(&raw mut self.retired) };
        }
    }

    /// Adds to the VM's statistics.
    #[inline]
    pub(crate) fn count(&self, delta: StatsDelta) {
        // SAFETY: The VM is alive; its statistics are counted under the lock.
        unsafe {
            let stat = &raw mut (*self.vm.kvm).stat;
            (*stat).pages = (*stat).pages.wrapping_add_signed(delta.pages);
            (*stat).hugepages = (*stat).hugepages.wrapping_add_signed(delta.hugepages);
        }
    }

    /// Counts what a range operation did and flushes as it asks.
    fn settle(&self, outcome: Outcome) {
        self.count(outcome.stats);
        if outcome.flush.is_needed() {
            // SAFETY: The VM is alive.
            unsafe { b::kvm_flush_remote_tlbs(self.vm.kvm) };
        }
    }
}

impl Tables for StageTwo<'_> {
    type Table = *mut u64;

    fn root(&self) -> *mut u64 {
        self.vm.root
    }

    #[inline]
    fn read(&self, table: *mut u64, index: usize) -> Pte {
        // SAFETY: `table` is a page of this VM and `index` is below the number
        // of entries, by the contract of the trait.
        Pte(unsafe { table.add(index).read_volatile() })
    }

    #[inline]
    fn write(&mut self, table: *mut u64, index: usize, pte: Pte) {
        // SAFETY: As for `read`.
        unsafe { table.add(index).write_volatile(pte.0) };
    }

    fn allocate(&mut self) -> Option<*mut u64> {
        if self.cache.is_null() {
            return None;
        }
        // SAFETY: The cache belongs to the vCPU whose thread this is.
        let table = unsafe { b::kvm_la_mmu_cache_alloc(self.cache) }.cast::<u64>();
        (!table.is_null()).then_some(table)
    }

    fn retire(&mut self, table: *mut u64) {
        // SAFETY: The list is at its final address until it is emptied: `self`
        // is not moved any more once it has tables. `table` is a page that is
        // linked nowhere any more.
        unsafe {
            if self.retired.next.is_null() {
                b::kvm_la_tables_init(&raw mut self.retired);
            }
            b::kvm_la_table_retire(&raw mut self.retired, table.cast());
        }
    }

    #[inline]
    fn address_of(&self, table: *mut u64) -> u64 {
        (table as u64).wrapping_sub(c::DIRECT_MAP)
    }

    #[inline]
    fn table_at(&self, address: u64) -> *mut u64 {
        address.wrapping_add(c::DIRECT_MAP) as *mut u64
    }

    fn write_barrier(&self) {
        // SAFETY: A barrier.
        unsafe { b::kvm_la_smp_wmb() };
    }

    fn resched(&mut self, pending: Flush) -> Resched {
        // SAFETY: The lock is held.
        if !self.may_yield || !unsafe { b::kvm_la_mmu_lock_needbreak(self.vm.kvm) } {
            return Resched::Continue;
        }
        if pending.is_needed() {
            // SAFETY: The VM is alive.
            unsafe { b::kvm_flush_remote_tlbs(self.vm.kvm) };
        }
        // What was retired is reachable no more after the flush.
        self.free_retired();
        // SAFETY: The callers that set `may_yield` may sleep and hold no other
        // spin lock.
        unsafe {
            b::kvm_la_mmu_unlock(self.vm.kvm);
            b::kvm_la_cond_resched();
            b::kvm_la_mmu_lock(self.vm.kvm);
        }
        Resched::Flushed
    }
}

/// kvm_arch_prepare_memory_region.
///
/// # Safety
///
/// C calls it with `slots_lock` held; `new` and `old` are valid or null as
/// `change` says.
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_arch_prepare_memory_region(
    kvm: *mut b::kvm,
    old: *const b::kvm_memory_slot,
    new: *mut b::kvm_memory_slot,
    change: b::kvm_mr_change,
) -> i32 {
    match change {
        b::kvm_mr_change_KVM_MR_FLAGS_ONLY => {
            // SAFETY: Both exist when flags change.
            unsafe { (*new).arch.flags = (*old).arch.flags };
            0
        }
        b::kvm_mr_change_KVM_MR_CREATE | b::kvm_mr_change_KVM_MR_MOVE => {
            // SAFETY: The VM is alive and `new` is valid.
            let (vm, base, pages) =
                unsafe { (Vm::from_c(kvm), (*new).base_gfn, (*new).npages as u64) };
            let geometry = &geometry();
            if let Err(error) = mmu::check_slot(geometry, vm.gpa_limit, base, pages) {
                return -error.errno();
            }
            // SAFETY: `new` is valid and not yet visible to others; it is written
            // to when it is no longer borrowed.
            unsafe {
                let Some(place) = SlotPointer::new(new).map(|slot| slot.place()) else {
                    return -EINVAL;
                };
                (*new).arch.flags = class_flags(SlotHuge::of(geometry, &place)) as _;
            }
            0
        }
        _ => 0,
    }
}

/// kvm_arch_commit_memory_region.
///
/// # Safety
///
/// As for [`kvm_arch_prepare_memory_region`].
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_arch_commit_memory_region(
    kvm: *mut b::kvm,
    old: *mut b::kvm_memory_slot,
    new: *const b::kvm_memory_slot,
    change: b::kvm_mr_change,
) {
    match change {
        // The guest may have probed here before: no invalid entry of a page
        // may stay that a huge page could overlap.
        // SAFETY: The VM is alive.
        b::kvm_mr_change_KVM_MR_CREATE => unsafe { b::kvm_flush_remote_tlbs(kvm) },
        b::kvm_mr_change_KVM_MR_FLAGS_ONLY => {
            // SAFETY: Reads the VM's settings.
            let initially_set = unsafe { b::kvm_la_dirty_log_init_set(kvm) };
            // SAFETY: The VM is alive; both slots exist when flags change, and
            // `slots_lock` is held.
            let (vm, old, new) = unsafe {
                (
                    Vm::from_c(kvm),
                    SlotPointer::new(old),
                    SlotPointer::new(new),
                )
            };
            let (Some(old), Some(new)) = (old, new) else {
                return;
            };
            match mmu::flags_change(old.flags(), new.flags(), initially_set) {
                FlagsChange::Nothing => {}
                FlagsChange::WriteProtect => {
                    let slot = new.place();
                    StageTwo::locked(vm, null_mut(), |tables| {
                        tables.may_yield = true;
                        let end = slot.gpa.wrapping_add(slot.size);
                        let geometry = &geometry();
                        let outcome = mmu::write_protect_range(tables, geometry, slot.gpa, end);
                        tables.settle(outcome);
                    });
                }
                FlagsChange::Collapse => collapse(vm, &new),
            }
        }
        _ => {}
    }
}

/// Dirty logging of a slot has ended: makes huge pages of what it split, where
/// the host still has one.
fn collapse(vm: &Vm, slot: &SlotPointer<'_>) {
    let geometry = &geometry();
    let (place, class) = (slot.place(), slot.class());
    let step = geometry.huge_size();
    let mut gpa = place.gpa;
    while gpa.wrapping_sub(place.gpa) < place.size {
        let hva = place.hva.wrapping_add(gpa.wrapping_sub(place.gpa));
        let request = HugeRequest {
            slot: place,
            class,
            hva,
            write: false,
            dirty_logging: false,
        };
        if request.slot_allows(geometry) {
            // SAFETY: The VM is alive.
            let sequence = unsafe { b::kvm_la_mmu_seq(vm.kvm) };
            StageTwo::locked(vm, null_mut(), |tables| {
                let gfn = gpa >> geometry.page_shift();
                // SAFETY: The lock is held; while nothing is being taken back,
                // the host's mapping stands.
                let stands = unsafe {
                    !b::kvm_la_mmu_invalidate_retry_gfn(vm.kvm, sequence, gfn)
                        && b::kvm_la_host_mapping_is_huge(vm.kvm, hva as _) != 0
                };
                if stands {
                    if let Ok(outcome) = mmu::collapse(tables, geometry, gpa) {
                        tables.settle(outcome);
                    }
                }
            });
            // SAFETY: May sleep; `slots_lock` is a mutex.
            unsafe { b::kvm_la_cond_resched() };
        }
        gpa = geometry.base(gpa, 1).wrapping_add(step);
    }
}

/// kvm_arch_mmu_enable_log_dirty_pt_masked: the pages of `mask` are clean from
/// now on. The caller flushes.
///
/// # Safety
///
/// C calls it with `mmu_lock` held and a valid slot.
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_arch_mmu_enable_log_dirty_pt_masked(
    kvm: *mut b::kvm,
    slot: *mut b::kvm_memory_slot,
    offset: u64,
    mask: usize,
) {
    let geometry = &geometry();
    // SAFETY: The VM is alive and the slot valid.
    let (vm, slot) = unsafe { (Vm::from_c(kvm), SlotPointer::new(slot)) };
    let Some(slot) = slot else {
        return;
    };
    let start = slot.place().gpa;
    let base = start.wrapping_add(offset << geometry.page_shift());
    StageTwo::held(vm, null_mut(), |tables| {
        let outcome = mmu::write_protect_mask(tables, geometry, base, mask as u64);
        tables.count(outcome.stats);
    });
}

/// kvm_arch_flush_shadow_all: everything goes, at the VMM's end.
///
/// # Safety
///
/// C calls it for a VM that is alive, when no vCPU enters the guest any more.
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_arch_flush_shadow_all(kvm: *mut b::kvm) {
    // SAFETY: By this function's contract.
    let vm = unsafe { Vm::from_c(kvm) };
    StageTwo::locked(vm, null_mut(), |tables| {
        tables.may_yield = true;
        let outcome = mmu::unmap_all(tables, &geometry());
        tables.settle(outcome);
    });
}

/// kvm_arch_flush_shadow_memslot: a slot is about to go or to move.
///
/// # Safety
///
/// C calls it with `slots_lock` held and a valid slot.
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_arch_flush_shadow_memslot(
    kvm: *mut b::kvm,
    slot: *mut b::kvm_memory_slot,
) {
    // SAFETY: By this function's contract.
    let (vm, slot) = unsafe { (Vm::from_c(kvm), SlotPointer::new(slot)) };
    let Some(slot) = slot.map(|slot| slot.place()) else {
        return;
    };
    StageTwo::locked(vm, null_mut(), |tables| {
        tables.may_yield = true;
        let outcome = mmu::unmap_range(
            tables,
            &geometry(),
            slot.gpa,
            slot.gpa.wrapping_add(slot.size),
            Reclaim::Tables,
        );
        tables.settle(outcome);
    });
}

/// First and end address of a range of the MMU notifier.
///
/// # Safety
///
/// `range` is valid.
unsafe fn bounds(range: *const b::kvm_gfn_range) -> (u64, u64) {
    let shift = c::PAGE_SHIFT;
    // SAFETY: By this function's contract.
    unsafe { ((*range).start << shift, (*range).end << shift) }
}

/// kvm_unmap_gfn_range: the host takes pages back. True if the caller must
/// flush.
///
/// # Safety
///
/// C calls it with `mmu_lock` held and a valid range.
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_unmap_gfn_range(
    kvm: *mut b::kvm,
    range: *mut b::kvm_gfn_range,
) -> bool {
    // SAFETY: By this function's contract.
    let (vm, (start, end), may_block) =
        unsafe { (Vm::from_c(kvm), bounds(range), (*range).may_block) };
    StageTwo::held(vm, null_mut(), |tables| {
        // Faults in the range retry until the notifier is done, so the lock
        // may be dropped.
        tables.may_yield = may_block;
        let outcome = mmu::unmap_range(tables, &geometry(), start, end, Reclaim::Keep);
        tables.count(outcome.stats);
        outcome.flush.is_needed()
    })
}

/// kvm_age_gfn: whether a page was used, and makes it old.
///
/// # Safety
///
/// As for [`kvm_unmap_gfn_range`].
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_age_gfn(
    kvm: *mut b::kvm,
    range: *mut b::kvm_gfn_range,
) -> bool {
    // SAFETY: By this function's contract.
    let (vm, (start, end)) = unsafe { (Vm::from_c(kvm), bounds(range)) };
    StageTwo::held(vm, null_mut(), |tables| {
        mmu::age_range(tables, &geometry(), start, end).changed
    })
}

/// kvm_test_age_gfn: whether a page was used.
///
/// # Safety
///
/// As for [`kvm_unmap_gfn_range`].
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_test_age_gfn(
    kvm: *mut b::kvm,
    range: *mut b::kvm_gfn_range,
) -> bool {
    // SAFETY: By this function's contract.
    let (vm, (start, end)) = unsafe { (Vm::from_c(kvm), bounds(range)) };
    StageTwo::held(vm, null_mut(), |tables| {
        mmu::test_age_range(tables, &geometry(), start, end, 1 << 16)
    })
}
