// SPDX-License-Identifier: GPL-2.0-or-later

//! A VM's file descriptor.

use std::ffi::{c_ulong, c_void};

use super::abi::{CREATE_DEVICE_TEST, CreateDevice, request};
use super::attribute;
use super::error::{IoctlError, result_of};
use crate::qemu::accelerator::Accelerator;
use crate::qemu::services::services;

/// The VM's file descriptor, in QEMU's accelerator.
#[derive(Clone, Copy, Debug)]
pub struct VmFd(Accelerator);

impl VmFd {
    /// The VM of the accelerator.
    pub fn new(accelerator: Accelerator) -> VmFd {
        VmFd(accelerator)
    }

    fn call(
        self,
        name: &'static str,
        number: c_ulong,
        argument: *mut c_void,
    ) -> Result<i32, IoctlError> {
        // SAFETY: The accelerator's; the callers pass what the request takes.
        let result = unsafe { (services().kvm_vm_ioctl)(self.0.as_ptr(), number, argument) };
        result_of(name, None, result)
    }

    /// Whether the VM has an attribute: [`attribute::has`].
    pub fn has_attr(self, group: u32, attr: u64) -> Result<(), IoctlError> {
        attribute::has(
            |name, number, argument| self.call(name, number, argument),
            group,
            attr,
        )
    }

    /// KVM_CREATE_DEVICE with the test flag (in): whether the device could be
    /// made; makes none. ENODEV for an unknown type, EOPNOTSUPP or ENOTTY of
    /// kernels without the call.
    pub fn can_create_device(self, type_: u32) -> Result<(), IoctlError> {
        let mut device = CreateDevice {
            type_,
            fd: 0,
            flags: CREATE_DEVICE_TEST,
        };
        self.call(
            "KVM_CREATE_DEVICE",
            request::KVM_CREATE_DEVICE,
            (&raw mut device).cast(),
        )
        .map(drop)
    }
}
