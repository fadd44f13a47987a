// SPDX-License-Identifier: GPL-2.0

//! Stage-2 tables: `kvm_core::mmu` on page frames, and what KVM asks of them
//! other than to answer faults (`fault`).
//!
//! `kvm->mmu_lock` protects the tables of a VM.

mod around;
pub(crate) mod fault;
pub(crate) mod host_page;
pub(crate) mod pre_fault;

use core::mem::MaybeUninit;
use core::slice;

use kernel::error::to_result;
use kernel::prelude::*;
use kvm_core::mmu::{
    self, FlagsChange, Flush, Geometry, HostEntry, HugeRequest, Link, Outcome, Place, Pte, Reclaim,
    Resched, SlotHuge, StatsDelta, Tables, Unlinked,
};

use crate::cpu::host::host;
use crate::kvm::atomic::write_barrier;
use crate::kvm::bindings as b;
use crate::kvm::bindings::constant as c;
use crate::kvm::calls::calls;
use crate::kvm::error::OrErrno;
use crate::kvm::slots::{class_flags, place, ConstSlot, SlotPointer};
use crate::kvm::user::cond_resched;
use crate::vm::Vm;

// The kernel's refill handler loads entries of these tables, and the host's own are read.
const _: () = assert!(
    Pte::VALID == c::PTE_VALID
        && Pte::DIRTY == c::PTE_DIRTY
        && Pte::MAT == c::PTE_MAT
        && Pte::HUGE == c::PTE_HUGE
        && Pte::PRESENT == c::PTE_PRESENT
        && Pte::WRITE == c::PTE_WRITE
        && Pte::WRITABLE == c::PTE_MODIFIED
        && HostEntry::PROTNONE == c::PTE_PROTNONE
        && HostEntry::SPECIAL == c::PTE_SPECIAL,
    "bits of page-table entries are not those of this kernel"
);

/// Entries of a table.
const ENTRIES: usize = 1 << (c::PAGE_SHIFT - 3);

/// The layout of the tables, as constants where that helps.
#[inline(always)]
pub(crate) fn geometry() -> Geometry {
    host()
        .geometry
        .with_layout::<{ c::PAGE_SHIFT as u8 }, { c::PGTABLE_LEVELS as u8 }>()
}

/// Pages for stage-2 tables, so that none need be allocated under the lock.
#[derive(Default)]
pub(crate) struct TableCache(b::kvm_mmu_memory_cache);

impl TableCache {
    fn as_ptr(&mut self) -> *mut b::kvm_mmu_memory_cache {
        &raw mut self.0
    }

    // A cache, which zero bytes are too.
    calls! {
        fn fill(&mut self, min: i32) -> i32 = kvm_mmu_topup_memory_cache;
        fn allocate(&mut self) -> usize = kvm_la_mmu_cache_alloc;
        fn free(&mut self) = kvm_mmu_free_memory_cache;
    }

    /// Makes sure of as many as a fault can take; may sleep.
    pub(crate) fn top_up(&mut self, geometry: &Geometry) -> Result {
        if self.suffices(geometry) {
            return Ok(());
        }
        to_result(self.fill(geometry.cache_min() as i32))
    }

    /// Whether there are as many.
    #[inline]
    pub(crate) fn suffices(&self, geometry: &Geometry) -> bool {
        self.0.nobjs >= geometry.cache_min() as i32
    }

    fn take(&mut self) -> Option<*mut u64> {
        let table = self.allocate() as *mut u64;
        (!table.is_null()).then_some(table)
    }
}

impl Drop for TableCache {
    fn drop(&mut self) {
        self.free();
    }
}

/// The `mmu_lock` of a VM.
struct MmuLock<'a>(&'a Vm);

