// SPDX-License-Identifier: GPL-2.0

//! What ends a vCPU's sleep, and how its thread spends the time before it.
//!
//! kvm_vcpu_halt (virt/kvm/kvm_main.c) does not sleep at once: for as long as its polling
//! window lasts, which it adapts to what has paid, it asks again and again whether there
//! is a reason to go on. It asks [`is_interrupted`], and there the CPU is stopped by
//! `idle` until an interrupt comes, instead of turning round: so a poll costs next to
//! nothing, and a vCPU that is woken in its window has not gone through the scheduler.
//!
//! The wait misses nothing that asks for the vCPU meanwhile:
//!
//! - Code on another CPU queues an interrupt or sets KVM_REQ_UNBLOCK, then kicks. [`wait`]
//!   makes the mode IN_GUEST_MODE, a full barrier, then looks at both. Either it sees
//!   them, or the kick sees the mode and interrupts this CPU, as it would a guest.
//! - A signal, and a task for this CPU that must run at once, set a flag of the thread,
//!   which is running, and then interrupt its CPU. The flags are looked at too.
//! - The guest's timer has an alarm on this CPU, and so has the end of the window.
//!
//! Interrupts are off from before the looking until after the wait, so an interrupt that
//! comes in between is pending when the wait begins, and ends it
//! (`cpu/switch.S`).
//!
//! An alarm that was not needed in the end is moved by the next one, or fires for nothing.

use kvm_core::timer;

use crate::cpu::csr::{self, num};
use crate::cpu::host::host;
use crate::exits::run::work_pending;
use crate::kvm::bindings as b;
use crate::kvm::context::{with_irqs_off, IrqOff};
use crate::vcpu::interrupt;
use crate::vcpu::shared::{request, Shared};
use crate::vcpu::Loaded;

/// A wait shorter than this costs more than turning round.
const SHORTEST_NS: u64 = 2000;

/// kvm_arch_vcpu_runnable: an interrupt was queued for the vCPU. Any thread asks.
pub(crate) fn is_asked_for(vcpu: &Shared) -> bool {
    vcpu.mp_state() == b::KVM_MP_STATE_RUNNABLE && vcpu.interrupts.peek().raised() != 0
}

/// kvm_cpu_has_pending_timer: the guest has an interrupt that it enabled. While
/// kvm_vcpu_halt polls the answer may take as long as its window.
pub(crate) fn is_interrupted(vcpu: Loaded<'_>) -> bool {
    let shared = vcpu.shared();
    if shared.mp_state() != b::KVM_MP_STATE_RUNNABLE {
        return false;
    }
    if is_pending(vcpu) {
        return true;
    }
    !shared.generic.is_blocking() && wait(vcpu)
}

#[inline]
fn is_pending(vcpu: Loaded<'_>) -> bool {
    with_irqs_off(|irq_off| interrupt::is_pending(vcpu, irq_off.pinned()))
}

/// Waits for an interrupt of the host: whether it brought the guest one.
#[inline(never)]
fn wait(loaded: Loaded<'_>) -> bool {
    let vcpu = loaded.shared();
    with_irqs_off(|irq_off| {
        vcpu.generic.set_mode(b::IN_GUEST_MODE);
        let window = u64::from(vcpu.generic.halt_poll_ns());
        // The timer before ESTAT: an expiry between the two is seen there.
        let longest = until_timer(loaded, irq_off).map_or(window, |timer| timer.min(window));
        if longest >= SHORTEST_NS && nothing_waits(loaded, irq_off) {
            vcpu.alarm.set(longest);
            host().switch.wait(irq_off);
        }
        vcpu.generic.set_mode(b::OUTSIDE_GUEST_MODE);
    });
    is_pending(loaded)
}

/// The vCPU has no reason to go on, and the CPU has no other task.
fn nothing_waits(loaded: Loaded<'_>, irq_off: IrqOff<'_>) -> bool {
    let vcpu = loaded.shared();
    vcpu.interrupts.peek().raised() == 0
        && !interrupt::is_pending(loaded, irq_off.pinned())
        && !vcpu.generic.is_requested(request::UNBLOCK)
        && !work_pending()
        // SAFETY: For any context.
        && unsafe { b::kvm_la_single_task_running() }
}

/// Nanoseconds until the guest's timer interrupts it.
fn until_timer(_: Loaded<'_>, _: IrqOff<'_>) -> Option<u64> {
    let ecfg = csr::guest_read::<{ num::ECFG }>();
    let tcfg = csr::guest_read::<{ num::TCFG }>();
    let ticks = timer::remaining(tcfg, csr::guest_read::<{ num::TVAL }>(), ecfg)?;
    Some(host().frequency.ticks_to_ns(ticks))
}
