// SPDX-License-Identifier: GPL-2.0

//! What to do about an exit: [`quick`] with interrupts off, [`handle`] with
//! interrupts on for what may sleep or takes locks that are held with
//! interrupts on.

use kernel::{pr_warn_once, prelude::*};
use kvm_core::csr::{emulate, emulate_in_memory, Emulated};
use kvm_core::decode::{csr_access, next_pc, sensitive, Sensitive};
use kvm_core::exit::{classify, Exit, Fault};
use kvm_core::hypercall::{self, Hypercall};
use la_arch::csr::{Crmd, Estat};
use la_arch::kvm::{guest_debug, hypercall as code};
use la_arch::Interrupt;

use crate::bindings as b;
use crate::context::IrqOff;
use crate::csr::{self, num};
use crate::fault::{self, Answer};
use crate::fpu;
use crate::interrupt::{self, queue_exception};
use crate::mmio;
use crate::next::{Next, Quick};
use crate::slots::Srcu;
use crate::steal;
use crate::trace::{self, reason};
use crate::vcpu::{flag, request, PendingIo, Vcpu};

/// Whether the exit was a csr* of a register in memory, which is done now. Nothing
/// is looked at that a longer exit would see to: what waits for the vCPU interrupts
/// this CPU as soon as the guest is entered again.
#[inline(always)]
pub(crate) fn csr_in_memory(vcpu: &Vcpu, _: IrqOff<'_>) -> bool {
    if classify(vcpu.switch.estat.get()) != Exit::Sensitive {
        return false;
    }
    let Some(access) = csr_access(vcpu.switch.badi.get() as u32) else {
        return false;
    };
    if vcpu.flag(flag::PMU) || trace::csr_exit_wanted() {
        return false;
    }
    let done = emulate_in_memory(vcpu.csr(), access, vcpu.gprs());
    if done {
        advance(vcpu);
    }
    done
}

/// Handles an exit with interrupts off: sensitive instructions, accesses to
/// devices, memory that is at hand, hypercalls, first uses of a unit. [`Quick::Later`] for
/// the others, which [`handle`] must finish.
#[inline]
pub(crate) fn quick(vcpu: &Vcpu, irq_off: IrqOff<'_>) -> Quick {
    match classify(vcpu.switch.estat.get()) {
        Exit::Sensitive => gspr(vcpu, irq_off),
        exit @ (Exit::Load | Exit::Store | Exit::Fetch | Exit::Modify) => {
            memory(vcpu, exit, irq_off)
        }
        Exit::Hypercall => Quick::Done(hvcl(vcpu)),
        Exit::FpDisabled => unit(vcpu, vcpu.cpucfg().fpu(), irq_off),
        Exit::LsxDisabled => unit(vcpu, vcpu.cpucfg().lsx(), irq_off),
        Exit::LasxDisabled => unit(vcpu, vcpu.cpucfg().lasx(), irq_off),
        Exit::LbtDisabled => {
            if vcpu.cpucfg().lbt() {
                fpu::own_lbt(vcpu, irq_off.pinned());
            } else {
                not_an_instruction(vcpu);
            }
            Quick::Done(Next::Enter)
        }
        _ => Quick::Later,
    }
}

/// Handles the exit that `vcpu.switch` describes and [`quick`] left.
pub(crate) fn handle(vcpu: &Vcpu) -> Result<Next> {
    match classify(vcpu.switch.estat.get()) {
        Exit::Interrupt => {
            let stat = vcpu.stat();
            stat.int_exits = stat.int_exits.wrapping_add(1);
        }
        exit @ (Exit::Fetch | Exit::Load | Exit::Store | Exit::Modify) => return fault(vcpu, exit),
        // `quick` leaves `idle` alone of these, its pc moved on.
        Exit::Sensitive => idle(vcpu),
        Exit::Unexpected(code) => {
            pr_warn_once!("kvm: unexpected exit code {} of a guest\n", code);
            not_an_instruction(vcpu);
        }
        // All done by `quick`.
        _ => {}
    }
    Ok(Next::Enter)
}

