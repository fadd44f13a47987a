// SPDX-License-Identifier: GPL-2.0

//! KVM_CHECK_EXTENSION: the capabilities that are the architecture's.

use crate::cpu::host;
use crate::doors::ioctl::GUEST_DEBUG;
use crate::kvm::bindings as b;
use crate::kvm::bindings::constant as c;
use crate::kvm::user::has_run_delay;

/// kvm_vm_ioctl_check_extension: KVM_CHECK_EXTENSION of what is ours; `kvm` is
/// null on /dev/kvm.
pub(crate) fn check_extension(_: *mut b::kvm, extension: isize) -> i32 {
    let Ok(extension) = u32::try_from(extension) else {
        return 0;
    };
    match extension {
        b::KVM_CAP_IRQCHIP
        | b::KVM_CAP_ONE_REG
        | b::KVM_CAP_ENABLE_CAP
        | b::KVM_CAP_READONLY_MEM
        | b::KVM_CAP_IMMEDIATE_EXIT
        | b::KVM_CAP_IOEVENTFD
        | b::KVM_CAP_VCPU_ATTRIBUTES
        | b::KVM_CAP_IRQFD_RESAMPLE
        | b::KVM_CAP_PRE_FAULT_MEMORY
        | b::KVM_CAP_SET_GUEST_DEBUG => 1,
        // A bit for each KVM_MP_STATE_*; upstream, which has RUNNABLE (0)
        // alone, answers 1.
        b::KVM_CAP_MP_STATE => 1 << b::KVM_MP_STATE_RUNNABLE | 1 << b::KVM_MP_STATE_STOPPED,
        b::KVM_CAP_SET_GUEST_DEBUG2 => GUEST_DEBUG as i32,
        b::KVM_CAP_SYNC_REGS => la_arch::sync_regs::ALL as i32,
        b::KVM_CAP_STEAL_TIME => i32::from(has_run_delay()),
        b::KVM_CAP_NR_VCPUS => host::online().min(b::KVM_MAX_VCPUS) as i32,
        b::KVM_CAP_MAX_VCPUS => b::KVM_MAX_VCPUS as i32,
        b::KVM_CAP_MAX_VCPU_ID => c::KVM_MAX_VCPU_IDS as i32,
        b::KVM_CAP_NR_MEMSLOTS => c::KVM_USER_MEM_SLOTS as i32,
        _ => 0,
    }
}
