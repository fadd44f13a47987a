// SPDX-License-Identifier: GPL-2.0

//! A controller as a KVM device (`KVM_CREATE_DEVICE`) and on the I/O buses.

use core::marker::PhantomData;

use kernel::error::to_result;
use kernel::prelude::*;
use kernel::str::as_char_ptr_in_const_context;
use kernel::types::Opaque;
use kernel::uaccess::{UserPtr, UserSlice};

use super::{dmsintc, eiointc, ipi, pch_pic};
use crate::kvm::bindings as b;
use crate::kvm::error::not_answered;
use crate::kvm::from_c::{callbacks, from_c, FromC};
use crate::vcpu::shared::Shared;
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
    ops: b::kvm_device_ops,
    kind: b::kvm_device_type,
    pub(crate) needs_msgint: bool,
}

// SAFETY: Constant; the pointers in it are to functions and to a literal.
unsafe impl Sync for Ops {}

impl Ops {
    const fn new<D: Device>() -> Self {
        Self {
            ops: b::kvm_device_ops {
                name: as_char_ptr_in_const_context(D::NAME),
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

    /// Tells KVM of the type.
    pub(crate) fn register(&'static self) -> Result {
        // SAFETY: The table is static.
        to_result(unsafe { b::kvm_register_device_ops(&raw const self.ops, self.kind) })
    }

    /// Takes the type back.
    pub(crate) fn unregister(&self) {
        // SAFETY: KVM forgets a type whether or not it was registered.
        unsafe { b::kvm_unregister_device_ops(self.kind) };
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

/// The VM of a device.
pub(crate) struct OfDevice<'a>(pub(crate) &'a Vm);

from_c! {
    /// A device of a VM that lives.
    ['a] OfDevice<'a>: *mut b::kvm_device = |device| OfDevice(FromC::from_c((*device).kvm));
    /// A device at its end; KVM has allocated it by kmalloc.
    [] KBox<b::kvm_device>: *mut b::kvm_device = |device| KBox::from_raw(device);
}

callbacks! {
    // `kvm->lock` is held.
    create[D: Device](device: OfDevice<'_>, kind: u32) -> i32 =
        |OfDevice(vm): OfDevice<'_>, _| D::create(vm);
    get_attr[D: Device](device: OfDevice<'_>, attr: &mut b::kvm_device_attr) -> i32 = get::<D>;
    set_attr[D: Device](device: OfDevice<'_>, attr: &mut b::kvm_device_attr) -> i32 = set::<D>;
    has_attr[D: Device](device: OfDevice<'_>, attr: &mut b::kvm_device_attr) -> i32 = has::<D>;
    /// The controller stays with the VM; only KVM's own structure goes.
    destroy[](device: KBox<b::kvm_device>) = drop;
}

fn get<D: Device>(OfDevice(vm): OfDevice<'_>, attr: &mut b::kvm_device_attr) -> Result {
    let size = D::attr_size(attr.group, attr.attr, false)?;
    let value = D::get_attr(vm, attr.group, attr.attr)?.to_le_bytes();
    let bytes = value.get(..size).ok_or(EINVAL)?;
    UserSlice::new(UserPtr::from_addr(attr.addr as usize), size)
        .writer()
        .write_slice(bytes)
}

fn set<D: Device>(OfDevice(vm): OfDevice<'_>, attr: &mut b::kvm_device_attr) -> Result {
    let size = D::attr_size(attr.group, attr.attr, true)?;
    let mut value = [0; size_of::<u64>()];
    let bytes = value.get_mut(..size).ok_or(EINVAL)?;
    UserSlice::new(UserPtr::from_addr(attr.addr as usize), size)
        .reader()
        .read_slice(bytes)?;
    D::set_attr(vm, attr.group, attr.attr, u64::from_le_bytes(value))
}

fn has<D: Device>(OfDevice(vm): OfDevice<'_>, attr: &mut b::kvm_device_attr) -> Result {
    if D::has_attr(vm, attr.group, attr.attr) {
        Ok(())
    } else {
        Err(ENXIO)
    }
}

/// Registers of a controller on an I/O bus.
pub(crate) trait Registers: Sized {
    /// The controller, which vCPUs of any thread reach.
    type Chip: Sync;

    /// Reads `size` bytes (1, 2, 4 or 8) at bus address `address`.
    fn read(chip: &Self::Chip, vcpu: &Shared, address: u64, size: u32) -> u64;

    fn write(chip: &Self::Chip, vcpu: &Shared, address: u64, size: u32, value: u64);
}

/// A block of registers: what the bus knows of it and whose it is.
#[pin_data]
#[repr(C)]
pub(crate) struct Block<R: Registers> {
    #[pin]
    device: Opaque<b::kvm_io_device>,
    ops: b::kvm_io_device_ops,
    chip: Opaque<*const R::Chip>,
    _registers: PhantomData<R>,
}

// SAFETY: No field belongs to a thread, and what `chip` points to is for any.
unsafe impl<R: Registers> Send for Block<R> {}
// SAFETY: `register` alone writes to a shared block, before KVM has it on a bus, and what the
// bus reads of it does not change then.
unsafe impl<R: Registers> Sync for Block<R> {}

impl<R: Registers> Block<R> {
    /// A block that is on no bus.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            device: Opaque::zeroed(),
            ops: b::kvm_io_device_ops {
                read: Some(bus_read::<R>),
                write: Some(bus_write::<R>),
                destructor: None,
            },
            chip: Opaque::zeroed(),
            _registers: PhantomData,
        })
    }

    /// Puts the block on a bus. EEXIST, ENOSPC, ENOMEM.
    ///
    /// # Safety
    ///
    /// The block is part of `chip`, which stays where it is until the bus is gone or
    /// the block was taken off it; it is on no bus.
    pub(crate) unsafe fn register(
        &self,
        chip: &R::Chip,
        vm: &Vm,
        bus: b::kvm_bus,
        address: u64,
        size: u64,
    ) -> Result {
        let (kvm, device) = (vm.kvm.as_ptr(), self.device.get());
        // SAFETY: By this function's contract, and with the lock of the buses.
        vm.kvm.with_slots_lock(|| unsafe {
            self.chip.get().write(chip);
            (*device).ops = &raw const self.ops;
            to_result(b::kvm_io_bus_register_dev(
                kvm,
                bus,
                address,
                size as i32,
                device,
            ))
        })
    }

    /// Takes the block off its bus.
    pub(crate) fn unregister(&self, vm: &Vm, bus: b::kvm_bus) {
        let (kvm, device) = (vm.kvm.as_ptr(), self.device.get());
        // SAFETY: With the lock of the buses; KVM ignores a device that is on none.
        vm.kvm
            .with_slots_lock(|| unsafe { b::kvm_io_bus_unregister_dev(kvm, bus, device) });
    }
}

/// The chip of a block that is on a bus.
struct OfBlock<'a, R: Registers>(&'a R::Chip);

/// Where KVM wants what a load of the bus reads.
struct Loaded(*mut kernel::ffi::c_void);

/// Where KVM has what a store to the bus writes.
struct Stored(*const kernel::ffi::c_void);

from_c! {
    /// The device of a `Block<R>`, of which it is the first field.
    ['a, R: Registers] OfBlock<'a, R>: *mut b::kvm_io_device =
        |device| OfBlock(&**(*device.cast::<Block<R>>()).chip.get());
    /// As many bytes as the access has.
    [] Loaded: *mut kernel::ffi::c_void = |bytes| Loaded(bytes);
    /// The same.
    [] Stored: *const kernel::ffi::c_void = |bytes| Stored(bytes);
}

callbacks! {
    bus_read[R: Registers](
        vcpu: &Shared,
        block: OfBlock<'_, R>,
        address: u64,
        len: i32,
        value: Loaded
    ) -> i32 = |vcpu, OfBlock(chip): OfBlock<'_, R>, address, len, value: Loaded| {
        let read = R::read(chip, vcpu, address, len as u32);
        value.put(len, read.to_le_bytes())
    };
    bus_write[R: Registers](
        vcpu: &Shared,
        block: OfBlock<'_, R>,
        address: u64,
        len: i32,
        value: Stored
    ) -> i32 = |vcpu, OfBlock(chip): OfBlock<'_, R>, address, len, value: Stored| {
        let value = value.get(len)?;
        R::write(chip, vcpu, address, len as u32, value);
        Ok(())
    };
}

impl Loaded {
    /// Gives KVM the first `len` bytes, which is the length of the same access.
    #[inline]
    fn put(self, len: i32, [b0, b1, b2, b3, b4, b5, b6, b7]: [u8; 8]) -> Result {
        let to = self.0;
        // SAFETY: There are `len` bytes; constant lengths spare a call.
        unsafe {
            match len {
                1 => to.cast::<[u8; 1]>().write([b0]),
                2 => to.cast::<[u8; 2]>().write([b0, b1]),
                4 => to.cast::<[u8; 4]>().write([b0, b1, b2, b3]),
                8 => to.cast::<[u8; 8]>().write([b0, b1, b2, b3, b4, b5, b6, b7]),
                _ => return Err(not_answered()),
            }
        }
        Ok(())
    }
}

impl Stored {
    /// The value of the `len` bytes, which is the length of the same access.
    #[inline]
    fn get(self, len: i32) -> Result<u64> {
        let from = self.0;
        // SAFETY: There are `len` bytes.
        Ok(unsafe {
            match len {
                1 => u64::from(from.cast::<u8>().read()),
                2 => u64::from(from.cast::<u16>().read_unaligned()),
                4 => u64::from(from.cast::<u32>().read_unaligned()),
                8 => from.cast::<u64>().read_unaligned(),
                _ => return Err(not_answered()),
            }
        })
    }
}