fn not_an_instruction(vcpu: &Vcpu) {
    let word = vcpu.switch.badi.get() as u32;
    queue_exception(vcpu, Fault::instruction_non_existent(word));
}

/// First use of floating point or vectors since the vCPU came to this CPU.
fn unit(vcpu: &Vcpu, present: bool, irq_off: IrqOff<'_>) -> Quick {
    if present {
        fpu::own(vcpu, irq_off.pinned());
    } else {
        not_an_instruction(vcpu);
    }
    Quick::Done(Next::Enter)
}

fn advance(vcpu: &Vcpu) {
    vcpu.switch.pc.set(next_pc(vcpu.switch.pc.get()));
}

/// A sensitive instruction; [`Quick::Later`] for an `idle` that must sleep.
fn gspr(vcpu: &Vcpu, irq_off: IrqOff<'_>) -> Quick {
    let word = vcpu.switch.badi.get() as u32;
    let event = |event: fn(u32, u64, u32), reason| event(vcpu.id, vcpu.switch.pc.get(), reason);
    trace::exit_gspr(vcpu.id, word);
    match sensitive(word) {
        Some(Sensitive::Cpucfg { rd, rj }) => {
            event(trace::exit_cpucfg, reason::CPUCFG);
            let stat = vcpu.stat();
            stat.cpucfg_exits = stat.cpucfg_exits.wrapping_add(1);
            let index = rj.read(vcpu.gprs());
            let value = vcpu.cpucfg().answer(index, vcpu.vm().pv());
            rd.write(vcpu.gprs(), value);
            advance(vcpu);
        }
        Some(Sensitive::Csr(access)) => {
            event(trace::exit_csr, reason::CSR);
            let features = vcpu.cpucfg().csr_features();
            match emulate(vcpu.csr(), access, vcpu.gprs(), features) {
                Emulated::Done => advance(vcpu),
                Emulated::LendCounters => vcpu.make_request(request::PMU),
            }
        }
        Some(Sensitive::Iocsr(access)) => {
            advance(vcpu);
            return Quick::Done(mmio::iocsr(vcpu, access));
        }
        Some(Sensitive::Idle) => {
            event(trace::exit_idle, reason::IDLE);
            let stat = vcpu.stat();
            stat.idle_exits = stat.idle_exits.wrapping_add(1);
            advance(vcpu);
            if !interrupt::is_pending(vcpu, irq_off.pinned()) {
                return Quick::Later;
            }
        }
        Some(Sensitive::Cacop) => {
            event(trace::exit_cache, reason::CACHE);
            advance(vcpu);
        }
        None => not_an_instruction(vcpu),
    }
    Quick::Done(Next::Enter)
}

/// Waits until an interrupt is pending. None was when the guest was left.
fn idle(vcpu: &Vcpu) {
    // SAFETY: On the vCPU's thread, which may sleep. It checks again.
    unsafe { b::kvm_vcpu_halt(vcpu.kvm_vcpu) };
}

/// Whether a fault was of a fetch. One that hardware reports as a load shows by
/// its address.
fn is_fetch(vcpu: &Vcpu, exit: Exit, gpa: u64) -> bool {
    exit == Exit::Fetch || (exit == Exit::Load && vcpu.switch.pc.get() == gpa)
}

/// An access beyond what the VM can address, or a fetch where no memory is.
#[cold]
fn address_error(vcpu: &Vcpu, exit: Exit, gpa: u64) {
    let word = vcpu.switch.badi.get() as u32;
    let fault = if is_fetch(vcpu, exit, gpa) {
        Fault::fetch_address(word, vcpu.switch.pc.get())
    } else {
        Fault::refused_access(word, vcpu.gprs(), gpa)
    };
    queue_exception(vcpu, fault);
}

