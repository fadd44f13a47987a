// SPDX-License-Identifier: GPL-2.0-or-later

//! `struct kvm_run`: what KVM_RUN and user space tell each other.

use std::mem::offset_of;
use std::os::fd::BorrowedFd;

use la_arch::sync_regs::{SyncFpu, SyncLbt, SyncRegs};

use crate::error::Result;
use crate::sys::Mapping;

/// Offsets in struct kvm_run.
mod at {
    pub(super) const IMMEDIATE_EXIT: usize = 1;
    pub(super) const EXIT_REASON: usize = 8;
    /// The union of what the exits say.
    pub(super) const EXIT: usize = 32;
    pub(super) const VALID_REGS: usize = 288;
    pub(super) const DIRTY_REGS: usize = 296;
    pub(super) const REGS: usize = 304;
}

/// Why KVM_RUN came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// KVM_EXIT_DEBUG: a software breakpoint.
    Debug,
    /// KVM_EXIT_HYPERCALL: the guest wants a service of user space.
    Hypercall {
        /// The code of `hvcl`.
        number: u64,
        /// a0 to a5.
        arguments: [u64; 6],
    },
    /// KVM_EXIT_MMIO: the guest reads or writes where it has no RAM.
    Mmio(Access),
    /// KVM_EXIT_LOONGARCH_IOCSR: the guest reads or writes an IOCSR.
    Iocsr(Access),
    /// KVM_EXIT_INTR: a signal.
    Interrupted,
    /// KVM_EXIT_INTERNAL_ERROR.
    InternalError(u32),
    /// Any other.
    Other(u32),
}

/// A guest's access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Guest-physical.
    pub address: u64,
    /// Length in bytes.
    pub length: u32,
    /// What it wrote, if it wrote.
    pub written: Option<u64>,
}

/// A vCPU's shared page.
#[derive(Debug)]
pub struct RunPage(Mapping);

impl RunPage {
    pub(crate) fn new(mapping: Mapping) -> Self {
        Self(mapping)
    }

    /// The page of a vCPU whose VM is another process's.
    pub fn of(vcpu: BorrowedFd<'_>, size: usize) -> Result<Self> {
        Mapping::new(size, Some(vcpu)).map(Self)
    }

    /// What the last KVM_RUN came back for.
    pub fn exit(&self) -> Exit {
        match self.u32(at::EXIT_REASON) {
            3 => Exit::Hypercall {
                number: self.0.read_u64(at::EXIT),
                arguments: std::array::from_fn(|i| self.0.read_u64(at::EXIT + 8 + 8 * i)),
            },
            4 => Exit::Debug,
            6 => Exit::Mmio(self.access()),
            10 => Exit::Interrupted,
            17 => Exit::InternalError(self.u32(at::EXIT)),
            38 => Exit::Iocsr(self.access()),
            reason => Exit::Other(reason),
        }
    }

    fn access(&self) -> Access {
        let length = self.u32(at::EXIT + 16);
        let mut written = [0];
        self.0.read(at::EXIT + 20, &mut written);
        let data = self.0.read_u64(at::EXIT + 8);
        // Bytes behind the length are whatever was there.
        let unused = 64 - 8 * length.min(8);
        let data = data
            .checked_shl(unused)
            .unwrap_or(0)
            .checked_shr(unused)
            .unwrap_or(0);
        Access {
            address: self.0.read_u64(at::EXIT),
            length,
            written: (written != [0]).then_some(data),
        }
    }

    /// What the guest's read gives.
    pub fn answer_read(&self, data: u64) {
        self.0.write_u64(at::EXIT + 8, data);
    }

    /// What the guest's hypercall returns.
    pub fn answer_hypercall(&self, result: u64) {
        self.0.write_u64(at::EXIT + 56, result);
    }

    /// Whether the next KVM_RUN only finishes what is pending.
    pub fn set_immediate_exit(&self, on: bool) {
        self.0.write(at::IMMEDIATE_EXIT, &[on.into()]);
    }

    /// Which register sets KVM_RUN shows here (KVM_CAP_SYNC_REGS).
    pub fn set_valid_regs(&self, sets: u64) {
        self.0.write_u64(at::VALID_REGS, sets);
    }

