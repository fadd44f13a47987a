// SPDX-License-Identifier: GPL-2.0-or-later

//! `struct kvm_run`, which a vCPU shares with the kernel (Linux:
//! include/uapi/linux/kvm.h). Each access is one volatile load or store of a
//! known offset; the kernel and a signal handler write the page too.

use std::ffi::c_void;
use std::ptr::NonNull;

use la_arch::sync_regs::SyncRegs;

/// Offsets of the fields.
pub mod offset {
    /// u8: leave at once.
    pub const IMMEDIATE_EXIT: usize = 1;
    /// u32: KVM_EXIT_*.
    pub const EXIT_REASON: usize = 8;
    /// The reason's own part.
    pub const UNION: usize = 32;
    /// u64: the sets that the kernel is to show at an exit.
    pub const VALID_REGS: usize = 288;
    /// u64: the sets that the kernel is to take over at an entry.
    pub const DIRTY_REGS: usize = 296;
    /// The registers.
    pub const SYNC_REGS: usize = 304;
    /// The end.
    pub const END: usize = SYNC_REGS + 2048;
}

/// An access to a device or IOCSR register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Guest-physical address or register.
    pub address: u64,
    /// Where the data are; [`Access::length`] of them.
    pub data: *mut c_void,
    /// Bytes, at most 8.
    pub length: usize,
    /// Direction.
    pub is_write: bool,
}

/// An access to ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortAccess {
    /// The port.
    pub port: u16,
    /// Bytes of one access.
    pub size: usize,
    /// Accesses.
    pub count: usize,
    /// Where the data are in the vCPU's mapping.
    pub data_offset: u64,
    /// Direction.
    pub is_write: bool,
}

/// The mapped page of a vCPU.
#[derive(Clone, Copy, Debug)]
pub struct RunPage(NonNull<u8>);

macro_rules! accessors {
    ($( $get:ident, $set:ident: $type:ty; )*) => {
        $(
            fn $get(self, offset: usize) -> $type {
                // SAFETY: The page is mapped (`from_raw`); all offsets here are
                // within it and aligned.
                unsafe { self.0.as_ptr().wrapping_add(offset).cast::<$type>().read_volatile() }
            }

            #[allow(dead_code)]
            fn $set(self, offset: usize, value: $type) {
                // SAFETY: As for reading.
                unsafe { self.0.as_ptr().wrapping_add(offset).cast::<$type>().write_volatile(value) };
            }
        )*
    };
}

impl RunPage {
    accessors! {
        u8_at, set_u8: u8;
        u16_at, set_u16: u16;
        u32_at, set_u32: u32;
        u64_at, set_u64: u64;
    }

    /// The page at `run`; none if null.
    ///
    /// # Safety
    ///
    /// `run` is a vCPU's mapping, of [`offset::END`] bytes or more, that stays
    /// as long as this or a copy of it is used.
    pub unsafe fn from_raw(run: *mut c_void) -> Option<RunPage> {
        NonNull::new(run.cast()).map(RunPage)
    }

    /// Makes the next KVM_RUN complete what is pending and return, or not.
    pub fn set_immediate_exit(self, exit: bool) {
        self.set_u8(offset::IMMEDIATE_EXIT, u8::from(exit));
    }

    /// Why KVM_RUN returned.
    pub fn exit_reason(self) -> u32 {
        self.u32_at(offset::EXIT_REASON)
    }

    /// `mmio` and `iocsr_io`, which have the same shape.
    pub fn access(self) -> Access {
        Access {
            address: self.u64_at(offset::UNION),
            data: self.0.as_ptr().wrapping_add(offset::UNION + 8).cast(),
            length: (self.u32_at(offset::UNION + 16) as usize).min(8),
            is_write: self.u8_at(offset::UNION + 20) != 0,
        }
    }

    /// `io`.
    pub fn port_access(self) -> PortAccess {
        PortAccess {
            is_write: self.u8_at(offset::UNION) != 0,
            size: usize::from(self.u8_at(offset::UNION + 1)),
            port: self.u16_at(offset::UNION + 2),
            count: self.u32_at(offset::UNION + 4) as usize,
            data_offset: self.u64_at(offset::UNION + 8),
        }
    }

    /// The first word of the reason's part: `hw.hardware_exit_reason`,
    /// `fail_entry.hardware_entry_failure_reason`, `memory_fault.flags`.
    pub fn first_word(self) -> u64 {
        self.u64_at(offset::UNION)
    }

    /// The second word: `memory_fault.gpa`.
    pub fn second_word(self) -> u64 {
        self.u64_at(offset::UNION + 8)
    }

    /// The third word: `memory_fault.size`.
    pub fn third_word(self) -> u64 {
        self.u64_at(offset::UNION + 16)
    }

    /// `internal.suberror` and `system_event.type`.
    pub fn kind(self) -> u32 {
        self.u32_at(offset::UNION)
    }

    /// `internal.data`, as many as there are.
    pub fn internal_data(self) -> impl Iterator<Item = u64> {
        let count = (self.u32_at(offset::UNION + 4) as usize).min(16);
        (0..count).map(move |n| self.u64_at(offset::UNION + 8 + 8 * n))
    }

    /// `hypercall.ret`.
    pub fn set_hypercall_result(self, result: u64) {
        self.set_u64(offset::UNION + 56, result);
    }

    /// The sets that the kernel shows at an exit.
    pub fn set_valid_regs(self, sets: u64) {
        self.set_u64(offset::VALID_REGS, sets);
    }

    /// The sets that the kernel has yet to take over.
    pub fn dirty_regs(self) -> u64 {
        self.u64_at(offset::DIRTY_REGS)
    }

    /// Makes the kernel take over sets at the next entry.
    pub fn set_dirty_regs(self, sets: u64) {
        self.set_u64(offset::DIRTY_REGS, sets);
    }

    /// The registers as the kernel showed them.
    pub fn sync_regs(self) -> SyncRegs {
        // SAFETY: Within the page (`SyncRegs` says that it fits) and aligned;
        // any bits are a value.
        unsafe {
            self.0
                .as_ptr()
                .wrapping_add(offset::SYNC_REGS)
                .cast::<SyncRegs>()
                .read_volatile()
        }
    }

    /// The registers that the kernel is to take over.
    pub fn set_sync_regs(self, regs: &SyncRegs) {
        // SAFETY: As for reading.
        unsafe {
            self.0
                .as_ptr()
                .wrapping_add(offset::SYNC_REGS)
                .cast::<SyncRegs>()
                .write_volatile(*regs)
        };
    }

    /// The data of a port access, if they are within the mapping's first
    /// `limit` bytes.
    pub fn port_data(self, access: &PortAccess, limit: usize) -> Option<*mut u8> {
        let bytes = access.size.checked_mul(access.count)?;
        let start = usize::try_from(access.data_offset).ok()?;
        if start.checked_add(bytes)? > limit {
            return None;
        }
        Some(self.0.as_ptr().wrapping_add(start))
    }
}
