// SPDX-License-Identifier: GPL-2.0

//! The hrtimer that wakes a sleeping vCPU.
//!
//! The kernel crate's `HrTimer` is started through a handle whose end stops it; this
//! one is started when the vCPU's thread is scheduled out, and stopped when it comes
//! back, in two calls of the scheduler.

use kernel::prelude::*;
use kernel::types::Opaque;

use crate::kvm::bindings as b;
use crate::kvm::calls::calls;
use crate::kvm::generic_vcpu::KvmVcpu;

const MODE: b::hrtimer_mode = b::HRTIMER_MODE_ABS_PINNED_HARD;

// Reads a clock.
calls! {
    fn now() -> u64 = ktime_get;
}

/// Wakes a vCPU at a time.
#[pin_data(PinnedDrop)]
#[repr(C)]
pub(crate) struct Alarm {
    #[pin]
    timer: Opaque<b::hrtimer>,
    vcpu: KvmVcpu,
}

// SAFETY: An hrtimer has a lock of its own.
unsafe impl Sync for Alarm {}

impl Alarm {
    /// One that is not set.
    pub(crate) fn new(vcpu: KvmVcpu) -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: Sets up a timer at its final address, in an `Alarm`.
            timer <- Opaque::ffi_init(|timer| unsafe {
                b::hrtimer_setup(timer, Some(expired), b::CLOCK_MONOTONIC as i32, MODE);
            }),
            vcpu,
        })
    }

    fn as_ptr(&self) -> *mut b::hrtimer {
        self.timer.get()
    }

    // `new` has set the timer up; it has a lock of its own.
    calls! {
        fn start(&self, at: i64, slack: u64, mode: b::hrtimer_mode) = hrtimer_start_range_ns;

        fn stop(&self) -> i32 = hrtimer_cancel;
    }

    /// Sets it `delay` nanoseconds from now.
    pub(crate) fn set(&self, delay: u64) {
        let at = now().saturating_add(delay);
        self.start(i64::try_from(at).unwrap_or(i64::MAX), 0, MODE);
    }

    /// Stops it, after `expired` if that runs.
    pub(crate) fn cancel(&self) {
        self.stop();
    }
}

#[pinned_drop]
impl PinnedDrop for Alarm {
    fn drop(self: Pin<&mut Self>) {
        self.cancel();
    }
}

/// The deadline of a sleeping vCPU: loading it will find its timer expired.
///
/// # Safety
///
/// The kernel calls it with the timer of an [`Alarm`], in hard interrupt context.
unsafe extern "C" fn expired(timer: *mut b::hrtimer) -> b::hrtimer_restart {
    // SAFETY: By this function's contract; the timer is the first field, and
    // `drop` waits.
    unsafe { &*timer.cast::<Alarm>() }.vcpu.wake();
    b::HRTIMER_NORESTART
}
