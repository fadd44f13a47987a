// SPDX-License-Identifier: GPL-2.0

//! Stage-2 translation: `kvm_core::mmu` on page frames.
//!
//! `kvm->mmu_lock` protects the tables of a VM. Faults look the slot up under
//! `kvm->srcu`, ask the host for the page without the lock, and then check,
//! with the lock, that the host has not taken the page back meanwhile
//! (`mmu_invalidate_seq`).

use core::ptr::null_mut;

use kernel::prelude::*;
use kvm_core::mmu::{
    self, FastFault, FlagsChange, Flush, HugeRequest, Mapping, MemoryType, MmuError, Outcome, Pte,
    Reclaim, Resched, Slot, SlotHuge, StatsDelta, Tables,
};

use crate::bindings as b;
use crate::bindings::constant as c;
use crate::cpu::host;
use crate::vcpu::{request, Vcpu};
use crate::vm::Vm;

/// The tables of one VM, for the time that `mmu_lock` is held.
struct StageTwo<'a> {
    vm: &'a Vm,
    /// Where new tables come from; null where none may be needed.
    cache: *mut b::kvm_mmu_memory_cache,
    /// Tables to be freed after the flush.
    retired: b::list_head,
    /// The lock may be dropped between two tables' worth of work.
    may_yield: bool,
}

impl<'a> StageTwo<'a> {
    /// Takes the lock of `vm`'s tables and runs `f`.
    fn locked<R>(
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

    /// As [`Self::locked`], for callers that hold the lock.
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
        // SAFETY: The list is at its final address until it is emptied.
        unsafe { b::kvm_la_tables_init(&raw mut tables.retired) };
        let result = f(&mut tables);
        // SAFETY: As above. What was retired and not freed by `f` is freed
        // here; `f` flushed before if it retired anything.
        unsafe { b::kvm_la_tables_free(&raw mut tables.retired) };
        result
    }

    fn count(&self, delta: StatsDelta) {
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
        // SAFETY: `table` is a page that is linked nowhere any more.
        unsafe { b::kvm_la_table_retire(&raw mut self.retired, table.cast()) };
    }

    fn address_of(&self, table: *mut u64) -> u64 {
        // SAFETY: Arithmetic.
        unsafe { b::kvm_la_pa(table.cast()) as u64 }
    }

    fn table_at(&self, address: u64) -> *mut u64 {
        // SAFETY: Arithmetic.
        unsafe { b::kvm_la_va(address as _) }.cast()
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
        // SAFETY: What was retired is reachable no more after the flush. The
        // callers that set `may_yield` may sleep and hold no other spin lock.
        unsafe {
            b::kvm_la_tables_free(&raw mut self.retired);
            b::kvm_la_mmu_unlock(self.vm.kvm);
            b::kvm_la_cond_resched();
            b::kvm_la_mmu_lock(self.vm.kvm);
        }
        Resched::Flushed
    }
}

/// Result of [`fault`].
pub(crate) enum Answer {
    /// The guest can go on.
    Mapped,
    /// There is no memory, or it may not be written: a device.
    NoMemory,
    /// KVM_RUN fails.
    Failed(Error),
}

/// Makes guest physical address `gpa` accessible. `modify`: the exit was PME.
pub(crate) fn fault(vcpu: &Vcpu, gpa: u64, write: bool, modify: bool) -> Answer {
    let kvm = vcpu.vm().kvm;
    // SAFETY: The VM is alive; balanced below.
    let index = unsafe { b::kvm_la_srcu_read_lock(kvm) };
    let answer = match map(vcpu, gpa, write) {
        Ok(Some(flush)) => {
            flush_for(vcpu, flush, modify);
            Answer::Mapped
        }
        Ok(None) => Answer::NoMemory,
        Err(error) => Answer::Failed(error),
    };
    // SAFETY: Locked above.
    unsafe { b::kvm_la_srcu_read_unlock(kvm, index) };
    answer
}

/// Arranges for `flush` before the next entry.
fn flush_for(vcpu: &Vcpu, flush: Flush, modify: bool) {
    match flush {
        Flush::None => {}
        Flush::Gpa(gpa) => {
            if mmu::flush_after_fault(host().processor.ptw, modify) {
                vcpu.flush_gpa.set(gpa);
                vcpu.make_request(request::TLB_FLUSH_GPA);
            }
        }
        Flush::Vcpu => vcpu.make_request(request::TLB_FLUSH),
        // SAFETY: The VM is alive.
        Flush::All => unsafe { b::kvm_flush_remote_tlbs(vcpu.vm().kvm) },
    }
}

