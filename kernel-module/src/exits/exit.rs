// SPDX-License-Identifier: GPL-2.0

//! What to do about an exit: [`quick`] with interrupts off, [`handle`] with
//! interrupts on for what may sleep or takes locks that are held with
//! interrupts on.

use kernel::pr_warn_once;
use kernel::prelude::*;
use kvm_core::csr::{emulate, emulate_in_memory, Emulated};
use kvm_core::decode::{csr_access, sensitive, Sensitive};
use kvm_core::exit::{classify, Exit, Fault};
use kvm_core::hypercall::{self, Hypercall};
use la_arch::csr::{Crmd, Estat};
use la_arch::kvm::{guest_debug, hypercall as code};
use la_arch::Interrupt;

use crate::cpu::csr::{self, num};
use crate::exits::mmio;
use crate::kvm::bindings as b;
use crate::kvm::context::{IrqOff, PreemptGuard};
use crate::kvm::generic_vcpu::count;
use crate::kvm::next::{Next, Quick};
use crate::kvm::slots::Srcu;
use crate::mmu::fault::{self, Access, Answer};
use crate::vcpu::fpu;
use crate::vcpu::owned::PendingIo;
use crate::vcpu::shared::request;
use crate::vcpu::steal;
use crate::vcpu::trace::{self, reason};
use crate::vcpu::Running;

/// Whether the exit was a csr* of a register in memory, which is done now. Nothing
/// is looked at that a longer exit would see to: what waits for the vCPU interrupts
/// this CPU as soon as the guest is entered again.
#[inline(always)]
pub(crate) fn csr_in_memory(mut vcpu: Running<'_>, irq_off: IrqOff<'_>) -> bool {
    if classify(vcpu.switch.estat) != Exit::Sensitive {
        return false;
    }
    let Some(access) = csr_access(vcpu.instruction()) else {
        return false;
    };
    if vcpu.shared().counters_lent() || trace::csr_exit_wanted() {
        return false;
    }
    let (owned, resident) = vcpu.split(irq_off.pinned());
    let done = emulate_in_memory(&mut resident.csrs.file, access, &mut owned.switch.gpr);
    if done {
        vcpu.advance();
    }
    done
}

/// Handles an exit with interrupts off: sensitive instructions, accesses to
/// devices, memory that is at hand, hypercalls, first uses of a unit. [`Quick::Later`] for
/// the others, which [`handle`] must finish.
#[inline]
pub(crate) fn quick(mut vcpu: Running<'_>, irq_off: IrqOff<'_>) -> Quick {
    let pinned = irq_off.pinned();
    match classify(vcpu.switch.estat) {
        Exit::Sensitive => gspr(vcpu, irq_off),
        exit @ (Exit::Load | Exit::Store | Exit::Fetch | Exit::Modify) => {
            memory(vcpu, exit, irq_off)
        }
        Exit::Hypercall => Quick::Done(hvcl(vcpu)),
        Exit::FpDisabled => {
            let present = vcpu.resident(pinned).cpucfg.fpu();
            unit(vcpu, present, irq_off)
        }
        Exit::LsxDisabled => {
            let present = vcpu.resident(pinned).cpucfg.lsx();
            unit(vcpu, present, irq_off)
        }
        Exit::LasxDisabled => {
            let present = vcpu.resident(pinned).cpucfg.lasx();
            unit(vcpu, present, irq_off)
        }
        Exit::LbtDisabled => {
            if vcpu.resident(pinned).cpucfg.lbt() {
                fpu::own_lbt(vcpu, irq_off);
            } else {
                not_an_instruction(vcpu);
            }
            Quick::Done(Next::Enter)
        }
        _ => Quick::Later,
    }
}

