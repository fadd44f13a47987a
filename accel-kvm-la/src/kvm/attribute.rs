// SPDX-License-Identifier: GPL-2.0-or-later

//! Attributes of a VM and of its vCPUs, which the same calls reach.

use std::ffi::{c_ulong, c_void};

use super::abi::{DeviceAttr, request};
use super::error::IoctlError;

/// Calls a file descriptor: name and number of the request, its argument.
pub trait Call: FnOnce(&'static str, c_ulong, *mut c_void) -> Result<i32, IoctlError> {}

impl<F: FnOnce(&'static str, c_ulong, *mut c_void) -> Result<i32, IoctlError>> Call for F {}

fn access(
    call: impl Call,
    (name, number): (&'static str, c_ulong),
    (group, attr): (u32, u64),
    value: Option<&mut u64>,
) -> Result<(), IoctlError> {
    let mut attribute = DeviceAttr {
        flags: 0,
        group,
        attr,
        addr: value.map_or(0, |value| std::ptr::from_mut(value) as u64),
    };
    call(name, number, (&raw mut attribute).cast()).map(drop)
}

/// KVM_HAS_DEVICE_ATTR (in). ENXIO for an attribute that there is not, EINVAL or ENOTTY
/// of kernels without attributes.
pub fn has(call: impl Call, group: u32, attr: u64) -> Result<(), IoctlError> {
    let request = ("KVM_HAS_DEVICE_ATTR", request::KVM_HAS_DEVICE_ATTR);
    access(call, request, (group, attr), None)
}

/// KVM_GET_DEVICE_ATTR (in; the value by its address): 64 bits. As [`has`].
pub fn get(call: impl Call, group: u32, attr: u64) -> Result<u64, IoctlError> {
    let request = ("KVM_GET_DEVICE_ATTR", request::KVM_GET_DEVICE_ATTR);
    let mut value = 0;
    access(call, request, (group, attr), Some(&mut value))?;
    // The kernel wrote it behind the compiler's back.
    Ok(std::hint::black_box(value))
}

/// KVM_SET_DEVICE_ATTR (in; the value by its address): 64 bits. As [`has`], and EINVAL
/// for a value that the attribute cannot have.
pub fn set(call: impl Call, group: u32, attr: u64, value: u64) -> Result<(), IoctlError> {
    let request = ("KVM_SET_DEVICE_ATTR", request::KVM_SET_DEVICE_ATTR);
    let mut value = std::hint::black_box(value);
    access(call, request, (group, attr), Some(&mut value))
}
