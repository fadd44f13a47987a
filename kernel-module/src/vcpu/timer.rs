// SPDX-License-Identifier: GPL-2.0

//! The guest's timer when the vCPU comes to a CPU, leaves it, or sleeps.
//!
//! While loaded, the hardware counts; off the CPU it is a deadline
//! (`kvm_core::timer`) in ticks of the constant timer, which host and guest
//! share, and for a vCPU that sleeps an alarm.

use kvm_core::timer::{Frequency, Timer, TI};

use crate::cpu::csr::{self, num};
use crate::cpu::host::host;
use crate::kvm::context::IrqOff;
use crate::vcpu::notified::Notified;
use crate::vcpu::resident::Registers;

/// The guest's timer while the vCPU is off a CPU.
pub(crate) struct GuestTimer {
    pub(crate) model: Timer,
    /// The vCPU's alarm was set.
    alarm: bool,
}

impl GuestTimer {
    /// One that is off.
    pub(crate) fn new() -> Self {
        Self {
            model: Timer::new(),
            alarm: false,
        }
    }
}

/// Brings the timer and ESTAT back into the guest's registers.
pub(crate) fn load(vcpu: &mut Notified<'_>, _: IrqOff<'_>) {
    if vcpu.timer.alarm {
        vcpu.shared.alarm.cancel();
        vcpu.timer.alarm = false;
    }
    let Registers { csrs, timer, .. } = &mut vcpu.resident.registers;
    let (file, timer) = (&mut csrs.file, &timer.model);
    let restore = timer.restore(Frequency::TICKS, csr::counter(), file.get(num::ESTAT));
    file.set(num::ESTAT, restore.estat);
    // Stopped first: no expiry of what was there may get into ESTAT (T-12).
    csr::guest_write::<{ num::TCFG }>(0);
    csr::guest_write::<{ num::ESTAT }>(restore.estat);
    csr::guest_write::<{ num::TCFG }>(restore.tcfg);
    csr::guest_write::<{ num::TVAL }>(restore.tval);
    if restore.clear_ti {
        csr::guest_write::<{ num::TICLR }>(1);
    }
}

/// Takes the timer and ESTAT out of the guest's registers and, if the vCPU is
/// about to sleep, sets the alarm.
pub(crate) fn save(vcpu: &mut Notified<'_>, _: IrqOff<'_>) {
    let Registers { csrs, timer, .. } = &mut vcpu.resident.registers;
    let file = &mut csrs.file;
    let tcfg = csr::guest_read::<{ num::TCFG }>();
    // TVAL before ESTAT: an expiry between the two is seen at least once.
    let tval = csr::guest_read::<{ num::TVAL }>();
    let now = csr::counter();
    timer.model.save(Frequency::TICKS, now, tcfg, tval);
    file.set(num::TCFG, tcfg);
    file.set(num::TVAL, tval);
    let estat = csr::guest_read::<{ num::ESTAT }>();
    file.set(num::ESTAT, estat);
    if !vcpu.shared.generic.is_blocking() {
        return;
    }
    let ecfg = csr::guest_read::<{ num::ECFG }>();
    // An expiry since the vCPU was last found idle must wake it at once.
    let at = if estat & ecfg & TI != 0 {
        Some(now)
    } else {
        timer.model.deadline(ecfg)
    };
    if let Some(at) = at {
        let delay = host().frequency.ticks_to_ns(at.saturating_sub(now));
        vcpu.shared.alarm.set(delay);
        timer.alarm = true;
    }
}