    /// Which register sets KVM_RUN takes from here.
    pub fn set_dirty_regs(&self, sets: u64) {
        self.0.write_u64(at::DIRTY_REGS, sets);
    }

    /// Which register sets KVM_RUN has still to take.
    pub fn dirty_regs(&self) -> u64 {
        self.0.read_u64(at::DIRTY_REGS)
    }

    /// The registers that are here.
    pub fn regs(&self) -> SyncRegs {
        let long = |offset: usize| self.0.read_u64(at::REGS + offset);
        let word = |offset: usize| self.u32(at::REGS + offset);
        SyncRegs {
            gpr: std::array::from_fn(|i| long(offset_of!(SyncRegs, gpr) + 8 * i)),
            pc: long(offset_of!(SyncRegs, pc)),
            csr: std::array::from_fn(|i| long(offset_of!(SyncRegs, csr) + 8 * i)),
            csr_dirty: long(offset_of!(SyncRegs, csr_dirty)),
            cpucfg: std::array::from_fn(|i| word(offset_of!(SyncRegs, cpucfg) + 4 * i)),
            pad: word(offset_of!(SyncRegs, pad)),
            counters: std::array::from_fn(|i| long(offset_of!(SyncRegs, counters) + 8 * i)),
            lbt: SyncLbt {
                scr: std::array::from_fn(|i| long(offset_of!(SyncRegs, lbt.scr) + 8 * i)),
                eflags: long(offset_of!(SyncRegs, lbt.eflags)),
                ftop: long(offset_of!(SyncRegs, lbt.ftop)),
            },
            fpu: SyncFpu {
                fcsr: word(offset_of!(SyncRegs, fpu.fcsr)),
                pad: word(offset_of!(SyncRegs, fpu.pad)),
                fcc: long(offset_of!(SyncRegs, fpu.fcc)),
                fpr: std::array::from_fn(|n| {
                    let register = offset_of!(SyncRegs, fpu.fpr) + 32 * n;
                    std::array::from_fn(|lane| long(register + 8 * lane))
                }),
            },
        }
    }

    /// Puts registers here.
    pub fn set_regs(&self, regs: &SyncRegs) {
        let put = |offset: usize, values: &[u64]| {
            for (i, value) in values.iter().enumerate() {
                self.0.write_u64(at::REGS + offset + 8 * i, *value);
            }
        };
        let put_words = |offset: usize, values: &[u32]| {
            for (i, value) in values.iter().enumerate() {
                self.0
                    .write(at::REGS + offset + 4 * i, &value.to_le_bytes());
            }
        };
        put(offset_of!(SyncRegs, gpr), &regs.gpr);
        put(offset_of!(SyncRegs, pc), &[regs.pc]);
        put(offset_of!(SyncRegs, csr), &regs.csr);
        put(offset_of!(SyncRegs, csr_dirty), &[regs.csr_dirty]);
        put_words(offset_of!(SyncRegs, cpucfg), &regs.cpucfg);
        put_words(offset_of!(SyncRegs, pad), &[regs.pad]);
        put(offset_of!(SyncRegs, counters), &regs.counters);
        put(offset_of!(SyncRegs, lbt.scr), &regs.lbt.scr);
        put(
            offset_of!(SyncRegs, lbt.eflags),
            &[regs.lbt.eflags, regs.lbt.ftop],
        );
        put_words(
            offset_of!(SyncRegs, fpu.fcsr),
            &[regs.fpu.fcsr, regs.fpu.pad],
        );
        put(offset_of!(SyncRegs, fpu.fcc), &[regs.fpu.fcc]);
        put(offset_of!(SyncRegs, fpu.fpr), regs.fpu.fpr.as_flattened());
    }

    fn u32(&self, offset: usize) -> u32 {
        let mut bytes = [0; 4];
        self.0.read(offset, &mut bytes);
        u32::from_le_bytes(bytes)
    }
}

/// An exit that a program does not expect.
#[derive(Debug)]
pub struct Unexpected(pub Exit);

impl std::fmt::Display for Unexpected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KVM_RUN came back with {:x?}", self.0)
    }
}

impl std::error::Error for Unexpected {}
