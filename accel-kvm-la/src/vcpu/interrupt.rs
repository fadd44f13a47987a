// SPDX-License-Identifier: GPL-2.0-or-later

//! Interrupt lines of a vCPU with QEMU's own interrupt controllers.

use crate::kvm::IoctlError;
use crate::kvm::vcpu::VcpuFd;
use crate::qemu::cpu::Cpu;

/// Raises or lowers line `irq`: KVM takes a negative number for lowering.
pub fn set(cpu: Cpu, irq: i32, level: bool) -> Result<(), IoctlError> {
    VcpuFd::new(cpu).interrupt(if level { irq } else { irq.wrapping_neg() })
}
