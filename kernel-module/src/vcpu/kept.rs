// SPDX-License-Identifier: GPL-2.0

//! Guest CSRs that a CPU keeps while their vCPU's thread is in user space.
//!
//! At the end of KVM_RUN the guest CSRs, GINTC and GSTAT stay in the CPU as they are, the
//! guest's timer running, and the CPU notes whose they are ([`PerCpu::kept`]), the vCPU
//! which CPU it is (`Shared::kept_on`). The next KVM_RUN on that CPU has nothing to load.
//! They are taken into the vCPU's memory
//!
//! - when another vCPU is loaded on that CPU,
//! - before KVM_RUN on another CPU, before an ioctl reads or writes a register of the
//!   vCPU, and before it is destroyed: by a call on the CPU that keeps them, as VMX does
//!   it with a VMCS (Linux: arch/x86/kvm/vmx/vmx.c, loaded_vmcs_clear),
//! - before the extension is switched off on that CPU (offline, suspend, shutdown).
//!
//! A thread that is scheduled out of KVM_RUN has them taken at once: the scheduler must
//! not wait for another CPU when it brings the thread back.
//!
//! As long as a vCPU is kept, its `Resident` belongs to that CPU: it is touched there
//! alone, with interrupts off, so that a load, a call and a switching off come one after
//! the other. The thread that holds the vCPU's mutex reaches kept registers through `Parked`
//! and `Arriving`, which call [`fetch`] first. Only a KVM_RUN of that thread can have them
//! kept anew, so what `fetch` saw stays true for it. `fetch` acquires what the last store of
//! [`save`] releases, and so sees all of them. Memory of a kept vCPU is not freed, as
//! destroying fetches too; after the release nothing uses the CPU's note.

use core::cell::Cell;
use core::ptr;

use kernel::sync::atomic::Release;

use crate::cpu::host::{host, PerCpu};
use crate::kvm::atomic::Word;
use crate::kvm::bindings as b;
use crate::kvm::context::IrqOff;
use crate::vcpu::load;
use crate::vcpu::notified::Notified;
use crate::vcpu::shared::Shared;
use crate::vcpu::Vcpu;

/// A CPU's note of the vCPU whose registers it keeps, or null.
///
/// # Invariants
///
/// Only [`keep`] notes a vCPU, and [`take_back`] or [`save`] has taken the note back before
/// the vCPU is freed.
pub(crate) struct Note(Cell<*const Vcpu>);

/// `Shared::kept_on` while no CPU keeps the vCPU.
pub(crate) const NOWHERE: i32 = -1;

/// The CPU where the vCPU is loaded keeps its registers.
#[inline]
pub(crate) fn keep(vcpu: &mut Notified<'_>, irq_off: IrqOff<'_>) {
    vcpu.here.percpu(irq_off).kept.0.set(vcpu.vcpu);
    vcpu.shared.kept_on.write_once(vcpu.here.cpu());
}

/// The vCPU is loaded on `cpu`, which is this one: whether its registers are there still.
///
/// What says so is the vCPU's note. A CPU's own says the same: both are made and taken back
/// there, with interrupts off.
#[inline]
pub(crate) fn take_back(vcpu: &mut Notified<'_>, cpu: i32, irq_off: IrqOff<'_>) -> bool {
    let kept = vcpu.shared.kept_on.read_once() == cpu;
    if kept {
        vcpu.here.percpu(irq_off).kept.0.set(ptr::null());
        vcpu.shared.kept_on.write_once(NOWHERE);
    }
    kept
}

/// Takes what this CPU keeps, if anything, into its vCPU's memory.
#[inline]
pub(crate) fn save(percpu: &PerCpu, irq_off: IrqOff<'_>) {
    let kept = percpu.kept.0.get();
    if !kept.is_null() {
        percpu.kept.0.set(ptr::null());
        save_vcpu(kept, irq_off);
    }
}

#[cold]
#[inline(never)]
fn save_vcpu(kept: *const Vcpu, irq_off: IrqOff<'_>) {
    // SAFETY: A noted vCPU lives, and its `Resident` is this CPU's with interrupts off.
    let mut vcpu = unsafe { Notified::new(&*kept) };
    load::save(&mut vcpu, irq_off);
    let Notified { shared, .. } = vcpu;
    shared.kept_on.store(NOWHERE, Release);
}

/// Takes the registers of a vCPU whose mutex the caller holds, or that is being
/// destroyed, into its memory, if a CPU keeps them. Interrupts are on.
#[inline]
pub(super) fn fetch(vcpu: &Shared) {
    let cpu = vcpu.kept_on.read_acquire();
    if cpu != NOWHERE {
        fetch_from(vcpu, cpu);
    }
}

#[cold]
fn fetch_from(vcpu: &Shared, cpu: i32) {
    // SAFETY: `save_here` may run in an interrupt handler of any CPU.
    let failed = unsafe { b::kvm_la_on_cpu(cpu, Some(save_here)) };
    // A CPU that is offline saved what it kept when it was switched off.
    if failed == 0 || vcpu.kept_on.read_acquire() == NOWHERE {
        return;
    }
    kernel::pr_warn_once!(
        "kvm: CPU {} is gone, and a guest's registers with it\n",
        cpu
    );
    vcpu.kept_on.write_once(NOWHERE);
}

/// [`save`], as a call on a CPU.
///
/// # Safety
///
/// Interrupts are off.
unsafe extern "C" fn save_here(_: *mut kernel::ffi::c_void) {
    // SAFETY: By this function's contract.
    let irq_off = unsafe { IrqOff::assume() };
    save(host().this_cpu(irq_off.pinned()), irq_off);
}
