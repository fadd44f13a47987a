// SPDX-License-Identifier: GPL-2.0-or-later

//! In-kernel devices and attributes of descriptors.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use la_arch::kvm::device as d;

use crate::error::Result;
use crate::request;
use crate::sys;
use crate::uapi as u;
use crate::vm::Vm;

/// The file descriptor that KVM_CREATE_DEVICE gave.
#[derive(Debug)]
pub struct Device(File);

impl Device {
    pub(crate) fn new(fd: u32) -> Self {
        // SAFETY: the caller has just got it from KVM_CREATE_DEVICE.
        Self(unsafe { sys::new_file(fd as i32) })
    }

    /// Reads an attribute. KVM writes at most as many bytes as `value` has: the
    /// LoongArch devices' attributes have 4 or 8.
    pub fn get(&self, group: u32, attribute: u64) -> Result<u64> {
        get_attr(&self.0, group, attribute)
    }

    /// Writes an attribute of 4 or 8 bytes.
    pub fn set(&self, group: u32, attribute: u64, value: u64) -> Result<()> {
        set_attr(&self.0, group, attribute, value)
    }

    /// Asks whether there is such an attribute.
    pub fn has(&self, group: u32, attribute: u64) -> Result<()> {
        has_attr(&self.0, group, attribute)
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// KVM_GET_DEVICE_ATTR of any descriptor.
pub(crate) fn get_attr(file: &impl AsFd, group: u32, attribute: u64) -> Result<u64> {
    // More than any attribute of LoongArch has.
    let mut value = [0u64; 8];
    let attr = u::DeviceAttr {
        flags: 0,
        group,
        attribute,
        address: value.as_mut_ptr() as u64,
    };
    // SAFETY: both live, and no attribute is longer than `value`.
    unsafe { request::GET_DEVICE_ATTR.call_at(file, &raw const attr as u64) }?;
    let [value, ..] = value;
    Ok(value)
}

/// KVM_SET_DEVICE_ATTR of any descriptor.
pub(crate) fn set_attr(file: &impl AsFd, group: u32, attribute: u64, value: u64) -> Result<()> {
    let attr = u::DeviceAttr {
        flags: 0,
        group,
        attribute,
        address: &raw const value as u64,
    };
    // SAFETY: KVM only reads both.
    unsafe { request::SET_DEVICE_ATTR.call_at(file, &raw const attr as u64) }?;
    Ok(())
}

/// KVM_HAS_DEVICE_ATTR of any descriptor.
pub(crate) fn has_attr(file: &impl AsFd, group: u32, attribute: u64) -> Result<()> {
    let attr = u::DeviceAttr {
        flags: 0,
        group,
        attribute,
        address: 0,
    };
    // SAFETY: KVM only reads the structure.
    unsafe { request::HAS_DEVICE_ATTR.call_at(file, &raw const attr as u64) }?;
    Ok(())
}

/// The in-kernel interrupt controllers of a VM.
#[derive(Debug)]
pub struct Irqchip {
    /// Inter-processor interrupts.
    pub ipi: Device,
    /// Extended I/O interrupt controller.
    pub eiointc: Device,
    /// Platform controller hub's interrupt controller.
    pub pch_pic: Device,
}

impl Irqchip {
    /// In the order in which QEMU's virt board makes them.
    pub(crate) fn new(vm: &Vm, cpus: u32, features: u32, pch_pic: u64) -> Result<Self> {
        let chip = Self {
            ipi: vm.create_device(u::DEVICE_IPI)?,
            eiointc: vm.create_device(u::DEVICE_EIOINTC)?,
            pch_pic: vm.create_device(u::DEVICE_PCH_PIC)?,
        };
        let control = d::EXTIOI_GRP_CTRL;
        chip.eiointc
            .set(control, d::EXTIOI_CTRL_INIT_NUM_CPU, cpus.into())?;
        chip.eiointc
            .set(control, d::EXTIOI_CTRL_INIT_FEATURE, features.into())?;
        chip.pch_pic
            .set(d::PCH_PIC_GRP_CTRL, d::PCH_PIC_CTRL_INIT, pch_pic)?;
        Ok(chip)
    }
}
