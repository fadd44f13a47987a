// SPDX-License-Identifier: GPL-2.0

//! What the scheduler's notifiers have of a vCPU too: they save and load it when its
//! thread leaves a CPU and comes to one, between any two of the thread's instructions
//! as long as preemption is on. So it is reached with preemption off, or while the vCPU
//! is not loaded.

use core::ops::{Deref, DerefMut};

use kernel::prelude::*;
use kvm_core::cpucfg::GuestCpucfg;

use crate::cpu::host::Here;
use crate::vcpu::fpu::Units;
use crate::vcpu::load::Csrs;
use crate::vcpu::steal::Steal;
use crate::vcpu::timer::GuestTimer;

/// The part of a vCPU that belongs to the CPU where it is loaded, or that keeps its registers.
#[repr(C)]
pub(crate) struct Resident {
    /// EENTRY of the host, which differs between CPUs; for the world switch.
    pub(crate) host_eentry: u64,
    /// Where the vCPU is, or was.
    pub(crate) here: Here,
    pub(crate) registers: Registers,
}

/// Registers of a vCPU and what goes with them: all of [`Resident`] that has a meaning
/// while the vCPU is nowhere.
pub(crate) struct Registers {
    /// What the guest's `cpucfg` reads.
    pub(crate) cpucfg: GuestCpucfg,
    /// Steal time.
    pub(crate) steal: Steal,
    /// The guest's timer.
    pub(crate) timer: GuestTimer,
    pub(crate) csrs: Csrs,
    /// Floating point and more.
    pub(crate) units: Units,
}

impl Resident {
    /// That of new vCPU number `id`.
    pub(crate) fn new(id: u32) -> impl Init<Self> {
        init!(Self {
            host_eentry: 0,
            here: Here::nowhere(),
            registers <- init!(Registers {
                cpucfg: GuestCpucfg::default(),
                steal: Steal::new(),
                timer: GuestTimer::new(),
                csrs <- Csrs::new(id),
                units <- pin_init::init_zeroed(),
            }),
        })
    }
}

impl Deref for Resident {
    type Target = Registers;

    #[inline]
    fn deref(&self) -> &Registers {
        &self.registers
    }
}

impl DerefMut for Resident {
    #[inline]
    fn deref_mut(&mut self) -> &mut Registers {
        &mut self.registers
    }
}
