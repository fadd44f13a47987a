// SPDX-License-Identifier: GPL-2.0-or-later

//! Single steps. KVM has none for LoongArch: its KVM_SET_GUEST_DEBUG accepts
//! the flag, or not, and the guest runs on. So a step is what GDB makes of it on
//! this architecture: breakpoints at all places where the next instruction can
//! be, taken out at the stop. An interrupt or exception that the guest takes
//! in between is part of the step.

use std::sync::atomic::Ordering;

use la_arch::csr::{TlbrEra, number as n};
use la_arch::kvm::guest_debug;

use super::state::{self, Step, Vcpu};
use super::successor::{Machine, successors};
use super::translation::Translation;
use super::{debug, only_operations, synchronise};
use crate::qemu::bql::Bql;
use crate::qemu::cpu::Cpu;
use crate::qemu::debug::{read_word, update_flags, write_word};
use crate::qemu::report;

/// A vCPU's registers and memory, as QEMU has them.
struct Registers<'a> {
    bql: &'a Bql,
    cpu: Cpu,
}

impl Machine for Registers<'_> {
    fn gpr(&self, n: u8) -> u64 {
        self.cpu.gpr(n.into())
    }

    fn cf(&self, n: u8) -> bool {
        self.cpu.cf(n.into())
    }

    fn exception_return(&self) -> u64 {
        let refill = TlbrEra(self.cpu.csr(n::TLBRERA));
        if refill.istlbr() {
            refill.pc() << 2
        } else {
            self.cpu.csr(n::ERA)
        }
    }

    fn word(&self, address: u64) -> Option<u32> {
        read_word(self.bql, self.cpu, address)
    }
}

/// Whether the debugger has any vCPU step.
pub fn any_wanted() -> bool {
    state::any(|vcpu| vcpu.cpu.singlestep())
}

/// When steps begin and when they are over, KVM is told for the vCPUs other than `cpu` too: one of
/// them may come to a step's breakpoint, and without the flag its kernel would answer it as
/// a hypercall and go on behind it, or raise an exception in its user program.
pub fn tell_others(bql: &Bql, cpu: Cpu) {
    let Some(vcpu) = Vcpu::of(cpu) else { return };
    let wanted = any_wanted();
    if vcpu.vm.steps.swap(wanted, Ordering::Relaxed) == wanted {
        return;
    }
    for other in state::cpus().into_iter().filter(|other| *other != cpu) {
        update_flags(bql, other);
    }
}

/// What QEMU asks KVM to do, without what KVM cannot: a step needs software
/// breakpoints instead.
pub fn without_kernel_steps(control: u32) -> u32 {
    if control & guest_debug::SINGLESTEP == 0 {
        return control;
    }
    control & !guest_debug::SINGLESTEP | guest_debug::ENABLE | guest_debug::USE_SW_BP
}

/// Before the vCPU runs, in its thread: prepares the step that QEMU asked for.
/// False if it cannot be made, which was said.
pub fn begin(bql: &Bql, vcpu: &Vcpu) -> bool {
    if !vcpu.cpu.singlestep() || vcpu.step().is_some() {
        return true;
    }
    if only_operations::is_so() {
        // What tells the kernels of all vCPUs, and takes the breakpoints out at a stop, is
        // QEMU's own: the guest runs on, as with it.
        return true;
    }
    synchronise::state(bql, vcpu.cpu);
    let cpu = vcpu.cpu;
    let machine = Registers { bql, cpu };
    let pc = cpu.pc();
    let Some(breakpoint) = debug::instruction(cpu) else {
        report::error("no single steps: the kernel has no software breakpoints");
        return false;
    };
    let Some(word) = machine.word(pc) else {
        report::error(&format!("cannot step from {pc:#x}: no memory there"));
        return false;
    };
    let mut step = Step {
        translation: Translation::behind(cpu, word),
        breakpoints: Vec::new(),
    };
    // A breakpoint of the debugger's is hit before anything is done.
    if word != breakpoint {
        for at in successors(pc, word, &machine) {
            let present = step.translation.of(cpu, || machine.word(at));
            let write = || write_word(bql, cpu, at, breakpoint);
            match present {
                Some(saved) if saved == breakpoint => {}
                Some(saved) if step.translation.of(cpu, write) => {
                    step.breakpoints.push((at, saved));
                }
                _ => {
                    report::error(&format!(
                        "cannot step from {pc:#x}: no memory at {at:#x}, where the next instruction is"
                    ));
                    take_out(bql, cpu, &step);
                    return false;
                }
            }
        }
    }
    log::trace!("vCPU {}: step from {pc:#x}: {step:x?}", cpu.index());
    *vcpu.step() = Some(step);
    true
}

/// The step has ended, or is given up: the guest's memory is as it was.
pub fn end(bql: &Bql, vcpu: &Vcpu) {
    let step = vcpu.step().take();
    if let Some(step) = step {
        take_out(bql, vcpu.cpu, &step);
    }
}

fn take_out(bql: &Bql, cpu: Cpu, step: &Step) {
    let breakpoint = debug::instruction(cpu);
    synchronise::state(bql, cpu);
    // Another process may be on the CPU, or a TLB refill handler.
    step.translation.of(cpu, || {
        for (at, saved) in &step.breakpoints {
            let present = read_word(bql, cpu, *at);
            // The guest may have put something else there, or taken the page away.
            if present.is_some() && present == breakpoint {
                write_word(bql, cpu, *at, *saved);
            }
        }
    });
}

/// Whether a step of any vCPU put a breakpoint at `pc`.
pub fn any_stops_at(pc: u64) -> bool {
    state::any(|vcpu| vcpu.step().as_ref().is_some_and(|step| step.stops_at(pc)))
}
