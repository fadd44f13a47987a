// SPDX-License-Identifier: GPL-2.0-or-later

//! Debugging the guest: software breakpoints; steps are made of them
//! (`step.rs`). Hardware breakpoints are not in KVM's interface for LoongArch.

use la_arch::kvm::guest_debug;

use super::state::{Authority, Vcpu};
use super::step;
use crate::error::BackendError;
use crate::qemu::bql::Bql;
use crate::qemu::cpu::Cpu;
use crate::qemu::debug::{has_breakpoint, has_breakpoints, read_word, write_word};
use crate::qemu::report;

/// Whether a debug exit is the debugger's. Only the program counter is needed
/// to know, and QEMU has it afterwards; the rest is read when QEMU asks for it.
pub fn is_ours(vcpu: &Vcpu) -> Result<bool, BackendError> {
    if vcpu.authority() == Authority::Kvm {
        let regs = vcpu.fd.regs()?;
        vcpu.cpu.set_pc(regs.pc);
    }
    let pc = vcpu.cpu.pc();
    // If a vCPU comes to the breakpoint of another one's step, the debugger is told too:
    // it knows threads that run into each other's steps.
    Ok(vcpu.cpu.singlestep() || has_breakpoint(vcpu.cpu, pc) || step::any_stops_at(pc))
}

/// The flags for KVM_SET_GUEST_DEBUG, from those that QEMU begins with. It is
/// called when the debugger begins a step and when it ends or gives up one.
pub fn control_flags(bql: &Bql, cpu: Cpu, control: u32) -> u32 {
    if !cpu.singlestep()
        && let Some(vcpu) = Vcpu::of(cpu)
    {
        step::end(bql, &vcpu);
    }
    step::tell_others(bql, cpu);
    let control = step::without_kernel_steps(control);
    if has_breakpoints(bql, cpu) || step::any_wanted() {
        control | guest_debug::ENABLE | guest_debug::USE_SW_BP
    } else {
        control
    }
}

/// The instruction that serves as a breakpoint, if there is one.
pub fn instruction(cpu: Cpu) -> Option<u32> {
    let vcpu = Vcpu::of(cpu)?;
    vcpu.vm.breakpoint(vcpu.fd)
}

/// Puts a breakpoint at `pc` and returns what was there.
pub fn insert(bql: &Bql, cpu: Cpu, pc: u64) -> Option<u32> {
    let Some(breakpoint) = instruction(cpu) else {
        report::error(
            "no software breakpoints: the kernel does not know KVM_REG_LOONGARCH_DEBUG_INST; \
             Linux 6.10 or later is needed",
        );
        return None;
    };
    let saved = read_word(bql, cpu, pc);
    match saved {
        Some(saved) if write_word(bql, cpu, pc, breakpoint) => Some(saved),
        _ => {
            report::error(&format!(
                "cannot put a breakpoint at {pc:#x}: no memory there"
            ));
            None
        }
    }
}

/// Puts back what was at `pc`, if a breakpoint is there.
pub fn remove(bql: &Bql, cpu: Cpu, pc: u64, saved: u32) -> bool {
    let present = read_word(bql, cpu, pc);
    if present.is_none() || present != instruction(cpu) {
        report::error(&format!("no breakpoint at {pc:#x} to remove"));
        return false;
    }
    if !write_word(bql, cpu, pc, saved) {
        report::error(&format!(
            "cannot remove the breakpoint at {pc:#x}: no memory there"
        ));
        return false;
    }
    true
}
