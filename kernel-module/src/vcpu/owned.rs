// SPDX-License-Identifier: GPL-2.0

//! The part of a vCPU for the thread that holds its mutex: in every ioctl but
//! KVM_INTERRUPT, and in the whole of KVM_RUN.

use kvm_core::decode::{next_pc, Gpr, IocsrAccess, MmioTransfer};
use kvm_core::exit::{ExceptionQueue, Fault};

use crate::cpu::switch::Switch;
use crate::kvm::slots::HvaCache;
use crate::mmu::TableCache;
use crate::vcpu::vpid::Gid;
use crate::vcpu::{Parked, Running};

/// What waits for user space.
#[derive(Clone, Copy)]
pub(crate) enum PendingIo {
    /// A load of a general register; the data comes in `kvm_run.mmio`.
    Load(Load),
    /// A floating-point or vector load or store; its next piece is in
    /// `kvm_run.mmio`.
    Transfer(MmioTransfer),
    /// An `iocsrrd`; the data comes in `kvm_run.iocsr_io`.
    IocsrRead(IocsrAccess),
    /// A hypercall; the result comes in `kvm_run.hypercall`.
    Hypercall,
}

/// A load of a general register from a device.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    /// Where the data goes.
    pub(crate) register: Gpr,
    /// Bytes: 1, 2, 4 or 8.
    pub(crate) width: u8,
    /// The sign is extended.
    pub(crate) signed: bool,
}

/// The part of a vCPU that is reached through a [`Running`].
#[repr(C)]
pub(crate) struct Owned {
    /// The world switch's.
    pub(crate) switch: Switch,
    /// The exception to raise at the next entry.
    pub(crate) exception: ExceptionQueue,
    /// What waits for user space.
    pub(crate) pending_io: Option<PendingIo>,
    /// The vCPU's number on a CPU.
    pub(crate) gid: Gid,
    /// Pages for stage-2 tables.
    pub(crate) tables: TableCache,
    /// The last memory fault was left unanswered because `mmu_lock` was not free.
    pub(crate) mmu_was_busy: bool,
    /// Where the steal-time record is in the VMM's memory.
    pub(crate) steal_cache: HvaCache,
}

impl Owned {
    /// That of a new vCPU.
    pub(crate) fn new(switch: Switch) -> Self {
        Self {
            switch,
            exception: ExceptionQueue::new(),
            pending_io: None,
            gid: Gid::default(),
            tables: TableCache::default(),
            mmu_was_busy: false,
            steal_cache: HvaCache::default(),
        }
    }

    /// Asks for an exception at the next entry; a second one is dropped, as the
    /// first will make the guest run its instruction again.
    pub(crate) fn queue_exception(&mut self, fault: Fault) {
        self.exception.push(fault);
    }

    /// The instruction that the last exit was of.
    #[inline]
    pub(crate) fn instruction(&self) -> u32 {
        self.switch.badi as u32
    }
}

impl Parked<'_> {
    /// As [`Running::advance`].
    #[inline]
    pub(crate) fn advance(&mut self) {
        self.set_pc(next_pc(self.shared().pc()));
    }
}

impl Running<'_> {
    /// The instruction that the last exit was of is over.
    #[inline]
    pub(crate) fn advance(&mut self) {
        self.set_pc(next_pc(self.shared().pc()));
    }
}
