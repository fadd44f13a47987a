// SPDX-License-Identifier: GPL-2.0-or-later

//! Accesses to QEMU's address spaces.

use std::ptr::NonNull;

use super::bql::Bql;
use super::cpu::Cpu;
use super::opaque::{AddressSpace, MemoryRegion};
use super::services::services;

/// MemTxAttrs, whose bit fields are one word (include/exec/memattrs.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes(u64);

impl Attributes {
    /// MEMTXATTRS_UNSPECIFIED: the flag is a byte of its own.
    pub const UNSPECIFIED: Attributes = Attributes(1 << 32);

    /// The requester is this vCPU: the id begins at bit 6.
    pub fn requester(cpu: Cpu) -> Attributes {
        Attributes(u64::from(cpu.index() as u16) << 6)
    }

    /// As C passes it.
    pub fn raw(self) -> u64 {
        self.0
    }
}

/// An address space of QEMU's.
#[derive(Clone, Copy, Debug)]
pub struct Space(NonNull<AddressSpace>);

// SAFETY: Address spaces may be used from every thread.
unsafe impl Send for Space {}
// SAFETY: As above.
unsafe impl Sync for Space {}

/// Bytes of an AddressSpace, and many more: 160 in 11.1.
const SPACE_SIZE: usize = 4096;

#[repr(C, align(16))]
struct SpaceBuffer([u8; SPACE_SIZE]);

impl Space {
    /// For QEMU's functions.
    pub(super) fn as_ptr(self) -> *mut AddressSpace {
        self.0.as_ptr()
    }

    /// That of loads and stores; None if QEMU has not made it yet.
    pub fn memory() -> Option<Space> {
        NonNull::new(services().address_space_memory).map(Space)
    }

    /// The ports.
    pub fn io() -> Option<Space> {
        NonNull::new(services().address_space_io).map(Space)
    }

    /// The space behind the guest's `iocsr` instructions, which the board makes.
    /// Without the link layer's help it is a new space over the same region;
    /// that is made once a VM and never freed, because vCPUs may use it until
    /// the process ends.
    pub fn iocsr(_bql: &Bql, cpu: Cpu) -> Option<Space> {
        let services = services();
        if let Some(find) = services.link.iocsr_address_space {
            // SAFETY: The CPU is alive.
            return NonNull::new(unsafe { find(cpu.as_ptr()) }).map(Space);
        }
        // SAFETY: The string ends; null is allowed.
        let region = unsafe {
            (services.object_resolve_path)(c"/machine/iocsr[0]".as_ptr(), std::ptr::null_mut())
        };
        let region = NonNull::new(region)?.cast::<MemoryRegion>();
        let buffer = Box::leak(Box::new(SpaceBuffer([0; SPACE_SIZE])));
        let space = NonNull::from(buffer).cast::<AddressSpace>();
        // SAFETY: Zeroed memory of more than an AddressSpace's size that stays;
        // the BQL is held.
        unsafe {
            (services.address_space_init)(
                space.as_ptr(),
                region.as_ptr(),
                c"accel-kvm-la IOCSR".as_ptr(),
            );
        }
        Some(Space(space))
    }

    /// Reads into `data` or writes it. An access that fails is treated as in the C
    /// backend: a read leaves what the device gave.
    #[inline]
    pub fn access(self, address: u64, attributes: Attributes, data: &mut [u8], is_write: bool) {
        // SAFETY: The space is alive, and the slice is the caller's alone.
        unsafe {
            (services().address_space_rw)(
                self.0.as_ptr(),
                address,
                attributes.raw(),
                data.as_mut_ptr().cast(),
                data.len() as u64,
                is_write,
            )
        };
    }
}

/// Makes guest memory private or shared; false if there is none of the kind.
pub fn convert(address: u64, size: u64, to_private: bool) -> bool {
    // SAFETY: Checks its arguments itself.
    unsafe { (services().kvm_convert_memory)(address, size, to_private) == 0 }
}