/// Handles the exit that `vcpu.switch` describes and [`quick`] left.
pub(crate) fn handle(mut vcpu: Running<'_>) -> Result<Next> {
    match classify(vcpu.switch.estat) {
        Exit::Interrupt => count!(&vcpu.shared().generic, int_exits),
        exit @ (Exit::Fetch | Exit::Load | Exit::Store | Exit::Modify) => {
            return slow_memory(vcpu, exit)
        }
        // `quick` leaves `idle` alone of these, its pc moved on.
        Exit::Sensitive => vcpu.halt(),
        Exit::Unexpected(code) => {
            pr_warn_once!("kvm: unexpected exit code {} of a guest\n", code);
            not_an_instruction(vcpu);
        }
        // All done by `quick`.
        Exit::Hypercall
        | Exit::FpDisabled
        | Exit::LsxDisabled
        | Exit::LasxDisabled
        | Exit::LbtDisabled => {}
    }
    Ok(Next::Enter)
}

fn not_an_instruction(mut vcpu: Running<'_>) {
    let word = vcpu.instruction();
    vcpu.queue_exception(Fault::instruction_non_existent(word));
}

/// First use of floating point or vectors since the vCPU came to this CPU.
fn unit(vcpu: Running<'_>, present: bool, irq_off: IrqOff<'_>) -> Quick {
    if present {
        fpu::own(vcpu, irq_off);
    } else {
        not_an_instruction(vcpu);
    }
    Quick::Done(Next::Enter)
}

/// A sensitive instruction; [`Quick::Later`] for an `idle`.
fn gspr(mut vcpu: Running<'_>, irq_off: IrqOff<'_>) -> Quick {
    let word = vcpu.instruction();
    let shared = vcpu.shared();
    trace::exit_gspr(shared, word);
    match sensitive(word) {
        Some(Sensitive::Cpucfg { rd, rj }) => {
            trace::exit_cpucfg(shared, reason::CPUCFG);
            count!(&shared.generic, cpucfg_exits);
            let (owned, resident) = vcpu.split(irq_off.pinned());
            let gprs = &mut owned.switch.gpr;
            let index = rj.read(gprs);
            let value = resident.cpucfg.answer(index, shared.vm().pv());
            rd.write(gprs, value);
            vcpu.advance();
        }
        Some(Sensitive::Csr(access)) => {
            trace::exit_csr(shared, reason::CSR);
            let (owned, resident) = vcpu.split(irq_off.pinned());
            let features = resident.cpucfg.csr_features();
            let file = &mut resident.csrs.file;
            match emulate(file, access, &mut owned.switch.gpr, features) {
                Emulated::Done => vcpu.advance(),
                Emulated::LendCounters => shared.generic.make_request(request::PMU),
            }
        }
        Some(Sensitive::Iocsr(access)) => {
            vcpu.advance();
            return Quick::Done(mmio::iocsr(vcpu, access));
        }
        Some(Sensitive::Idle) => {
            trace::exit_idle(shared, reason::IDLE);
            count!(&shared.generic, idle_exits);
            vcpu.advance();
            return Quick::Later;
        }
        Some(Sensitive::Cacop) => {
            trace::exit_cache(shared, reason::CACHE);
            vcpu.advance();
        }
        None => not_an_instruction(vcpu),
    }
    Quick::Done(Next::Enter)
}

/// Whether a fault was of a fetch. One that hardware reports as a load shows by
/// its address.
fn is_fetch(vcpu: &Running<'_>, exit: Exit, gpa: u64) -> bool {
    exit == Exit::Fetch || (exit == Exit::Load && vcpu.shared().pc() == gpa)
}

/// An access beyond what the VM can address, or a fetch where no memory is.
#[cold]
fn address_error(mut vcpu: Running<'_>, exit: Exit, gpa: u64) {
    let word = vcpu.instruction();
    let fault = if is_fetch(&vcpu, exit, gpa) {
        Fault::fetch_address(word, vcpu.shared().pc())
    } else {
        Fault::refused_access(word, &vcpu.switch.gpr, gpa)
    };
    vcpu.queue_exception(fault);
}

/// What the guest did where a fault in stage-2 translation was.
#[inline]
fn access(vcpu: &Running<'_>, exit: Exit) -> Access {
    Access {
        gpa: vcpu.switch.badv,
        write: exit.is_write() == Some(true),
        modify: exit == Exit::Modify,
    }
}

