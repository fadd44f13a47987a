// SPDX-License-Identifier: GPL-2.0

//! Interrupts and exceptions given to a guest.
//!
//! Anybody may ask for a change of an interrupt line ([`queue`]); the vCPU's
//! own thread puts the changes into the guest's registers before it enters,
//! with interrupts off ([`deliver`]).

use core::sync::atomic::Ordering;

use kvm_core::csr::{ESTAT_DIRECT, ESTAT_LINES, GINTC_LINES, LINE_SHIFT};
use kvm_core::exit::{inject, ExceptionState, Fault};
use la_arch::exception::interrupt as line;

use crate::csr::{self, num};
use crate::vcpu::Vcpu;

/// Lines that a guest can have.
pub(crate) const LINES: u64 = ESTAT_DIRECT | ESTAT_LINES;

/// Asks for line `line` (a bit of ESTAT.IS) to be raised or lowered.
pub(crate) fn queue(vcpu: &Vcpu, line: u32, level: bool) {
    let bit = 1u64.checked_shl(line).unwrap_or(0) & LINES;
    let (set, clear) = if level {
        (&vcpu.irq_pending, &vcpu.irq_clear)
    } else {
        (&vcpu.irq_clear, &vcpu.irq_pending)
    };
    // The later request wins: first take back the opposite one.
    clear.fetch_and(!bit, Ordering::Relaxed);
    set.fetch_or(bit, Ordering::Release);
}

/// Changes latched bits of the guest's ESTAT. The exchange is no atomic step
/// for the guest's timer (docs/lvz.md N-8): if the timer wrapped meanwhile, its
/// bit is set again.
fn change_estat(bits: u64, value: u64) {
    let before = csr::guest_read::<{ num::TVAL }>();
    csr::guest_exchange::<{ num::ESTAT }>(value, bits);
    if csr::guest_read::<{ num::TVAL }>() > before {
        let timer = 1 << line::TI;
        csr::guest_exchange::<{ num::ESTAT }>(timer, timer);
    }
}

/// Puts what was asked for into the guest's registers.
#[inline]
pub(crate) fn deliver(vcpu: &Vcpu) {
    if vcpu.irq_clear.load(Ordering::Relaxed) != 0 {
        let lines = vcpu.irq_clear.swap(0, Ordering::Acquire);
        if lines & ESTAT_DIRECT != 0 {
            change_estat(lines & ESTAT_DIRECT, 0);
        }
        let external = lines >> LINE_SHIFT & GINTC_LINES;
        if external != 0 {
            csr::exchange::<{ num::GINTC }>(0, external);
        }
    }
    if vcpu.irq_pending.load(Ordering::Relaxed) != 0 {
        let lines = vcpu.irq_pending.swap(0, Ordering::Acquire);
        if lines & ESTAT_DIRECT != 0 {
            let direct = lines & ESTAT_DIRECT;
            change_estat(direct, direct);
        }
        let external = lines >> LINE_SHIFT & GINTC_LINES;
        if external != 0 {
            csr::exchange::<{ num::GINTC }>(external, external);
        }
    }
}

/// Whether an interrupt that the guest has enabled is pending, be it in its
/// registers or on the way there. The vCPU is loaded and preemption is off.
pub(crate) fn is_pending(vcpu: &Vcpu) -> bool {
    if vcpu.irq_pending.load(Ordering::Acquire) != 0 {
        return true;
    }
    let lines = (csr::read::<{ num::GINTC }>() & GINTC_LINES) << LINE_SHIFT;
    let pending = csr::guest_read::<{ num::ESTAT }>() & ESTAT_DIRECT | lines;
    pending & csr::guest_read::<{ num::ECFG }>() != 0
}

/// Asks for an exception at the next entry; a second one is dropped, as the
/// first will make the guest run its instruction again.
pub(crate) fn queue_exception(vcpu: &Vcpu, fault: Fault) {
    let mut queue = vcpu.exception.get();
    queue.push(fault);
    vcpu.exception.set(queue);
}

/// Gives the guest the exception that waits, if any.
#[inline]
pub(crate) fn deliver_exception(vcpu: &Vcpu) {
    let mut queue = vcpu.exception.get();
    if !queue.is_pending() {
        return;
    }
    if let Some(fault) = queue.take() {
        let before = ExceptionState {
            crmd: csr::guest_read::<{ num::CRMD }>(),
            prmd: 0,
            ecfg: csr::guest_read::<{ num::ECFG }>(),
            estat: csr::guest_read::<{ num::ESTAT }>(),
            era: 0,
            badv: csr::guest_read::<{ num::BADV }>(),
            badi: 0,
            eentry: csr::guest_read::<{ num::EENTRY }>(),
            pc: vcpu.switch.pc.get(),
        };
        let after = inject(before, &fault);
        csr::guest_write::<{ num::CRMD }>(after.crmd);
        csr::guest_write::<{ num::PRMD }>(after.prmd);
        // The code alone: interrupts may have come since it was read.
        let code = la_arch::csr::Estat(0).with_ecode(0x3f).with_esubcode(0x1ff).0;
        csr::guest_exchange::<{ num::ESTAT }>(after.estat, code);
        csr::guest_write::<{ num::ERA }>(after.era);
        csr::guest_write::<{ num::BADV }>(after.badv);
        csr::guest_write::<{ num::BADI }>(after.badi);
        vcpu.switch.pc.set(after.pc);
    }
    vcpu.exception.set(queue);
}
