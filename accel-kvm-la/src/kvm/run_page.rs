// SPDX-License-Identifier: GPL-2.0-or-later

//! `struct kvm_run`, which a vCPU shares with the kernel (Linux:
//! include/uapi/linux/kvm.h). Each access is one volatile load or store of a
//! known offset; the kernel and a signal handler write the page too.

use std::ptr::NonNull;

use la_arch::sync_regs::SyncRegs;

use super::abi::exit_reason;
use crate::qemu::cpu::Cpu;

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
    /// Where the union of registers ends, and `struct kvm_run` with it.
    pub const END: usize = SYNC_REGS + 2048;
}

/// The mapped page of a vCPU, for its own thread.
#[derive(Debug)]
pub struct RunPage(NonNull<u8>);

macro_rules! accessors {
    ($( $get:ident, $set:ident: $type:ty; )*) => {
        $(
            pub(super) fn $get(&self, offset: usize) -> $type {
                // SAFETY: The page is mapped (`of`); all offsets here are
                // within it and aligned.
                unsafe { self.0.as_ptr().wrapping_add(offset).cast::<$type>().read_volatile() }
            }

            #[allow(dead_code)]
            fn $set(&self, offset: usize, value: $type) {
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

    /// The page of `cpu`; none before `kvm_init_vcpu` and after `kvm_destroy_vcpu`.
    pub fn of(cpu: Cpu) -> Option<RunPage> {
        // QEMU maps it before the vCPU's first use and unmaps it when the vCPU is
        // destroyed, which ends its thread's use.
        NonNull::new(cpu.kvm_run().cast()).map(RunPage)
    }

    /// The same page, for an exit that borrows it.
    pub(super) fn again(&mut self) -> RunPage {
        RunPage(self.0)
    }

    /// Bytes of the vCPU's mapping, which begins with the page.
    #[inline]
    pub(super) fn bytes_mut(&mut self, offset: usize, length: usize) -> &mut [u8] {
        // SAFETY: The callers stay within the mapping, where the kernel and signal
        // handlers write nothing but `immediate_exit` before the next KVM_RUN.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_ptr().wrapping_add(offset), length) }
    }

    /// Eight bytes of the page.
    #[inline]
    pub(super) fn data_mut(&mut self, offset: usize) -> &mut [u8; 8] {
        // SAFETY: As for `bytes_mut`.
        unsafe { &mut *self.0.as_ptr().wrapping_add(offset).cast() }
    }

    /// Aligned words of the page.
    pub(super) fn words(&self, offset: usize, count: usize) -> &[u64] {
        // SAFETY: As for `bytes_mut`; any bits are a value.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().wrapping_add(offset).cast(), count) }
    }

    /// An aligned word of the page.
    pub(super) fn word_mut(&mut self, offset: usize) -> &mut u64 {
        // SAFETY: As for `bytes_mut`; any bits are a value.
        unsafe { &mut *self.0.as_ptr().wrapping_add(offset).cast() }
    }

    /// Makes the next KVM_RUN complete what is pending and return, or not.
    pub fn set_immediate_exit(&self, exit: bool) {
        self.set_u8(offset::IMMEDIATE_EXIT, u8::from(exit));
    }

    /// Has the next KVM_RUN complete nothing.
    pub fn forget_exit(&self) {
        self.set_u32(offset::EXIT_REASON, exit_reason::INTR);
    }

    /// Why KVM_RUN returned.
    pub fn exit_reason(&self) -> u32 {
        self.u32_at(offset::EXIT_REASON)
    }

    /// The sets that the kernel shows at an exit.
    pub fn set_valid_regs(&self, sets: u64) {
        self.set_u64(offset::VALID_REGS, sets);
    }

    /// The sets that the kernel has yet to take over.
    pub fn dirty_regs(&self) -> u64 {
        self.u64_at(offset::DIRTY_REGS)
    }

    /// Makes the kernel take over sets at the next entry.
    pub fn set_dirty_regs(&self, sets: u64) {
        self.set_u64(offset::DIRTY_REGS, sets);
    }

    /// The registers as the kernel showed them.
    pub fn sync_regs(&self) -> SyncRegs {
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
    pub fn set_sync_regs(&self, regs: &SyncRegs) {
        // SAFETY: As for reading.
        unsafe {
            self.0
                .as_ptr()
                .wrapping_add(offset::SYNC_REGS)
                .cast::<SyncRegs>()
                .write_volatile(*regs)
        };
    }
}
