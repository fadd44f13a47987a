// SPDX-License-Identifier: GPL-2.0

//! Tokens of a vCPU for the scheduler's notifiers, and for code of a CPU that keeps its registers.

use core::ops::{Deref, DerefMut};

use crate::kvm::atomic::Word;
use crate::kvm::context::IrqOff;
use crate::vcpu::resident::Resident;
use crate::vcpu::shared::Shared;
use crate::vcpu::{kept, Vcpu};

/// A vCPU that comes to a CPU; another may still keep its registers.
pub(crate) struct Arriving<'c>(&'c Vcpu);

impl<'c> Arriving<'c> {
    /// For a door.
    ///
    /// # Safety
    ///
    /// As for [`Notified::new`].
    pub(crate) unsafe fn new(vcpu: &'c Vcpu) -> Self {
        Self(vcpu)
    }

    /// CPUs other than `cpu`, where this runs with interrupts on, keep nothing of the
    /// vCPU from now on. The scheduler never waits here: a thread that was scheduled out
    /// has its registers in memory.
    #[inline]
    pub(crate) fn leave_others(self, cpu: i32) -> Arrived<'c> {
        if self.0.shared.kept_on.read_once() != cpu {
            kept::fetch(&self.0.shared);
        }
        Arrived(self.0)
    }
}

/// A vCPU that comes to this CPU, and of which no other keeps anything.
pub(crate) struct Arrived<'c>(&'c Vcpu);

impl<'c> Arrived<'c> {
    /// The vCPU. What this CPU keeps of it changes no more in `'i`.
    #[inline]
    pub(crate) fn here<'i: 'c>(self, _: IrqOff<'i>) -> Notified<'c> {
        // SAFETY: By `Arriving::new`; other CPUs keep nothing of it, and what this one keeps
        // changes with interrupts on only.
        unsafe { Notified::new(self.0) }
    }
}

/// A vCPU whose thread leaves a CPU or comes to one: a notifier of the scheduler,
/// between two instructions of the thread. What the thread has to itself is not here.
pub(crate) struct Notified<'c> {
    pub(super) vcpu: &'c Vcpu,
    pub(crate) shared: &'c Shared,
    pub(crate) resident: &'c mut Resident,
}

impl<'c> Notified<'c> {
    /// For a door.
    ///
    /// # Safety
    ///
    /// C calls the door as a notifier of the vCPU, with preemption off, in `'c`; or this
    /// CPU keeps the vCPU's registers, with interrupts off.
    pub(crate) unsafe fn new(vcpu: &'c Vcpu) -> Self {
        Self {
            vcpu,
            shared: &vcpu.shared,
            // SAFETY: The thread has preemption off while it uses its `Resident`.
            resident: unsafe { &mut *vcpu.resident.get() },
        }
    }
}

impl Deref for Notified<'_> {
    type Target = Resident;

    fn deref(&self) -> &Resident {
        self.resident
    }
}

impl DerefMut for Notified<'_> {
    fn deref_mut(&mut self) -> &mut Resident {
        self.resident
    }
}
