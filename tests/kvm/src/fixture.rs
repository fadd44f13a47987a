// SPDX-License-Identifier: GPL-2.0-or-later

//! A small guest: RAM at 0 that begins with code, vCPUs that begin there.

use std::sync::Arc;

use la_arch::csr::number as csr;

use crate::device::Irqchip;
use crate::error::Result;
use crate::harness::Outcome;
use crate::memory::Memory;
use crate::system::Kvm;
use crate::vcpu::Vcpu;
use crate::vm::Vm;

/// RAM of the guest in bytes.
pub const RAM: usize = 1 << 20;

/// Where the registers of the PCH-PIC are, as on QEMU's board.
pub const PCH_PIC: u64 = 0x1000_0000;

/// A VM with RAM and vCPUs, ready to run a program.
#[derive(Debug)]
pub struct Guest {
    /// For ioctls of the VM itself.
    pub vm: Vm,
    /// Its RAM.
    pub memory: Arc<Memory>,
    /// Its vCPUs, by number.
    pub vcpus: Vec<Vcpu>,
    /// Its in-kernel interrupt controllers, if it has them.
    pub irqchip: Option<Irqchip>,
}

impl Guest {
    /// One vCPU, no interrupt controllers.
    pub fn new(kvm: &Kvm, code: &[u8]) -> Result<Self> {
        Self::build(kvm, code, 1, false)
    }

    /// This many vCPUs, no interrupt controllers.
    pub fn with_vcpus(kvm: &Kvm, code: &[u8], vcpus: u32) -> Result<Self> {
        Self::build(kvm, code, vcpus, false)
    }

    /// This many vCPUs, and interrupt controllers.
    pub fn with_irqchip(kvm: &Kvm, code: &[u8], vcpus: u32) -> Result<Self> {
        Self::build(kvm, code, vcpus, true)
    }

    fn build(kvm: &Kvm, code: &[u8], vcpus: u32, irqchip: bool) -> Result<Self> {
        let vm = kvm.create_vm()?;
        let irqchip = if irqchip {
            Some(vm.create_irqchip(vcpus, 0, PCH_PIC)?)
        } else {
            None
        };
        let memory = Arc::new(Memory::new(RAM)?);
        memory.write(0, code);
        vm.map(0, 0, &memory, 0)?;
        let vcpus = (0..vcpus)
            .map(|id| {
                let vcpu = vm.create_vcpu(id)?;
                vcpu.start_at(0)?;
                // By this number other vCPUs send interrupts to it.
                vcpu.set_csr(csr::CPUID, id.into())?;
                Ok(vcpu)
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            vm,
            memory,
            vcpus,
            irqchip,
        })
    }

    /// The first vCPU.
    ///
    /// # Panics
    ///
    /// If the guest was made without one.
    #[allow(clippy::panic, reason = "a test that asks for what it did not make")]
    pub fn vcpu(&self) -> &Vcpu {
        match self.vcpus.first() {
            Some(vcpu) => vcpu,
            None => panic!("a guest without vCPU"),
        }
    }

    /// The next report must be this.
    pub fn expect(&self, number: u64, value: u64) -> Outcome {
        let report = self.vcpu().next_report()?;
        crate::ensure_eq!(report, (number, value), "the guest's report");
        Ok(())
    }
}
