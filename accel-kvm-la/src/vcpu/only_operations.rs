// SPDX-License-Identifier: GPL-2.0-or-later

//! Where code may not be changed, only the accelerator's operations are this backend's
//! (docs/backend-linking.md).

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::qemu::report;

/// Why, for the user.
static REASON: OnceLock<String> = OnceLock::new();
static TOLD: AtomicBool = AtomicBool::new(false);

/// Says that it is so.
#[cfg(feature = "load-time")]
pub fn because(reason: String) {
    // The first reason is as good as another.
    let _ = REASON.set(reason);
}

/// Whether it is so.
pub fn is_so() -> bool {
    REASON.get().is_some()
}

/// Tells the user once if it is so.
pub fn tell() {
    if let Some(reason) = REASON.get()
        && !TOLD.swap(true, Ordering::Relaxed)
    {
        report::warning(&format!(
            "accel-kvm-la: {reason}: vCPU threads, run loop and registers are this backend's, \
             the start and reset of a vCPU and its interrupt lines QEMU's own, with more calls"
        ));
    }
}