impl MmuLock<'_> {
    #[inline]
    fn as_ptr(&self) -> *mut b::kvm {
        self.0.kvm.as_ptr()
    }

    // The VM is alive; `StageTwo` gives the lock back that it has taken.
    calls! {
        fn take(&self) = kvm_la_mmu_lock;
        fn try_take(&self) -> bool = kvm_la_mmu_trylock;
        fn give_back(&self) = kvm_la_mmu_unlock;
        fn is_wanted(&self) -> bool = kvm_la_mmu_lock_needbreak;
    }
}

/// A VM whose `mmu_lock` is held.
pub(crate) struct Locked<'a>(&'a Vm);

impl<'a> Locked<'a> {
    /// For a door.
    ///
    /// # Safety
    ///
    /// C holds the VM's `mmu_lock` in `'a`.
    pub(crate) unsafe fn new(vm: &'a Vm) -> Self {
        Self(vm)
    }

    /// Runs `f` with its tables.
    fn tables<R>(self, f: impl FnOnce(&mut StageTwo<'_>) -> R) -> R {
        StageTwo::held(self, None, f)
    }
}

/// Tables that are linked nowhere any more. The list is set up by the first, at its final
/// address: a `StageTwo` is not moved any more once it has tables.
#[derive(Default)]
struct Retired(b::list_head);

impl Retired {
    #[inline]
    fn as_ptr(&mut self) -> *mut b::list_head {
        &raw mut self.0
    }

    // Zeros, or a list.
    calls! {
        fn set_up(&mut self) = kvm_la_tables_init;
        fn free_all(&mut self) = kvm_la_tables_free;
    }

    #[inline]
    fn has_some(&self) -> bool {
        !self.0.next.is_null()
    }

    /// Frees them, after the flush.
    #[inline]
    fn free(&mut self) {
        if self.has_some() {
            self.free_all();
        }
    }
}

/// The tables of one VM, for the time that `mmu_lock` is held.
pub(crate) struct StageTwo<'a> {
    vm: &'a Vm,
    /// Where new tables come from; None where none may be needed.
    cache: Option<&'a mut TableCache>,
    retired: Retired,
    /// The lock may be dropped between two tables' worth of work.
    may_yield: bool,
}

impl<'a> StageTwo<'a> {
    /// Takes the lock of `vm`'s tables and runs `f`.
    #[inline]
    pub(crate) fn locked<R>(
        vm: &'a Vm,
        cache: Option<&'a mut TableCache>,
        f: impl FnOnce(&mut Self) -> R,
    ) -> R {
        let lock = MmuLock(vm);
        lock.take();
        let result = Self::held(Locked(vm), cache, f);
        lock.give_back();
        result
    }

    /// As [`Self::locked`] if the lock is free; else None.
    #[inline]
    pub(crate) fn try_locked<R>(
        vm: &'a Vm,
        cache: Option<&'a mut TableCache>,
        f: impl FnOnce(&mut Self) -> R,
    ) -> Option<R> {
        let lock = MmuLock(vm);
        if !lock.try_take() {
            return None;
        }
        let result = Self::held(Locked(vm), cache, f);
        lock.give_back();
        Some(result)
    }

    /// As [`Self::locked`], where the lock is held.
    #[inline]
    fn held<R>(
        Locked(vm): Locked<'a>,
        cache: Option<&'a mut TableCache>,
        f: impl FnOnce(&mut Self) -> R,
    ) -> R {
        let mut tables = Self {
            vm,
            cache,
            retired: Retired::default(),
            may_yield: false,
        };
        let result = f(&mut tables);
        tables.retired.free();
        result
    }

    /// For KVM's functions that the lock protects.
    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut b::kvm {
        self.vm.kvm.as_ptr()
    }

    // The VM is alive and the lock held; none of them sleeps.
    calls! {
        fn is_invalidating_gfn(&self, gfn: u64) -> bool = kvm_la_mmu_invalidating_gfn;
        /// Whether the host takes any page back. If not, none can be until the lock is given
        /// back.
        pub(crate) fn is_invalidating(&self) -> bool = kvm_la_mmu_invalidating;
        fn must_retry(&self, sequence: usize, gfn: u64) -> bool = kvm_la_mmu_invalidate_retry_gfn;
    }

