// SPDX-License-Identifier: GPL-2.0-or-later

//! KVM's part of a vCPU's reset (QEMU: kvm_arch_reset_vcpu).

use la_arch::csr::number as n;
use la_arch::{Interrupt, one_reg};

use super::state::Vcpu;
use crate::error::BackendError;
use crate::kvm::abi::MP_STATE_RUNNABLE;
use crate::kvm::vcpu::VcpuFd;
use crate::qemu::cpu::Cpu;

/// ESTAT.IS of what interrupt controllers drive: HWI0 to HWI7, the inter-processor interrupt
/// (Volume 1, 7.4.6), and messages.
const LINES: u64 = Interrupt::LINES | Interrupt::IPI.mask() | Interrupt::AVEC.mask();

/// Resets it. QEMU resets the rest and then writes the registers.
///
/// Interrupt controllers, QEMU's (loongarch_extioi_common_reset_hold,
/// loongarch_ipi_reset_hold) and Linux's alike, forget what waits without lowering
/// their lines, and QEMU's reset of a CPU keeps the lines: one that was up would
/// interrupt the guest for ever. It keeps messages that wait, too. What is raised after this
/// comes to KVM by itself.
pub fn reset(cpu: Cpu) -> Result<(), BackendError> {
    VcpuFd::new(cpu).set_one_reg(one_reg::VCPU_RESET, 0)?;
    cpu.set_csr(n::ESTAT, cpu.csr(n::ESTAT) & !LINES);
    for messages in 0..4 {
        cpu.set_csr(n::MSGIS0 + messages, 0);
    }
    if let Some(vcpu) = Vcpu::of(cpu) {
        vcpu.set_mp_state(MP_STATE_RUNNABLE);
        vcpu.forget_what_reset_changes();
    }
    Ok(())
}
