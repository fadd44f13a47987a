// SPDX-License-Identifier: GPL-2.0-or-later

//! KVM's part of a vCPU's reset (QEMU: kvm_arch_reset_vcpu).

use la_arch::one_reg;

use super::record::Vcpu;
use crate::error::BackendError;
use crate::kvm::abi::MP_STATE_RUNNABLE;
use crate::kvm::vcpu::VcpuFd;
use crate::qemu::cpu::Cpu;

/// Resets it. QEMU resets the rest and then writes the registers.
pub fn reset(cpu: Cpu) -> Result<(), BackendError> {
    VcpuFd::new(cpu).set_one_reg(one_reg::VCPU_RESET, 0)?;
    if let Some(vcpu) = Vcpu::of(cpu) {
        vcpu.set_mp_state(MP_STATE_RUNNABLE);
        vcpu.forget_what_reset_changes();
    }
    Ok(())
}
