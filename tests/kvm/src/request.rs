// SPDX-License-Identifier: GPL-2.0-or-later

//! ioctls by their names, each with the type of its argument.

use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};

use crate::error::Result;
use crate::sys;
use crate::uapi as u;

/// The letter of KVM's requests.
const KVMIO: u64 = 0xae;
/// The request writes to the kernel, reads from it (asm-generic/ioctl.h).
const WRITE: u64 = 1 << 30;
const READ: u64 = 2 << 30;

/// A request whose argument is a number.
#[derive(Clone, Copy, Debug)]
pub struct Plain {
    name: &'static str,
    number: u64,
}

/// A request whose argument is the address of a `T`.
#[derive(Clone, Copy, Debug)]
pub struct Typed<T> {
    name: &'static str,
    number: u64,
    argument: PhantomData<fn(T)>,
}

impl Plain {
    const fn new(name: &'static str, number: u64) -> Self {
        Self {
            name,
            number: KVMIO << 8 | number,
        }
    }

    /// The number that ioctl takes.
    pub const fn number(self) -> u64 {
        self.number
    }

    /// Makes the request.
    pub fn call(self, file: &impl AsFd, argument: u64) -> Result<i32> {
        // SAFETY: the argument of these requests is a number.
        unsafe { sys::call_ioctl(file.as_fd(), self.name, self.number, argument) }
    }
}

impl<T: u::Plain> Typed<T> {
    const fn new(name: &'static str, direction: u64, number: u64) -> Self {
        Self {
            name,
            number: direction | (size_of::<T>() as u64) << 16 | KVMIO << 8 | number,
            argument: PhantomData,
        }
    }

    /// The number that ioctl takes.
    pub const fn number(self) -> u64 {
        self.number
    }

    /// Makes the request with the address of a `T`, of something that begins
    /// with a `T` and goes on, or of nothing: to see how the kernel takes that.
    ///
    /// # Safety
    ///
    /// What the kernel may write, there or where the `T` points to, is ours to
    /// lose, and lives as long as the kernel uses it.
    pub unsafe fn call_at(self, file: &impl AsFd, address: u64) -> Result<i32> {
        // SAFETY: by this function's contract.
        unsafe { sys::call_ioctl(file.as_fd(), self.name, self.number, address) }
    }
}

impl<T: u::NoAddress> Typed<T> {
    /// Makes the request.
    pub fn call(self, file: &impl AsFd, argument: &mut T) -> Result<i32> {
        // SAFETY: the number says that the kernel reads and writes a `T`, and a
        // `T` leads nowhere else.
        unsafe { self.call_at(file, std::ptr::from_mut(argument) as u64) }
    }
}

/// Any request with any argument, for programs that try everything.
///
/// # Safety
///
/// The kernel may write wherever in this process the argument, or a structure
/// that it points to, says: all of that must be ours to lose.
pub unsafe fn call_any(file: BorrowedFd<'_>, number: u64, argument: u64) -> Result<i32> {
    // SAFETY: by this function's contract.
    unsafe { sys::call_ioctl(file, "ioctl", number, argument) }
}

macro_rules! plain {
    ($($name:ident = $number:literal;)*) => {
        $(
            #[doc = concat!("KVM_", stringify!($name))]
            pub const $name: Plain = Plain::new(concat!("KVM_", stringify!($name)), $number);
        )*
    };
}

macro_rules! typed {
    ($($name:ident: $argument:ty = $direction:expr, $number:literal;)*) => {
        $(
            #[doc = concat!("KVM_", stringify!($name))]
            pub const $name: Typed<$argument> =
                Typed::new(concat!("KVM_", stringify!($name)), $direction, $number);
        )*
    };
}

plain! {
    GET_API_VERSION = 0x00;
    CREATE_VM = 0x01;
    CHECK_EXTENSION = 0x03;
    GET_VCPU_MMAP_SIZE = 0x04;
    CREATE_VCPU = 0x41;
    CREATE_IRQCHIP = 0x60;
    RUN = 0x80;
    RESET_DIRTY_RINGS = 0xc7;
    GET_STATS_FD = 0xce;
}

typed! {
    GET_DIRTY_LOG: u::DirtyLog = WRITE, 0x42;
    SET_USER_MEMORY_REGION: u::MemoryRegion = WRITE, 0x46;
    IRQ_LINE: u::IrqLevel = WRITE, 0x61;
    SET_GSI_ROUTING: u::RoutingHeader = WRITE, 0x6a;
    IRQFD: u::Irqfd = WRITE, 0x76;
    IOEVENTFD: u::Ioeventfd = WRITE, 0x79;
    GET_REGS: u::Regs = READ, 0x81;
    SET_REGS: u::Regs = WRITE, 0x82;
    INTERRUPT: u32 = WRITE, 0x86;
    GET_FPU: u::Fpu = READ, 0x8c;
    SET_FPU: u::Fpu = WRITE, 0x8d;
    GET_MP_STATE: u32 = READ, 0x98;
    SET_MP_STATE: u32 = WRITE, 0x99;
    SET_GUEST_DEBUG: u::GuestDebug = WRITE, 0x9b;
    ENABLE_CAP: u::EnableCap = WRITE, 0xa3;
    SIGNAL_MSI: u::Msi = WRITE, 0xa5;
    GET_ONE_REG: u::OneReg = WRITE, 0xab;
    SET_ONE_REG: u::OneReg = WRITE, 0xac;
    GET_REG_LIST: u64 = READ | WRITE, 0xb0;
    CLEAR_DIRTY_LOG: u::ClearDirtyLog = READ | WRITE, 0xc0;
    PRE_FAULT_MEMORY: u::PreFault = READ | WRITE, 0xd5;
    CREATE_DEVICE: u::CreateDevice = READ | WRITE, 0xe0;
    SET_DEVICE_ATTR: u::DeviceAttr = WRITE, 0xe1;
    GET_DEVICE_ATTR: u::DeviceAttr = WRITE, 0xe2;
    HAS_DEVICE_ATTR: u::DeviceAttr = WRITE, 0xe3;
}