/// Maps the page of `gpa`; None if there is no memory. Under srcu.
fn map(vcpu: &Vcpu, gpa: u64, write: bool) -> Result<Option<Flush>> {
    let kvm = vcpu.vm().kvm;
    let geometry = &host().geometry;
    let gfn = gpa >> geometry.page_shift();
    // SAFETY: Under srcu, on the vCPU's thread.
    let slot = unsafe { b::kvm_vcpu_gfn_to_memslot(vcpu.kvm_vcpu, gfn) };
    if slot.is_null() {
        return Ok(None);
    }
    // SAFETY: The slot is valid under srcu.
    let logging = unsafe { b::kvm_la_slot_dirty_track_enabled(slot) };
    let fast = StageTwo::locked(vcpu.vm(), null_mut(), |tables| {
        mmu::fault_fast(tables, geometry, gpa, write, logging)
    });
    if let FastFault::Done { dirtied, flush } = fast {
        if dirtied {
            // SAFETY: As above.
            unsafe { b::mark_page_dirty_in_slot(kvm, slot, gfn) };
        }
        return Ok(Some(flush));
    }

    let mut writable = false;
    // SAFETY: As above.
    let hva = unsafe { b::gfn_to_hva_memslot_prot(slot, gfn, &raw mut writable) };
    // SAFETY: A test of a value.
    if unsafe { b::kvm_la_is_error_hva(hva) } || (write && !writable) {
        return Ok(None);
    }
    let cache = vcpu.table_cache.get();
    kernel::error::to_result(
        // SAFETY: The cache belongs to this thread's vCPU.
        unsafe { b::kvm_mmu_topup_memory_cache(cache, geometry.cache_min() as i32) },
    )?;
    let request = HugeRequest {
        slot: place(slot),
        class: class_of(slot),
        hva: hva as u64,
        write,
        dirty_logging: logging,
    };
    loop {
        // SAFETY: The VM is alive. The sequence is read before the host's
        // tables.
        let sequence = unsafe { b::kvm_la_mmu_seq(kvm) };
        let mut page: *mut b::page = null_mut();
        // SAFETY: On the vCPU's thread, which may sleep.
        let pfn = unsafe {
            b::kvm_la_faultin_pfn(vcpu.kvm_vcpu, gfn, write, &raw mut writable, &raw mut page)
        };
        // SAFETY: Tests of a value.
        if unsafe { b::kvm_la_is_error_noslot_pfn(pfn) } {
            // The slot has gone or become read-only meanwhile: a device.
            // SAFETY: As above.
            return if unsafe { b::kvm_la_pfn_is_device(pfn) } {
                Ok(None)
            } else {
                Err(EFAULT)
            };
        }
        let mapped = StageTwo::locked(vcpu.vm(), cache, |tables| {
            // SAFETY: The lock is held.
            if unsafe { b::kvm_la_mmu_invalidate_retry_gfn(kvm, sequence, gfn) } {
                return None;
            }
            let huge = request.slot_allows(geometry)
                // SAFETY: The lock is held and no invalidation is under way.
                && unsafe { b::kvm_la_host_mapping_is_huge(kvm, hva) } != 0;
            // SAFETY: A test of a value.
            let memory = unsafe { b::kvm_la_pfn_valid(pfn as _) };
            let mapping = Mapping {
                gpa,
                address: pfn << geometry.page_shift(),
                memory_type: if memory {
                    MemoryType::Coherent
                } else {
                    MemoryType::StronglyOrdered
                },
                writable,
                dirty: writable && (write || !logging),
                huge,
            };
            let mapped = mmu::map(tables, geometry, &mapping);
            if let Ok(mapped) = &mapped {
                tables.count(mapped.stats);
            }
            // SAFETY: The page is the one that faultin gave; the lock is held.
            unsafe { b::kvm_la_release_faultin_page(kvm, page, writable) };
            Some(mapped)
        });
        match mapped {
            None => {
                // SAFETY: The page is the one that faultin gave.
                unsafe { b::kvm_la_release_page_unused(page) };
                // SAFETY: May sleep here.
                unsafe { b::kvm_la_cond_resched() };
            }
            Some(Ok(mapped)) => {
                if mapped.pte.is_dirty() {
                    // SAFETY: Under srcu.
                    unsafe { b::mark_page_dirty_in_slot(kvm, slot, gfn) };
                }
                return Ok(Some(mapped.flush));
            }
            Some(Err(error)) => return Err(errno(error)),
        }
    }
}

