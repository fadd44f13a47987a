// SPDX-License-Identifier: GPL-2.0-or-later

//! `/dev/kvm`.

use crate::qemu::accelerator::Accelerator;
use crate::qemu::services::services;

/// `/dev/kvm`, open in QEMU's accelerator.
#[derive(Clone, Copy, Debug)]
pub struct System(Accelerator);

impl System {
    /// That of the accelerator.
    pub fn new(accelerator: Accelerator) -> System {
        System(accelerator)
    }

    /// KVM_CHECK_EXTENSION (`/dev/kvm`, argument by value): the capability's
    /// value, 0 for what the kernel does not know. An error reads 0.
    pub fn check_extension(self, capability: u32) -> i32 {
        // SAFETY: QEMU's accelerator.
        unsafe { (services().kvm_check_extension)(self.0.as_ptr(), capability) }
    }
}
