// SPDX-License-Identifier: GPL-2.0

//! A controller as a KVM device (`KVM_CREATE_DEVICE`) and on the I/O buses.

use core::mem::size_of;

use kernel::prelude::*;
use kernel::uaccess::{UserPtr, UserSlice};

use super::{dmsintc, eiointc, ipi, pch_pic};
use crate::bindings as b;
use crate::vcpu::Vcpu;
use crate::vm::Vm;

/// A type of device.
pub(crate) trait Device {
    /// For the kernel's log.
    const NAME: &'static CStr;
    /// `KVM_DEV_TYPE_*`.
    const TYPE: b::kvm_device_type;
    /// Only on hosts with message interrupts.
    const NEEDS_MSGINT: bool = false;

    /// Creates the VM's controller, under `kvm->lock`; EINVAL if it exists.
    fn create(vm: &Vm) -> Result;

    /// How many bytes user space passes with an attribute.
    fn attr_size(group: u32, attr: u64, write: bool) -> Result<usize>;

    /// Whether there is such an attribute, to read or to write.
    fn has_attr(_vm: &Vm, group: u32, attr: u64) -> bool {
        Self::attr_size(group, attr, true).is_ok() || Self::attr_size(group, attr, false).is_ok()
    }

    /// Reads an attribute.
    fn get_attr(vm: &Vm, group: u32, attr: u64) -> Result<u64>;

    /// Writes an attribute.
    fn set_attr(vm: &Vm, group: u32, attr: u64, value: u64) -> Result;
}

/// The table that KVM gets for a device type.
pub(crate) struct Ops {
    pub(crate) ops: b::kvm_device_ops,
    pub(crate) kind: b::kvm_device_type,
    pub(crate) needs_msgint: bool,
}

// SAFETY: Constant; the pointers in it are to functions and to a literal.
unsafe impl Sync for Ops {}

impl Ops {
    const fn new<D: Device>() -> Self {
        Self {
            ops: b::kvm_device_ops {
                name: D::NAME.as_ptr().cast(),
                create: Some(create::<D>),
                init: None,
                destroy: Some(destroy),
                release: None,
                set_attr: Some(set_attr::<D>),
                get_attr: Some(get_attr::<D>),
                has_attr: Some(has_attr::<D>),
                ioctl: None,
                mmap: None,
            },
            kind: D::TYPE,
            needs_msgint: D::NEEDS_MSGINT,
        }
    }
}

static ALL: [Ops; 4] = [
    Ops::new::<ipi::Ipi>(),
    Ops::new::<eiointc::Eiointc>(),
    Ops::new::<pch_pic::PchPic>(),
    Ops::new::<dmsintc::Dmsintc>(),
];

/// All device types.
pub(crate) fn all() -> &'static [Ops] {
    &ALL
}

fn to_int(result: Result) -> i32 {
    result.map_or_else(|error| error.to_errno(), |()| 0)
}

/// # Safety
///
/// KVM calls it with a new device of a VM, `kvm->lock` held.
unsafe extern "C" fn create<D: Device>(device: *mut b::kvm_device, _kind: u32) -> i32 {
    // SAFETY: By this function's contract.
    to_int(D::create(unsafe { Vm::from_c((*device).kvm) }))
}

/// The controller stays with the VM; only KVM's own structure goes.
///
/// # Safety
///
/// KVM calls it once for a device, which was allocated by kmalloc.
unsafe extern "C" fn destroy(device: *mut b::kvm_device) {
    // SAFETY: By this function's contract.
    unsafe { b::kfree(device.cast()) };
}

/// # Safety
///
/// KVM calls it with a device and an attribute in kernel memory; may sleep.
unsafe extern "C" fn get_attr<D: Device>(
    device: *mut b::kvm_device,
    attr: *mut b::kvm_device_attr,
) -> i32 {
    // SAFETY: By this function's contract.
    let (vm, attr) = unsafe { (Vm::from_c((*device).kvm), *attr) };
    let run = || {
        let size = D::attr_size(attr.group, attr.attr, false)?;
        let value = D::get_attr(vm, attr.group, attr.attr)?.to_le_bytes();
        let bytes = value.get(..size).ok_or(EINVAL)?;
        UserSlice::new(UserPtr::from_addr(attr.addr as usize), size)
            .writer()
            .write_slice(bytes)
    };
    to_int(run())
}

/// # Safety
///
/// As for [`get_attr`].
unsafe extern "C" fn set_attr<D: Device>(
    device: *mut b::kvm_device,
    attr: *mut b::kvm_device_attr,
) -> i32 {
    // SAFETY: By this function's contract.
    let (vm, attr) = unsafe { (Vm::from_c((*device).kvm), *attr) };
    let run = || {
        let size = D::attr_size(attr.group, attr.attr, true)?;
        let mut value = [0; size_of::<u64>()];
        let bytes = value.get_mut(..size).ok_or(EINVAL)?;
        UserSlice::new(UserPtr::from_addr(attr.addr as usize), size)
            .reader()
            .read_slice(bytes)?;
        D::set_attr(vm, attr.group, attr.attr, u64::from_le_bytes(value))
    };
    to_int(run())
}

