// SPDX-License-Identifier: GPL-2.0-or-later

//! What is asked once a VM and then known for all its vCPUs.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use la_arch::one_reg;
use parking_lot::Mutex;

use super::offered::Features;
use crate::kvm::abi::capability;
use crate::kvm::system::System;
use crate::kvm::vcpu::VcpuFd;
use crate::kvm::vm::VmFd;
use crate::qemu::accelerator::Accelerator;
use crate::qemu::bql::Bql;
use crate::qemu::cpu::Cpu;
use crate::qemu::memory::Space;
use crate::regs::Kernel;

/// KVM's file descriptor of the machine, and what was found out about it.
#[derive(Debug)]
pub struct Vm {
    accelerator: Accelerator,
    /// Its file descriptor.
    pub fd: VmFd,
    sync_regs: bool,
    mp_state: bool,
    probed: OnceLock<(Features, Kernel)>,
    breakpoint: OnceLock<Option<u32>>,
    iocsr: OnceLock<Option<Space>>,
    /// Indices of vCPUs that the kernel has made.
    seen: Mutex<HashSet<i32>>,
    /// The counter when the VM stopped, as the first vCPU read it.
    pub stopped_counter: Mutex<Option<u64>>,
    no_irqchip: AtomicBool,
    /// The vCPUs' debug flags have those of a step.
    pub steps: AtomicBool,
}

static CURRENT: Mutex<Option<Arc<Vm>>> = Mutex::new(None);

impl Vm {
    /// The VM of the accelerator, made at the first call.
    pub fn open(accelerator: Accelerator) -> Arc<Vm> {
        let mut current = CURRENT.lock();
        if let Some(vm) = current.as_ref().filter(|vm| vm.accelerator == accelerator) {
            return vm.clone();
        }
        let system = System::new(accelerator);
        let fd = VmFd::new(accelerator);
        let sets = system.check_extension(capability::SYNC_REGS) as u64;
        let vm = Arc::new(Vm {
            accelerator,
            fd,
            sync_regs: sets & la_arch::sync_regs::ALL == la_arch::sync_regs::ALL,
            mp_state: system.check_extension(capability::MP_STATE) != 0,
            probed: OnceLock::new(),
            breakpoint: OnceLock::new(),
            iocsr: OnceLock::new(),
            seen: Mutex::default(),
            stopped_counter: Mutex::default(),
            no_irqchip: AtomicBool::new(false),
            steps: AtomicBool::new(false),
        });
        log::info!(
            "serving a VM; registers {} the run page",
            if vm.sync_regs {
                "through"
            } else {
                "not through"
            }
        );
        *current = Some(vm.clone());
        vm
    }

    /// The VM of QEMU's accelerator, if it has one.
    pub fn current() -> Option<Arc<Vm>> {
        Accelerator::current().map(Vm::open)
    }

    /// What the host has, asked of the first vCPU.
    pub fn features(&self, fd: VcpuFd) -> Features {
        self.probe(fd).0
    }

    /// What the kernel has.
    pub fn kernel(&self, fd: VcpuFd) -> &Kernel {
        &self.probe(fd).1
    }

    fn probe(&self, fd: VcpuFd) -> &(Features, Kernel) {
        self.probed.get_or_init(|| {
            let cpucfg2_mask = Features::cpucfg2_mask(fd);
            let features = Features::probe(self.fd, cpucfg2_mask);
            log::debug!("KVM offers {features:?}, CPUCFG2 mask {cpucfg2_mask:#x?}");
            let msgint = features.contains(Features::MSGINT);
            (
                features,
                Kernel::new(self.sync_regs, self.mp_state, msgint, cpucfg2_mask),
            )
        })
    }

    /// Notes that the kernel has vCPU `index`. True if it did not have it
    /// before: an unplugged vCPU is kept and used again.
    pub fn is_new(&self, index: i32) -> bool {
        self.seen.lock().insert(index)
    }

    /// The instruction that serves as a breakpoint, if KVM has one.
    pub fn breakpoint(&self, fd: VcpuFd) -> Option<u32> {
        *self
            .breakpoint
            .get_or_init(|| match fd.one_reg(one_reg::DEBUG_INST) {
                Ok(instruction) => Some(instruction as u32),
                Err(error) => {
                    log::debug!("no software breakpoints: {error}");
                    None
                }
            })
    }

    /// The address space of IOCSR registers; made at the first vCPU, since the
    /// exits that need it come without the BQL.
    pub fn make_iocsr(&self, bql: &Bql, cpu: Cpu) {
        let space = self.iocsr.get_or_init(|| Space::iocsr(bql, cpu));
        if space.is_none() {
            log::warn!("the machine has no IOCSR registers");
        }
    }

    /// The address space of IOCSR registers.
    pub fn iocsr(&self) -> Option<Space> {
        self.iocsr.get().copied().flatten()
    }

    /// The kernel lacks the interrupt controllers that it was asked for.
    pub fn set_no_irqchip(&self) {
        self.no_irqchip.store(true, Ordering::Relaxed);
    }

    /// Whether it lacks them, once.
    pub fn take_no_irqchip(&self) -> bool {
        self.no_irqchip.swap(false, Ordering::Relaxed)
    }
}