/// A fault in stage-2 translation: a device, or memory that is at hand. [`Quick::Later`]
/// for memory that the host must be asked for.
#[inline]
fn memory(vcpu: &Vcpu, exit: Exit, irq_off: IrqOff<'_>) -> Quick {
    let gpa = vcpu.switch.badv.get();
    if gpa >= vcpu.vm().gpa_limit {
        address_error(vcpu, exit, gpa);
        return Quick::Done(Next::Enter);
    }
    let srcu = Srcu::lock(vcpu);
    let Some(slot) = srcu.slot(gpa) else {
        return Quick::Done(no_memory(&srcu, exit, gpa));
    };
    let write = exit.is_write() == Some(true);
    if fault::quick(vcpu, &slot, gpa, write, exit == Exit::Modify, irq_off) {
        Quick::Done(Next::Enter)
    } else {
        Quick::Later
    }
}

/// An access where there is no memory: of a device, unless it is a fetch.
#[inline]
fn no_memory(srcu: &Srcu<'_>, exit: Exit, gpa: u64) -> Next {
    if is_fetch(srcu.vcpu(), exit, gpa) {
        address_error(srcu.vcpu(), exit, gpa);
        return Next::Enter;
    }
    mmio::access(srcu, gpa)
}

/// What [`memory`] left.
fn fault(vcpu: &Vcpu, exit: Exit) -> Result<Next> {
    let gpa = vcpu.switch.badv.get();
    let write = exit.is_write() == Some(true);
    let srcu = Srcu::lock(vcpu);
    match fault::fault(&srcu, gpa, write, exit == Exit::Modify) {
        Answer::Mapped => Ok(Next::Enter),
        Answer::NoMemory => Ok(no_memory(&srcu, exit, gpa)),
        Answer::Failed(error) => Err(error),
    }
}

/// A hypercall.
fn hvcl(vcpu: &Vcpu) -> Next {
    let word = vcpu.switch.badi.get() as u32;
    let plv = Crmd(csr::guest_read::<{ num::CRMD }>()).plv() as u8;
    // SAFETY: A word of a live vCPU, changed under its mutex.
    let debug = unsafe { (*vcpu.kvm_vcpu).guest_debug } as u32;
    let wanted = guest_debug::ENABLE | guest_debug::USE_SW_BP;
    let breakpoints = debug & wanted == wanted;
    let call = hypercall::decode(word, plv, vcpu.gprs(), vcpu.vm().pv(), breakpoints);
    let stat = vcpu.stat();
    match call {
        Hypercall::Ipi(targets) => {
            stat.hypercall_exits = stat.hypercall_exits.wrapping_add(1);
            for target in targets {
                if let Some(target) = vcpu.vm().vcpu_by_cpuid(u64::from(target)) {
                    target.raise(Interrupt::SWI0);
                    // This thread sees it before it enters the guest again.
                    if !core::ptr::eq(target, vcpu) {
                        target.kick();
                    }
                }
            }
            hypercall::resume(vcpu.gprs(), code::SUCCESS);
        }
        Hypercall::StealTime(record) => {
            stat.hypercall_exits = stat.hypercall_exits.wrapping_add(1);
            steal::set(vcpu, record);
            hypercall::resume(vcpu.gprs(), code::SUCCESS);
        }
        Hypercall::User { args } => {
            stat.hypercall_exits = stat.hypercall_exits.wrapping_add(1);
            vcpu.run()
                .ask_hypercall(u64::from(code::USER_SERVICE), args, code::INVALID_CODE);
            vcpu.pending_io.set(Some(PendingIo::Hypercall));
            return Next::User;
        }
        Hypercall::Breakpoint => {
            vcpu.run().set_exit_reason(b::KVM_EXIT_DEBUG);
            return Next::User;
        }
        Hypercall::Refused(result) => hypercall::resume(vcpu.gprs(), result),
        Hypercall::Privilege => {
            queue_exception(vcpu, Fault::instruction_privilege(word));
            return Next::Enter;
        }
    }
    advance(vcpu);
    Next::Enter
}

/// Exception code of the last exit.
#[inline]
pub(crate) fn code(vcpu: &Vcpu) -> u32 {
    Estat(vcpu.switch.estat.get()).ecode() as u32
}