/// # Safety
///
/// As for [`get_attr`].
unsafe extern "C" fn has_attr<D: Device>(
    device: *mut b::kvm_device,
    attr: *mut b::kvm_device_attr,
) -> i32 {
    // SAFETY: By this function's contract.
    let (vm, attr) = unsafe { (Vm::from_c((*device).kvm), *attr) };
    if D::has_attr(vm, attr.group, attr.attr) {
        0
    } else {
        ENXIO.to_errno()
    }
}

/// Registers of a controller on an I/O bus.
pub(crate) trait Registers {
    /// Reads `size` bytes (1, 2, 4 or 8) at bus address `address`.
    fn read(&self, vcpu: &Vcpu, address: u64, size: u32) -> u64;

    /// Writes.
    fn write(&self, vcpu: &Vcpu, address: u64, size: u32, value: u64);
}

/// A block of registers: what the bus knows of it and whose it is.
#[repr(C)]
pub(crate) struct Block<R> {
    device: b::kvm_io_device,
    ops: b::kvm_io_device_ops,
    pub(crate) registers: R,
}

impl<R: Registers> Block<R> {
    /// Puts the block on a bus; it does not move from now on, and the bus is
    /// gone before it. EEXIST, ENOSPC, ENOMEM.
    ///
    /// # Safety
    ///
    /// `this` is valid and as said above.
    pub(crate) unsafe fn register(
        this: *mut Self,
        kvm: *mut b::kvm,
        bus: b::kvm_bus,
        address: u64,
        size: u64,
    ) -> Result {
        // SAFETY: By this function's contract.
        unsafe {
            (*this).ops = b::kvm_io_device_ops {
                read: Some(bus_read::<R>),
                write: Some(bus_write::<R>),
                destructor: None,
            };
            (*this).device.ops = &raw const (*this).ops;
            b::kvm_la_slots_lock(kvm);
            let result = b::kvm_io_bus_register_dev(kvm, bus, address, size as i32, this.cast());
            b::kvm_la_slots_unlock(kvm);
            kernel::error::to_result(result)
        }
    }

    /// Takes the block off its bus.
    ///
    /// # Safety
    ///
    /// It was registered.
    pub(crate) unsafe fn unregister(this: *mut Self, kvm: *mut b::kvm, bus: b::kvm_bus) {
        // SAFETY: By this function's contract.
        unsafe {
            b::kvm_la_slots_lock(kvm);
            b::kvm_io_bus_unregister_dev(kvm, bus, this.cast());
            b::kvm_la_slots_unlock(kvm);
        }
    }
}

/// # Safety
///
/// KVM calls it with the device of a `Block<R>`, a live vCPU and `len` bytes at
/// `value`.
unsafe extern "C" fn bus_read<R: Registers>(
    vcpu: *mut b::kvm_vcpu,
    device: *mut b::kvm_io_device,
    address: u64,
    len: i32,
    value: *mut kernel::ffi::c_void,
) -> i32 {
    // SAFETY: By this function's contract; the device is the first field.
    let (vcpu, block) = unsafe { (Vcpu::from_c(vcpu), &*device.cast::<Block<R>>()) };
    let data = block
        .registers
        .read(vcpu, address, len as u32)
        .to_le_bytes();
    // SAFETY: By this function's contract; constant lengths spare a call.
    unsafe {
        match len {
            1 => value.cast::<[u8; 1]>().write([data[0]]),
            2 => value.cast::<[u8; 2]>().write([data[0], data[1]]),
            4 => value
                .cast::<[u8; 4]>()
                .write([data[0], data[1], data[2], data[3]]),
            8 => value.cast::<[u8; 8]>().write(data),
            _ => return -(b::EOPNOTSUPP as i32),
        }
    }
    0
}

/// # Safety
///
/// As for [`bus_read`].
unsafe extern "C" fn bus_write<R: Registers>(
    vcpu: *mut b::kvm_vcpu,
    device: *mut b::kvm_io_device,
    address: u64,
    len: i32,
    value: *const kernel::ffi::c_void,
) -> i32 {
    // SAFETY: As for `bus_read`.
    let (vcpu, block) = unsafe { (Vcpu::from_c(vcpu), &*device.cast::<Block<R>>()) };
    // SAFETY: By this function's contract.
    let value = unsafe {
        match len {
            1 => u64::from(value.cast::<u8>().read()),
            2 => u64::from(value.cast::<u16>().read_unaligned()),
            4 => u64::from(value.cast::<u32>().read_unaligned()),
            8 => value.cast::<u64>().read_unaligned(),
            _ => return -(b::EOPNOTSUPP as i32),
        }
    };
    block.registers.write(vcpu, address, len as u32, value);
    0
}

/// Zeroed memory for a chip, to be filled in.
pub(crate) fn zeroed<T>() -> Result<*mut T> {
    let space = KBox::<T>::new_uninit(GFP_KERNEL_ACCOUNT | __GFP_ZERO)?;
    Ok(KBox::into_raw(space).cast())
}
