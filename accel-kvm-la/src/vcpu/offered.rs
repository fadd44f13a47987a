// SPDX-License-Identifier: GPL-2.0-or-later

//! What KVM offers a guest on this host.

use bitflags::bitflags;
use la_arch::cpucfg::word2;
use la_arch::kvm::{vcpu_attr, vm_feature};

use crate::kvm::abi::device_type;
use crate::kvm::vcpu::VcpuFd;
use crate::kvm::vm::VmFd;
use crate::qemu::{accelerator, machine};

bitflags! {
    /// What KVM offers a guest on this host.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Features: u32 {
        /// 128-bit vectors.
        const LSX = 1 << 0;
        /// 256-bit vectors.
        const LASX = 1 << 1;
        /// Binary translation: x86, Arm and MIPS.
        const LBT = 1 << 2;
        /// Performance counters.
        const PMU = 1 << 3;
        /// Paravirtual inter-processor interrupts.
        const PV_IPI = 1 << 4;
        /// The guest learns how long its vCPU wanted to run and did not.
        const STEAL_TIME = 1 << 5;
        /// Hardware page table walker.
        const PTW = 1 << 6;
        /// Message interrupts.
        const MSGINT = 1 << 7;
        /// A controller that turns a device's messages into message interrupts: the
        /// kernel's if the other controllers are the kernel's, else QEMU's.
        const DMSINTC = 1 << 8;
    }
}

impl Features {
    /// The bits that KVM allows in CPUCFG2, if it says.
    pub fn cpucfg2_mask(fd: VcpuFd) -> Option<u64> {
        fd.has_attr(vcpu_attr::CPUCFG, 2).ok()?;
        fd.attr(vcpu_attr::CPUCFG, 2).ok()
    }

    /// Asks the VM. Kernels before the VM's attributes show vectors in the mask
    /// of CPUCFG2.
    pub fn probe(fd: VmFd, cpucfg2_mask: Option<u64>) -> Features {
        let has = |attribute| fd.has_attr(vm_feature::GROUP, attribute).is_ok();
        let in_mask = |bit| cpucfg2_mask.is_some_and(|mask| mask & u64::from(bit) != 0);
        let mut features = Features::empty();
        features.set(Features::LSX, has(vm_feature::LSX) || in_mask(word2::LSX));
        features.set(
            Features::LASX,
            has(vm_feature::LASX) || in_mask(word2::LASX),
        );
        features.set(
            Features::LBT,
            has(vm_feature::X86BT) && has(vm_feature::ARMBT) && has(vm_feature::MIPSBT),
        );
        features.set(Features::PMU, has(vm_feature::PMU));
        features.set(Features::PV_IPI, has(vm_feature::PV_IPI));
        features.set(Features::STEAL_TIME, has(vm_feature::PV_STEALTIME));
        features.set(Features::PTW, has(vm_feature::PTW));
        features.set(Features::MSGINT, has(vm_feature::MSGINT));
        let delivers = features.contains(Features::MSGINT) && has_dmsintc(fd);
        features.set(Features::DMSINTC, delivers);
        features
    }
}

/// Whether the board can have a controller that delivers messages to its vCPUs. With
/// the kernel's controllers that one has to be the kernel's too, and a QEMU that does
/// not know it would have the kernel take messages for the EIOINTC's.
fn has_dmsintc(vm: VmFd) -> bool {
    !machine::kernel_irqchip()
        || accelerator::knows_dmsintc() && vm.can_create_device(device_type::DMSINTC).is_ok()
}
