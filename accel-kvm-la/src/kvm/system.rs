// SPDX-License-Identifier: GPL-2.0-or-later

//! `/dev/kvm`.

use crate::qemu::opaque::KVMState;
use crate::qemu::services::services;

/// `/dev/kvm`, open in QEMU's accelerator.
#[derive(Clone, Copy, Debug)]
pub struct System(*mut KVMState);

impl System {
    /// The accelerator `state`.
    ///
    /// # Safety
    ///
    /// `state` is QEMU's accelerator, whose file descriptors are open.
    pub unsafe fn new(state: *mut KVMState) -> System {
        System(state)
    }

    /// KVM_CHECK_EXTENSION (`/dev/kvm`, argument by value): the capability's
    /// value, 0 for what the kernel does not know. An error reads 0.
    pub fn check_extension(self, capability: u32) -> i32 {
        // SAFETY: By `new`'s contract.
        unsafe { (services().kvm_check_extension)(self.0, capability) }
    }
}