    /// Whether a fault will not run out of tables.
    #[inline]
    pub(crate) fn has_spare(&self, geometry: &Geometry) -> bool {
        self.cache
            .as_ref()
            .is_some_and(|cache| cache.suffices(geometry))
    }

    /// Whether the host takes the page of `gfn` back, or has since `sequence`. If not,
    /// what the host's tables say of it stands until the lock is given back.
    #[inline]
    pub(crate) fn is_invalidated(&self, sequence: Option<usize>, gfn: u64) -> bool {
        match sequence {
            Some(sequence) => self.must_retry(sequence, gfn),
            None => self.is_invalidating_gfn(gfn),
        }
    }

    /// The host's entries for the pages from `hva` on, upwards or downwards, as far as they
    /// are in one table and have all of `bits`: how many are in `entries`, and whether they
    /// are a huge page's.
    #[inline]
    pub(crate) fn host_entries(
        &self,
        hva: u64,
        below: bool,
        bits: u64,
        entries: &mut [u64],
    ) -> (usize, bool) {
        let mut huge = false;
        let (kvm, limit) = (self.as_ptr(), entries.len() as u32);
        let entries = entries.as_mut_ptr();
        // SAFETY: The VM is alive, `entries` has room for `limit`; the walk does not sleep.
        let count =
            unsafe { b::kvm_la_host_entries(kvm, hva, below, bits, entries, limit, &raw mut huge) };
        (count as usize, huge)
    }

    /// The host's entry for `hva`, and whether it is a huge page's.
    #[inline]
    pub(crate) fn host_entry(&self, hva: u64) -> (HostEntry, bool) {
        let mut entry = [0];
        let (_, huge) = self.host_entries(hva, false, 0, &mut entry);
        let [entry] = entry;
        (HostEntry(entry), huge)
    }

    /// Adds to the VM's statistics.
    #[inline]
    pub(crate) fn count(&self, delta: StatsDelta) {
        // SAFETY: The VM is alive; its statistics are counted under the lock.
        unsafe {
            let stat = &raw mut (*self.vm.kvm.as_ptr()).stat;
            (*stat).pages = (*stat).pages.wrapping_add_signed(delta.pages);
            (*stat).hugepages = (*stat).hugepages.wrapping_add_signed(delta.hugepages);
        }
    }

    /// Counts what a range operation did and flushes as it asks.
    fn finish(&self, outcome: Outcome) {
        self.count(outcome.stats);
        if outcome.flush.is_needed() {
            self.vm.kvm.flush_remote_tlbs();
        }
    }
}

