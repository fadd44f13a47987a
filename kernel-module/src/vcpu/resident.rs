// SPDX-License-Identifier: GPL-2.0

//! What the scheduler's notifiers have of a vCPU too: they save and load it when its
//! thread leaves a CPU and comes to one, between any two of the thread's instructions
//! as long as preemption is on. So it is reached with preemption off, or while the vCPU
//! is not loaded.

use kernel::prelude::*;
use kvm_core::cpucfg::GuestCpucfg;

use crate::cpu::host::{host, PerCpu};
use crate::vcpu::fpu::Units;
use crate::vcpu::load::Csrs;
use crate::vcpu::steal::Steal;
use crate::vcpu::timer::GuestTimer;

/// The part of a vCPU that belongs to the CPU where it is loaded.
#[repr(C)]
pub(crate) struct Resident {
    /// EENTRY of the host, which differs between CPUs; for the world switch.
    pub(crate) host_eentry: u64,
    /// Where the vCPU is, or was.
    pub(crate) here: Here,
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
            here: Here { cpu: -1, percpu: host().any_cpu() },
            cpucfg: GuestCpucfg::default(),
            steal: Steal::new(),
            timer: GuestTimer::new(),
            csrs <- Csrs::new(id),
            units <- pin_init::init_zeroed(),
        })
    }
}

/// Where a vCPU is loaded, or was last.
pub(crate) struct Here {
    /// The CPU's number; -1 before the first time.
    pub(crate) cpu: i32,
    /// Its data; of any CPU before the first time.
    pub(crate) percpu: &'static PerCpu,
}
