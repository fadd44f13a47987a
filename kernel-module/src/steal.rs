// SPDX-License-Identifier: GPL-2.0

//! Steal time: the record in guest memory that says how long the vCPU was
//! ready but did not run, and whether it was preempted.

use core::cell::UnsafeCell;

use kvm_core::steal_time::{StealTime, PREEMPTED, RECORD_SIZE, STEAL, VCPU_PREEMPTED, VERSION};
use la_arch::kvm::para;

use crate::bindings as b;
use crate::context::PreemptGuard;
use crate::slots::Srcu;
use crate::vcpu::{request, Vcpu};

/// The thread's waiting time so far, in nanoseconds.
fn run_delay() -> u64 {
    // SAFETY: Reads the current task.
    unsafe { b::kvm_la_run_delay() }
}

/// Starts the record at `address`, or stops.
pub(crate) fn set(vcpu: &Vcpu, address: Option<u64>) {
    change(vcpu, |steal| match address {
        Some(address) => steal.enable(address, run_delay()),
        None => steal.disable(),
    });
    if address.is_some() {
        vcpu.make_request(request::STEAL_UPDATE);
    }
}

/// Changes the state on the vCPU's thread. Preemption is off meanwhile: the
/// scheduler's notifier changes it too ([`preempted`]), and neither change may be
/// lost.
fn change(vcpu: &Vcpu, f: impl FnOnce(&mut StealTime)) {
    let _guard = PreemptGuard::new();
    let mut steal = vcpu.steal.get();
    f(&mut steal);
    vcpu.steal.set(steal);
}

/// Runs `f` with the address of the record in the VMM's memory, under srcu; the
/// page is dirty afterwards.
fn with_record(vcpu: &Vcpu, cache: &UnsafeCell<b::gfn_to_hva_cache>, f: impl FnOnce(usize)) {
    let Some(gpa) = vcpu.steal.get().address() else {
        return;
    };
    let kvm = vcpu.vm().kvm;
    let cache = cache.get();
    let _srcu = Srcu::lock(vcpu);
    // SAFETY: The VM is alive; the cache is the vCPU's own, and its slot is
    // valid under srcu while the generation agrees.
    unsafe {
        let generation = b::kvm_la_memslots_generation(kvm);
        let current = (*cache).generation == generation && (*cache).gpa == gpa;
        if current || b::kvm_gfn_to_hva_cache_init(kvm, cache, gpa, RECORD_SIZE as _) == 0 {
            if !(*cache).memslot.is_null() {
                f((*cache).hva);
                b::mark_page_dirty_in_slot(kvm, (*cache).memslot, gpa >> b::constant::PAGE_SHIFT);
            }
        } else {
            (*cache).gpa = u64::MAX;
        }
    }
}

/// Writes the record, before the guest is entered; may sleep.
pub(crate) fn update(vcpu: &Vcpu) {
    with_record(vcpu, &vcpu.steal_cache, |record| {
        let (mut version, mut total) = (0, 0);
        // SAFETY: Addresses in a memory slot of the VMM; a page that cannot be
        // had makes the access fail.
        unsafe {
            if vcpu.vm().pv().has(para::FEATURE_PREEMPT) {
                if b::kvm_la_put_user_u8(0, record.wrapping_add(PREEMPTED)) != 0 {
                    return;
                }
                change(vcpu, |steal| steal.preempted_written(false));
            }
            if b::kvm_la_get_user_u32(&raw mut version, record.wrapping_add(VERSION)) != 0
                || b::kvm_la_get_user_u64(&raw mut total, record.wrapping_add(STEAL)) != 0
            {
                return;
            }
            let update = vcpu.steal.get().update(version, total, run_delay());
            if b::kvm_la_put_user_u32(update.version_begin, record.wrapping_add(VERSION)) != 0 {
                return;
            }
            b::kvm_la_smp_wmb();
            if b::kvm_la_put_user_u64(update.steal, record.wrapping_add(STEAL)) != 0 {
                return;
            }
            b::kvm_la_smp_wmb();
            if b::kvm_la_put_user_u32(update.version_end, record.wrapping_add(VERSION)) == 0 {
                change(vcpu, |steal| steal.commit(&update));
            }
        }
    });
}

/// The vCPU is scheduled out while it could run: tells the guest. Preemption is
/// off, so a page that is not there is let be.
pub(crate) fn preempted(vcpu: &Vcpu) {
    let steal = vcpu.steal.get();
    if !steal.needs_preempted() || !vcpu.vm().pv().has(para::FEATURE_PREEMPT) {
        return;
    }
    // SAFETY: Compares the current task's memory with the VM's; they differ
    // when the process is going.
    if !unsafe { b::kvm_la_current_mm_is(vcpu.vm().kvm) } {
        return;
    }
    // A cache of its own: the notifier may have interrupted `update`.
    with_record(vcpu, &vcpu.preempted_cache, |record| {
        // SAFETY: As in `update`.
        let failed =
            unsafe { b::kvm_la_put_user_u8_atomic(VCPU_PREEMPTED, record.wrapping_add(PREEMPTED)) };
        if failed == 0 {
            let mut steal = vcpu.steal.get();
            steal.preempted_written(true);
            vcpu.steal.set(steal);
        }
    });
}
