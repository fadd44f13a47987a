// SPDX-License-Identifier: GPL-2.0

//! Interrupts and exceptions given to a guest.
//!
//! Any thread may ask for a change of an interrupt line ([`Shared::raise`]); the
//! vCPU's own thread puts the changes into the guest's registers before it enters,
//! with interrupts off ([`deliver`]).

use kvm_core::exit::{inject, ExceptionState};
use kvm_core::interrupt::{timer_raced, wakes, Taken};
use la_arch::Interrupt;

use crate::cpu::csr::{self, num};
use crate::kvm::context::{IrqOff, Pinned};
use crate::vcpu::shared::Shared;
use crate::vcpu::{Loaded, Running};

/// Puts what was asked for into the guest's registers.
#[inline]
pub(crate) fn deliver(vcpu: Loaded<'_>, _: IrqOff<'_>) {
    let taken = vcpu.shared().interrupts.take();
    if !taken.is_empty() {
        write(vcpu.shared(), taken);
    }
}

#[inline(never)]
fn write(vcpu: &Shared, taken: Taken) {
    let delivery = taken.delivery();
    if delivery.raises_avec() {
        let [m0, m1, m2, m3] = vcpu.messages.take();
        csr::guest_exchange::<{ num::MSGIS0 }>(m0, m0);
        csr::guest_exchange::<{ num::MSGIS0 + 1 }>(m1, m1);
        csr::guest_exchange::<{ num::MSGIS0 + 2 }>(m2, m2);
        csr::guest_exchange::<{ num::MSGIS0 + 3 }>(m3, m3);
    }
    if delivery.estat_mask != 0 {
        // No atomic step for the guest's timer: if that expired meanwhile, its
        // bit may have been overwritten.
        let before = csr::guest_read::<{ num::TVAL }>();
        csr::guest_exchange::<{ num::ESTAT }>(delivery.estat_value, delivery.estat_mask);
        if timer_raced(before, csr::guest_read::<{ num::TVAL }>()) {
            let timer = Interrupt::TI.mask();
            csr::guest_exchange::<{ num::ESTAT }>(timer, timer);
        }
    }
    if delivery.gintc_mask != 0 {
        csr::exchange::<{ num::GINTC }>(delivery.gintc_value, delivery.gintc_mask);
    }
}

/// Whether an interrupt that the guest has enabled is pending, be it in its
/// registers or on the way there.
pub(crate) fn is_pending(vcpu: Loaded<'_>, _: Pinned<'_>) -> bool {
    let vcpu = vcpu.shared();
    let overflow = match vcpu.counter_overflown() {
        true => Interrupt::PMI.mask(),
        false => 0,
    };
    wakes(
        csr::guest_read::<{ num::ESTAT }>() | overflow,
        csr::read::<{ num::GINTC }>(),
        vcpu.interrupts.peek(),
        csr::guest_read::<{ num::ECFG }>(),
    )
}

/// Gives the guest the exception that waits, if any.
#[inline]
pub(crate) fn deliver_exception(vcpu: Running<'_>, irq_off: IrqOff<'_>) {
    if vcpu.exception.is_pending() {
        write_exception(vcpu, irq_off);
    }
}

#[inline(never)]
fn write_exception(mut vcpu: Running<'_>, _: IrqOff<'_>) {
    if let Some(fault) = vcpu.exception.take() {
        let before = ExceptionState {
            crmd: csr::guest_read::<{ num::CRMD }>(),
            prmd: 0,
            ecfg: csr::guest_read::<{ num::ECFG }>(),
            estat: csr::guest_read::<{ num::ESTAT }>(),
            era: 0,
            badv: csr::guest_read::<{ num::BADV }>(),
            badi: 0,
            eentry: csr::guest_read::<{ num::EENTRY }>(),
            pc: vcpu.shared().pc(),
        };
        let after = inject(before, &fault);
        csr::guest_write::<{ num::CRMD }>(after.crmd);
        csr::guest_write::<{ num::PRMD }>(after.prmd);
        // The code alone: interrupts may have come since it was read.
        let code = la_arch::csr::Estat(0)
            .with_ecode(0x3f)
            .with_esubcode(0x1ff)
            .0;
        csr::guest_exchange::<{ num::ESTAT }>(after.estat, code);
        csr::guest_write::<{ num::ERA }>(after.era);
        csr::guest_write::<{ num::BADV }>(after.badv);
        csr::guest_write::<{ num::BADI }>(after.badi);
        vcpu.set_pc(after.pc);
    }
}