fn errno(error: MmuError) -> Error {
    Error::from_errno(-error.errno())
}

/// Where a slot is. The slot is valid.
fn place(slot: *const b::kvm_memory_slot) -> Slot {
    let shift = host().geometry.page_shift();
    // SAFETY: By this function's contract.
    unsafe {
        Slot {
            gpa: (*slot).base_gfn << shift,
            hva: (*slot).userspace_addr as u64,
            size: ((*slot).npages as u64) << shift,
        }
    }
}

/// In `kvm_arch_memory_slot.flags`.
const HUGE_CAPABLE: u64 = 1;
/// As above.
const HUGE_INCAPABLE: u64 = 2;

fn class_of(slot: *const b::kvm_memory_slot) -> SlotHuge {
    // SAFETY: The slot is valid.
    match unsafe { (*slot).arch.flags } as u64 {
        HUGE_CAPABLE => SlotHuge::Capable,
        HUGE_INCAPABLE => SlotHuge::Incapable,
        _ => SlotHuge::Partial,
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
            let geometry = &host().geometry;
            if let Err(error) = mmu::check_slot(geometry, vm.gpa_limit, base, pages) {
                return -error.errno();
            }
            let flags = match SlotHuge::of(geometry, &place(new)) {
                SlotHuge::Capable => HUGE_CAPABLE,
                SlotHuge::Incapable => HUGE_INCAPABLE,
                SlotHuge::Partial => 0,
            };
            // SAFETY: `new` is valid and not yet visible to others.
            unsafe { (*new).arch.flags = flags as _ };
            0
        }
        _ => 0,
    }
}

fn slot_flags(slot: *const b::kvm_memory_slot) -> mmu::SlotFlags {
    // SAFETY: The callers pass a slot that is valid or null.
    let flags = unsafe { slot.as_ref() }.map_or(0, |slot| slot.flags);
    mmu::SlotFlags {
        log_dirty_pages: flags & b::KVM_MEM_LOG_DIRTY_PAGES != 0,
        readonly: flags & b::KVM_MEM_READONLY != 0,
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
            // SAFETY: The VM is alive.
            let vm = unsafe { Vm::from_c(kvm) };
            match mmu::flags_change(slot_flags(old), slot_flags(new), initially_set) {
                FlagsChange::Nothing => {}
                FlagsChange::WriteProtect => {
                    let slot = place(new);
                    StageTwo::locked(vm, null_mut(), |tables| {
                        tables.may_yield = true;
                        let end = slot.gpa.wrapping_add(slot.size);
                        let geometry = &host().geometry;
                        let outcome = mmu::write_protect_range(tables, geometry, slot.gpa, end);
                        tables.settle(outcome);
                    });
                }
                FlagsChange::Collapse => collapse(vm, new),
            }
        }
        _ => {}
    }
}

/// Dirty logging of a slot has ended: makes huge pages of what it split, where
/// the host still has one.
fn collapse(vm: &Vm, slot: *const b::kvm_memory_slot) {
    let geometry = &host().geometry;
    let (place, class) = (place(slot), class_of(slot));
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
/// C calls it with `mmu_lock` held.
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_arch_mmu_enable_log_dirty_pt_masked(
    kvm: *mut b::kvm,
    slot: *mut b::kvm_memory_slot,
    offset: u64,
    mask: usize,
) {
    let geometry = &host().geometry;
    // SAFETY: The VM is alive.
    let vm = unsafe { Vm::from_c(kvm) };
    let base = place(slot)
        .gpa
        .wrapping_add(offset << geometry.page_shift());
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
        let outcome = mmu::unmap_all(tables, &host().geometry);
        tables.settle(outcome);
    });
}

/// kvm_arch_flush_shadow_memslot: a slot is about to go or to move.
///
/// # Safety
///
/// C calls it with `slots_lock` held.
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_arch_flush_shadow_memslot(
    kvm: *mut b::kvm,
    slot: *mut b::kvm_memory_slot,
) {
    // SAFETY: By this function's contract.
    let vm = unsafe { Vm::from_c(kvm) };
    let slot = place(slot);
    StageTwo::locked(vm, null_mut(), |tables| {
        tables.may_yield = true;
        let outcome = mmu::unmap_range(
            tables,
            &host().geometry,
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
        let outcome = mmu::unmap_range(tables, &host().geometry, start, end, Reclaim::Keep);
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
        mmu::age_range(tables, &host().geometry, start, end).changed
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
        mmu::test_age_range(tables, &host().geometry, start, end, 1 << 16)
    })
}
