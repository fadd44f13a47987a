// SPDX-License-Identifier: GPL-2.0

//! Steal time: the record in guest memory that says how long the vCPU was
//! ready but did not run, and whether it was preempted.

use kvm_core::steal_time::{StealTime, PREEMPTED, RECORD_SIZE, STEAL, VCPU_PREEMPTED, VERSION};
use la_arch::kvm::para;

use crate::kvm::atomic::write_barrier;
use crate::kvm::context::PreemptGuard;
use crate::kvm::slots::{HvaCache, Srcu};
use crate::kvm::user::{run_delay, Record};
use crate::vcpu::notified::Notified;
use crate::vcpu::shared::{request, Shared};
use crate::vcpu::Running;

/// What the vCPU's thread and the scheduler's notifier both change.
pub(crate) struct Steal {
    pub(crate) time: StealTime,
    /// Where the record is in the VMM's memory, for the notifier: it may have
    /// interrupted [`update`], which has another.
    preempted_cache: HvaCache,
}

impl Steal {
    /// Off.
    pub(crate) fn new() -> Self {
        Self {
            time: StealTime::new(),
            preempted_cache: HvaCache::default(),
        }
    }
}

/// Starts the record at `address`, or stops.
pub(crate) fn set(steal: &mut Steal, vcpu: &Shared, address: Option<u64>) {
    let Some(address) = address else {
        return steal.time.disable();
    };
    steal.time.enable(address, run_delay());
    vcpu.generic.make_request(request::STEAL_UPDATE);
}

/// Changes the state on the vCPU's thread, and tells what it is then.
fn change(mut vcpu: Running<'_>, f: impl FnOnce(&mut StealTime)) -> StealTime {
    let guard = PreemptGuard::new();
    let steal = &mut vcpu.resident(guard.pinned()).steal;
    f(&mut steal.time);
    steal.time
}

/// Writes the record, before the guest is entered; may sleep.
pub(crate) fn update(mut vcpu: Running<'_>) {
    let Some(gpa) = change(vcpu.lend(), |_| ()).address() else {
        return;
    };
    let vm = vcpu.vm();
    let mut cache = core::mem::take(&mut vcpu.steal_cache);
    Srcu::lock(&vm.kvm).with_memory(&mut cache, gpa, RECORD_SIZE, |record| {
        let preempted = vm.pv().has(para::FEATURE_PREEMPT);
        // A page that cannot be had makes the access fail.
        let _ = write(vcpu.lend(), record, preempted);
    });
    vcpu.steal_cache = cache;
}

/// The stores of [`update`], as far as they succeed.
fn write(mut vcpu: Running<'_>, record: Record, preempted: bool) -> kernel::error::Result {
    if preempted {
        record.put_u8(PREEMPTED, 0)?;
        change(vcpu.lend(), |steal| steal.preempted_written(false));
    }
    let (version, total) = (record.get_u32(VERSION)?, record.get_u64(STEAL)?);
    let update = change(vcpu.lend(), |_| ()).update(version, total, run_delay());
    record.put_u32(VERSION, update.version_begin)?;
    write_barrier();
    record.put_u64(STEAL, update.steal)?;
    write_barrier();
    record.put_u32(VERSION, update.version_end)?;
    change(vcpu, |steal| steal.commit(&update));
    Ok(())
}

/// Tells the guest that the vCPU is scheduled out while it could run. Preemption is off, so
/// nothing is written if the record's page is not in memory.
pub(crate) fn preempted(vcpu: &mut Notified<'_>) {
    let vm = vcpu.shared.vm();
    let steal = &mut vcpu.resident.steal;
    if !steal.time.needs_preempted() || !vm.pv().has(para::FEATURE_PREEMPT) {
        return;
    }
    // They differ when the process is going.
    let (Some(gpa), true) = (steal.time.address(), vm.kvm.is_current()) else {
        return;
    };
    let srcu = Srcu::lock(&vm.kvm);
    srcu.with_memory(&mut steal.preempted_cache, gpa, RECORD_SIZE, |record| {
        if record.put_u8_now(PREEMPTED, VCPU_PREEMPTED).is_ok() {
            steal.time.preempted_written(true);
        }
    });
}
