// SPDX-License-Identifier: GPL-2.0

//! Paravirtual features and the features of a VM (Linux: kvm/vm.c
//! kvm_vm_init_features; kvm/vcpu.c kvm_loongarch_cpucfg_set_attr).

use super::{CpucfgError, Host};
use la_arch::kvm::{para, vm_feature};

/// The paravirtual features of a VM: CPUCFG leaf 0x40000004.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PvFeatures {
    bits: u32,
    /// User space has chosen: the other vCPUs must have the same.
    chosen: bool,
}

impl PvFeatures {
    /// All features that exist.
    pub const ALL: u32 = 1 << para::FEATURE_IPI
        | 1 << para::FEATURE_STEAL_TIME
        | 1 << para::FEATURE_PREEMPT
        | 1 << para::FEATURE_VIRT_EXTIOI
        | 1 << para::FEATURE_USER_HCALL;

    /// The features of a new VM. `steal_time`: the host accounts for it
    /// (sched_info_on).
    pub const fn new(steal_time: bool) -> Self {
        let mut bits = 1 << para::FEATURE_IPI;
        if steal_time {
            bits |= 1 << para::FEATURE_STEAL_TIME | 1 << para::FEATURE_PREEMPT;
        }
        PvFeatures {
            bits,
            chosen: false,
        }
    }

    /// As one word, which threads can share without a lock.
    #[inline]
    pub const fn to_word(self) -> u64 {
        self.bits as u64 | (self.chosen as u64) << 32
    }

    /// What [`to_word`](Self::to_word) gave.
    #[inline]
    pub const fn from_word(word: u64) -> Self {
        PvFeatures {
            bits: word as u32,
            chosen: word >> 32 != 0,
        }
    }

    /// The feature bits, as a guest reads them.
    #[inline]
    pub const fn bits(self) -> u32 {
        self.bits
    }

    /// Whether the VM has `feature`, one of `la_arch::kvm::para::FEATURE_*`.
    #[inline]
    pub const fn has(self, feature: u32) -> bool {
        self.bits & 1u32.wrapping_shl(feature) != 0
    }

    /// The features after user space sets them through a vCPU: the first one
    /// chooses, the others must agree. To be done under the VM's lock.
    pub const fn set(self, value: u64) -> Result<Self, CpucfgError> {
        if value & !(Self::ALL as u64) != 0 {
            return Err(CpucfgError::Unsupported);
        }
        let bits = value as u32;
        if self.chosen && bits != self.bits {
            return Err(CpucfgError::Conflict);
        }
        Ok(PvFeatures { bits, chosen: true })
    }
}

/// Bit set of the features that a VM can have, by the attributes
/// `la_arch::kvm::vm_feature`, of which KVM_HAS_DEVICE_ATTR tells. `counters`:
/// GCFG.GPMP, the CPU can lend its performance counters.
pub const fn vm_features(host: &Host, counters: bool, steal_time: bool) -> u64 {
    const fn when(condition: bool, attribute: u64) -> u64 {
        (condition as u64).wrapping_shl(attribute as u32)
    }
    when(host.lsx, vm_feature::LSX)
        | when(host.lasx, vm_feature::LASX)
        | when(host.lbt_x86, vm_feature::X86BT)
        | when(host.lbt_arm, vm_feature::ARMBT)
        | when(host.lbt_mips, vm_feature::MIPSBT)
        | when(host.ptw, vm_feature::PTW)
        | when(host.msgint, vm_feature::MSGINT)
        | when(counters, vm_feature::PMU)
        | when(true, vm_feature::PV_IPI)
        | when(steal_time, vm_feature::PV_STEALTIME)
        | when(steal_time, vm_feature::PV_PREEMPT)
}