impl Tables for StageTwo<'_> {
    type Table = *mut u64;

    fn root(&self) -> *mut u64 {
        self.vm.root.as_ptr().cast()
    }

    #[inline]
    fn read(&self, place: Place<*mut u64>) -> Pte {
        // SAFETY: Only kvm_core::mmu makes a `Place`: of a table that is one of these, with an
        // index that the geometry has, and `geometry` is the only one.
        Pte(unsafe { place.table().add(place.index()).read_volatile() })
    }

    #[inline]
    fn write(&mut self, place: Place<*mut u64>, pte: Pte) {
        // SAFETY: As for `read`.
        unsafe { place.table().add(place.index()).write_volatile(pte.0) };
    }

    fn allocate(&mut self, mut entry: impl FnMut(usize) -> Pte) -> Option<*mut u64> {
        let table = self.cache.as_mut()?.take()?;
        // SAFETY: The cache gives pages, which have so many entries; nothing else has this one yet.
        let entries =
            unsafe { slice::from_raw_parts_mut(table.cast::<MaybeUninit<u64>>(), ENTRIES) };
        // Eight at a time, which the compiler unrolls.
        for (group, entries) in entries.chunks_exact_mut(8).enumerate() {
            for (index, slot) in entries.iter_mut().enumerate() {
                slot.write(entry(8 * group + index).0);
            }
        }
        Some(table)
    }

    fn retire(&mut self, table: Unlinked<*mut u64>) {
        if !self.retired.has_some() {
            self.retired.set_up();
        }
        let table = table.into_table().cast();
        // SAFETY: The list is set up. Only kvm_core::mmu makes an `Unlinked`, of a table that
        // it takes out of these.
        unsafe { b::kvm_la_table_retire(self.retired.as_ptr(), table) };
    }

    #[inline]
    fn address_of(&self, table: *mut u64) -> u64 {
        (table as u64).wrapping_sub(c::DIRECT_MAP)
    }

    #[inline]
    fn table_at(&self, link: Link) -> *mut u64 {
        link.address().wrapping_add(c::DIRECT_MAP) as *mut u64
    }

    // In line it would take registers of the walks that come here only for a new table.
    #[inline(never)]
    fn write_barrier(&self) {
        write_barrier();
    }

    fn resched(&mut self, pending: Flush) -> Resched {
        let lock = MmuLock(self.vm);
        if !self.may_yield || !lock.is_wanted() {
            return Resched::Continue;
        }
        if pending.is_needed() {
            self.vm.kvm.flush_remote_tlbs();
        }
        // What was retired is reachable no more after the flush.
        self.retired.free();
        // The callers that set `may_yield` may sleep and hold no other spin lock.
        lock.give_back();
        cond_resched();
        lock.take();
        Resched::Flushed
    }
}

/// kvm_arch_prepare_memory_region, with `slots_lock`.
pub(crate) fn prepare_memory_region(
    vm: &Vm,
    old: ConstSlot<'_>,
    new: Option<&mut b::kvm_memory_slot>,
    change: b::kvm_mr_change,
) -> Result {
    let Some(new) = new else { return Ok(()) };
    match change {
        b::kvm_mr_change_KVM_MR_FLAGS_ONLY => {
            if let Some(old) = old.0 {
                new.arch.flags = class_flags(old.class()) as usize;
            }
        }
        b::kvm_mr_change_KVM_MR_CREATE | b::kvm_mr_change_KVM_MR_MOVE => {
            let (base, pages) = (new.base_gfn, new.npages as u64);
            let geometry = &geometry();
            mmu::check_slot(geometry, vm.gpa_limit, base, pages).or_errno()?;
            let class = SlotHuge::of(geometry, &place(new));
            new.arch.flags = class_flags(class) as usize;
        }
        _ => {}
    }
    Ok(())
}

