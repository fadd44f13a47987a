// SPDX-License-Identifier: GPL-2.0

//! The guest's timer when the vCPU comes to a CPU, leaves it, or sleeps.
//!
//! While loaded, the hardware counts; off the CPU it is a deadline
//! (`kvm_core::timer`) in ticks of the constant timer, which host and guest
//! share, and for a vCPU that sleeps an hrtimer.

use kvm_core::timer::{Frequency, TI};

use crate::bindings as b;
use crate::context::IrqOff;
use crate::cpu::host;
use crate::csr::{self, num};
use crate::vcpu::{flag, Vcpu};

const MODE: b::hrtimer_mode = b::HRTIMER_MODE_ABS_PINNED_HARD;

/// Sets up the hrtimer of a new vCPU, which is at its final address.
pub(crate) fn init(vcpu: &Vcpu) {
    // SAFETY: The memory is the vCPU's own and lives until `destroy`.
    unsafe {
        b::hrtimer_setup(
            vcpu.hrtimer.get(),
            Some(expired),
            b::CLOCK_MONOTONIC as i32,
            MODE,
        )
    };
}

/// Stops it for good.
pub(crate) fn destroy(vcpu: &Vcpu) {
    // SAFETY: Was set up; waits for a callback that runs.
    unsafe { b::hrtimer_cancel(vcpu.hrtimer.get()) };
}

/// The deadline of a sleeping vCPU: loading it will find the timer expired.
///
/// # Safety
///
/// The kernel calls it with the timer of a vCPU, in hard interrupt context.
unsafe extern "C" fn expired(timer: *mut b::hrtimer) -> b::hrtimer_restart {
    // SAFETY: By this function's contract `timer` is in a `Vcpu`, which is
    // alive: `destroy` waits.
    unsafe {
        let vcpu = timer
            .byte_sub(core::mem::offset_of!(Vcpu, hrtimer))
            .cast::<Vcpu>();
        b::kvm_la_wake((*vcpu).kvm_vcpu);
    }
    b::HRTIMER_NORESTART
}

/// Brings the timer and ESTAT back into the guest's registers.
pub(crate) fn load(vcpu: &Vcpu, _: IrqOff<'_>) {
    let file = vcpu.csr();
    if vcpu.flag(flag::ALARM) {
        // SAFETY: As for `destroy`; the thread does not hold the timer's lock.
        unsafe { b::hrtimer_cancel(vcpu.hrtimer.get()) };
        vcpu.clear_flag(flag::ALARM);
    }
    let restore = vcpu
        .timer
        .get()
        .restore(Frequency::TICKS, csr::counter(), file.get(num::ESTAT));
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
pub(crate) fn save(vcpu: &Vcpu, _: IrqOff<'_>) {
    let file = vcpu.csr();
    let tcfg = csr::guest_read::<{ num::TCFG }>();
    // TVAL before ESTAT: an expiry between the two is seen at least once.
    let tval = csr::guest_read::<{ num::TVAL }>();
    let now = csr::counter();
    let mut timer = vcpu.timer.get();
    timer.save(Frequency::TICKS, now, tcfg, tval);
    vcpu.timer.set(timer);
    file.set(num::TCFG, tcfg);
    file.set(num::TVAL, tval);
    let estat = csr::guest_read::<{ num::ESTAT }>();
    file.set(num::ESTAT, estat);
    // SAFETY: Reads a field of a live vCPU.
    if !unsafe { b::kvm_la_vcpu_is_blocking(vcpu.kvm_vcpu) } {
        return;
    }
    let ecfg = csr::guest_read::<{ num::ECFG }>();
    // An expiry since the vCPU was last found idle must wake it at once.
    let alarm = if estat & ecfg & TI != 0 {
        Some(now)
    } else {
        timer.deadline(ecfg)
    };
    if let Some(at) = alarm {
        let delay = host().frequency.ticks_to_ns(at.saturating_sub(now));
        // SAFETY: Set up in `init`.
        unsafe {
            let at = (b::ktime_get() as u64).saturating_add(delay);
            b::hrtimer_start_range_ns(
                vcpu.hrtimer.get(),
                i64::try_from(at).unwrap_or(i64::MAX),
                0,
                MODE,
            );
        }
        vcpu.set_flag(flag::ALARM);
    }
}