/// A fault in stage-2 translation: a device, or memory that is at hand. [`Quick::Later`]
/// for memory that the host must be asked for.
#[inline]
fn memory(mut vcpu: Running<'_>, exit: Exit, irq_off: IrqOff<'_>) -> Quick {
    let access = access(&vcpu, exit);
    let vm = vcpu.vm();
    if access.gpa >= vm.gpa_limit {
        address_error(vcpu, exit, access.gpa);
        return Quick::Done(Next::Enter);
    }
    let srcu = Srcu::lock(&vm.kvm);
    let Some(page) = vcpu.page(&srcu, access.gpa) else {
        // A device may take spin locks of the kernel's generic half, such as an eventfd's.
        if cfg!(CONFIG_PREEMPT_RT) {
            return Quick::Later;
        }
        return Quick::Done(no_memory(&srcu, vcpu, exit, access.gpa));
    };
    if fault::quick(vcpu, &page, access, irq_off) {
        Quick::Done(Next::Enter)
    } else {
        Quick::Later
    }
}

/// An access where there is no memory: of a device, unless it is a fetch.
#[inline]
fn no_memory(srcu: &Srcu<'_>, vcpu: Running<'_>, exit: Exit, gpa: u64) -> Next {
    if is_fetch(&vcpu, exit, gpa) {
        address_error(vcpu, exit, gpa);
        return Next::Enter;
    }
    mmio::access(srcu, vcpu, gpa)
}

/// What [`memory`] left.
fn slow_memory(mut vcpu: Running<'_>, exit: Exit) -> Result<Next> {
    let access = access(&vcpu, exit);
    let srcu = Srcu::lock(&vcpu.vm().kvm);
    match fault::slow(&srcu, vcpu.lend(), access) {
        Answer::Mapped => Ok(Next::Enter),
        Answer::NoMemory => Ok(no_memory(&srcu, vcpu, exit, access.gpa)),
        Answer::Failed(error) => Err(error),
    }
}

/// A hypercall.
fn hvcl(mut vcpu: Running<'_>) -> Next {
    let word = vcpu.instruction();
    let (shared, vm) = (vcpu.shared(), vcpu.vm());
    let plv = Crmd(csr::guest_read::<{ num::CRMD }>()).plv() as u8;
    let wanted = guest_debug::ENABLE | guest_debug::USE_SW_BP;
    let breakpoints = vcpu.guest_debug() & wanted == wanted;
    let call = hypercall::decode(word, plv, &vcpu.switch.gpr, vm.pv(), breakpoints);
    match call {
        Hypercall::Ipi(targets) => {
            count!(&shared.generic, hypercall_exits);
            for target in targets {
                if let Some(target) = vm.vcpu_by_cpuid(u64::from(target)) {
                    target.raise(Interrupt::SWI0);
                    // This thread sees it before it enters the guest again.
                    if !core::ptr::eq(target, shared) {
                        target.generic.kick();
                    }
                }
            }
            hypercall::resume(&mut vcpu.switch.gpr, code::SUCCESS);
        }
        Hypercall::StealTime(record) => {
            count!(&shared.generic, hypercall_exits);
            let guard = PreemptGuard::new();
            let steal = &mut vcpu.resident(guard.pinned()).steal;
            steal::set(steal, shared, record);
            hypercall::resume(&mut vcpu.switch.gpr, code::SUCCESS);
        }
        Hypercall::User { args } => {
            count!(&shared.generic, hypercall_exits);
            vcpu.run()
                .ask_hypercall(u64::from(code::USER_SERVICE), args, code::INVALID_CODE);
            vcpu.pending_io = Some(PendingIo::Hypercall);
            return Next::User;
        }
        Hypercall::Breakpoint => {
            vcpu.run().set_exit_reason(b::KVM_EXIT_DEBUG);
            return Next::User;
        }
        Hypercall::Refused(result) => hypercall::resume(&mut vcpu.switch.gpr, result),
        Hypercall::Privilege => {
            vcpu.queue_exception(Fault::instruction_privilege(word));
            return Next::Enter;
        }
    }
    vcpu.advance();
    Next::Enter
}

/// Exception code of the last exit.
#[inline]
pub(crate) fn code(vcpu: &Running<'_>) -> u32 {
    Estat(vcpu.switch.estat).ecode() as u32
}