/// kvm_arch_commit_memory_region, with `slots_lock`.
pub(crate) fn commit_memory_region(
    vm: &Vm,
    old: Option<SlotPointer<'_>>,
    new: ConstSlot<'_>,
    change: b::kvm_mr_change,
) {
    match change {
        // The guest may have probed here before: no invalid entry of a page
        // may stay that a huge page could overlap.
        b::kvm_mr_change_KVM_MR_CREATE | b::kvm_mr_change_KVM_MR_MOVE => {
            vm.kvm.flush_remote_tlbs();
        }
        b::kvm_mr_change_KVM_MR_FLAGS_ONLY => {
            let (Some(old), Some(new)) = (old, new.0) else {
                return;
            };
            let initially_set = vm.kvm.dirty_log_initially_set();
            match mmu::flags_change(old.flags(), new.flags(), initially_set) {
                FlagsChange::Nothing => {}
                FlagsChange::WriteProtect => {
                    let slot = new.place();
                    StageTwo::locked(vm, None, |tables| {
                        tables.may_yield = true;
                        let end = slot.gpa.wrapping_add(slot.size);
                        let geometry = &geometry();
                        let outcome = mmu::write_protect_range(tables, geometry, slot.gpa, end);
                        tables.finish(outcome);
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
            let sequence = vm.kvm.invalidate_seq();
            StageTwo::locked(vm, None, |tables| {
                let gfn = gpa >> geometry.page_shift();
                if !tables.is_invalidated(Some(sequence), gfn) && tables.host_entry(hva).1 {
                    let flush = |_: &mut StageTwo<'_>| vm.kvm.flush_remote_tlbs();
                    if let Ok(outcome) = mmu::collapse(tables, geometry, gpa, flush) {
                        tables.finish(outcome);
                    }
                }
            });
            cond_resched();
        }
        gpa = geometry.base(gpa, 1).wrapping_add(step);
    }
}

/// kvm_arch_mmu_enable_log_dirty_pt_masked: the pages of `mask` are clean from
/// now on. The caller flushes.
pub(crate) fn log_dirty(vm: Locked<'_>, slot: Option<SlotPointer<'_>>, offset: u64, mask: usize) {
    let geometry = &geometry();
    let Some(slot) = slot else { return };
    let start = slot.place().gpa;
    let base = start.wrapping_add(offset << geometry.page_shift());
    vm.tables(|tables| {
        let outcome = mmu::write_protect_mask(tables, geometry, base, mask as u64);
        tables.count(outcome.stats);
    });
}

/// kvm_arch_flush_shadow_all: everything goes, at the VMM's end, when no vCPU enters
/// the guest any more.
pub(crate) fn flush_all(vm: &Vm) {
    StageTwo::locked(vm, None, |tables| {
        tables.may_yield = true;
        let outcome = mmu::unmap_all(tables, &geometry());
        tables.finish(outcome);
    });
}

/// kvm_arch_flush_shadow_memslot: a slot is about to go or to move; `slots_lock` is
/// held.
pub(crate) fn flush_slot(vm: &Vm, slot: Option<SlotPointer<'_>>) {
    let Some(slot) = slot.map(|slot| slot.place()) else {
        return;
    };
    StageTwo::locked(vm, None, |tables| {
        tables.may_yield = true;
        let outcome = mmu::unmap_range(
            tables,
            &geometry(),
            slot.gpa,
            slot.gpa.wrapping_add(slot.size),
            Reclaim::Tables,
        );
        tables.finish(outcome);
    });
}

/// First and end address of a range of the MMU notifier.
fn bounds(range: &b::kvm_gfn_range) -> (u64, u64) {
    (range.start << c::PAGE_SHIFT, range.end << c::PAGE_SHIFT)
}

/// kvm_unmap_gfn_range: the host takes pages back. True if the caller must
/// flush.
pub(crate) fn unmap_range(vm: Locked<'_>, range: &mut b::kvm_gfn_range) -> bool {
    let (start, end) = bounds(range);
    let may_block = range.may_block;
    vm.tables(|tables| {
        // Faults in the range retry until the notifier is done, so the lock
        // may be dropped.
        tables.may_yield = may_block;
        let outcome = mmu::unmap_range(tables, &geometry(), start, end, Reclaim::Keep);
        tables.count(outcome.stats);
        outcome.flush.is_needed()
    })
}

/// kvm_age_gfn: whether a page was used, and makes it old.
pub(crate) fn age(vm: Locked<'_>, range: &mut b::kvm_gfn_range) -> bool {
    let (start, end) = bounds(range);
    vm.tables(|tables| mmu::age_range(tables, &geometry(), start, end).changed)
}

/// The most pages of which [`test_age`] looks at the tables.
const TEST_AGE_LIMIT: usize = 1 << 16;

/// kvm_test_age_gfn: whether a page was used.
pub(crate) fn test_age(vm: Locked<'_>, range: &mut b::kvm_gfn_range) -> bool {
    let (start, end) = bounds(range);
    vm.tables(|tables| mmu::test_age_range(tables, &geometry(), start, end, TEST_AGE_LIMIT))
}
