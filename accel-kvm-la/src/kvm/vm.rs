// SPDX-License-Identifier: GPL-2.0-or-later

//! A VM's file descriptor.

use std::ffi::{c_ulong, c_void};

use super::abi::{CREATE_DEVICE_TEST, CreateDevice, DeviceAttr, request};
use super::error::{IoctlError, check};
use crate::qemu::opaque::KVMState;
use crate::qemu::services::services;

/// The VM's file descriptor, in QEMU's accelerator.
#[derive(Clone, Copy, Debug)]
pub struct VmFd(*mut KVMState);

// SAFETY: The accelerator lives as long as the process; the kernel locks.
unsafe impl Send for VmFd {}
// SAFETY: As above.
unsafe impl Sync for VmFd {}

impl VmFd {
    /// The VM of the accelerator `state`.
    ///
    /// # Safety
    ///
    /// `state` is QEMU's accelerator, whose file descriptors are open.
    pub unsafe fn new(state: *mut KVMState) -> VmFd {
        VmFd(state)
    }

    fn call(
        self,
        name: &'static str,
        number: c_ulong,
        argument: *mut c_void,
    ) -> Result<i32, IoctlError> {
        // SAFETY: By `new`'s contract; the callers pass what the request takes.
        check(name, None, unsafe {
            (services().kvm_vm_ioctl)(self.0, number, argument)
        })
    }

    /// KVM_HAS_DEVICE_ATTR (in): whether the VM has the attribute. ENXIO for
    /// what it does not have, EINVAL or ENOTTY of kernels without VM
    /// attributes.
    pub fn has_attr(self, group: u32, attr: u64) -> Result<(), IoctlError> {
        let mut attribute = DeviceAttr {
            flags: 0,
            group,
            attr,
            addr: 0,
        };
        self.call(
            "KVM_HAS_DEVICE_ATTR",
            request::KVM_HAS_DEVICE_ATTR,
            (&raw mut attribute).cast(),
        )
        .map(drop)
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
