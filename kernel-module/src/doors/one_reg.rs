// SPDX-License-Identifier: GPL-2.0

//! KVM_GET_ONE_REG and KVM_SET_ONE_REG.
//!
//! The vCPU is not loaded during these ioctls, so its registers are in memory.
//! What is set makes the next load write them all.

use kernel::prelude::*;
use kvm_core::csr::{self as model, user_access, Status, UserCsr};
use kvm_core::exit::ExceptionQueue;
use kvm_core::one_reg::{debug_inst, Intent, OneReg};
use la_arch::csr::number as num;
use la_arch::Interrupt;

use crate::cpu::csr;
use crate::cpu::host::host;
use crate::irqchip;
use crate::kvm::error::OrErrno;
use crate::vcpu::resident::Registers;
use crate::vcpu::shared::request;
use crate::vcpu::steal;
use crate::vcpu::Parked;

/// ESTAT and GINTC as saved.
fn status(vcpu: &Registers) -> Status {
    let file = &vcpu.csrs.file;
    Status {
        estat: file.get(num::ESTAT),
        gintc: file.get(num::GINTC),
    }
}

/// Puts the interrupts that were asked for into the saved registers, before user
/// space reads them. What is asked for between this and a write of what it read
/// stays asked for: the line of a device that it raises meanwhile must not be
/// lost (Linux: kvm/vcpu.c _kvm_getcsr delivers, _kvm_setcsr keeps).
pub(crate) fn settle(mut vcpu: Parked<'_>) {
    let shared = vcpu.shared();
    let taken = shared.interrupts.take();
    if taken.is_empty() {
        return;
    }
    let delivery = taken.delivery();
    let csrs = &mut vcpu.registers().csrs;
    let file = &mut csrs.file;
    if delivery.raises_avec() {
        for (number, bits) in (num::MSGIS0..).zip(shared.messages.take()) {
            file.set(number, file.get(number) | bits);
        }
    }
    file.set(num::ESTAT, delivery.estat(file.get(num::ESTAT)));
    file.set(num::GINTC, delivery.gintc(file.get(num::GINTC)));
    csrs.loaded = false;
}

/// Value of register `id`.
pub(crate) fn get(mut vcpu: Parked<'_>, id: u64) -> Result<u64> {
    let cpucfg = &vcpu.registers().cpucfg;
    let register = OneReg::open(id, Intent::Get, cpucfg).or_errno()?;
    Ok(match register {
        OneReg::Csr(number) => {
            // Messages that wait are in ESTAT and in their own registers, whichever of
            // them is read first.
            if matches!(number, num::ESTAT | num::GINTC | num::MSGIS0..num::MSGIR) {
                settle(vcpu.lend());
            }
            get_csr(vcpu.registers(), number)?
        }
        OneReg::Cpucfg(index) => u64::from(cpucfg.get(index).unwrap_or(0)),
        OneReg::Counter => csr::counter().wrapping_add(vcpu.vm().time_offset() as u64),
        OneReg::DebugInst => debug_inst(),
        OneReg::VcpuReset => return Err(EINVAL),
        OneReg::Lbt(register) => vcpu.registers().units.lbt(register),
    })
}

/// Value of CSR `number` as user space sees it, once [`settle`] was called.
pub(crate) fn get_csr(vcpu: &Registers, number: u16) -> Result<u64> {
    let access = user_access(number, host_features()).or_errno()?;
    let file = &vcpu.csrs.file;
    Ok(match access {
        UserCsr::Plain(number) | UserCsr::Counter(number) => file.get(number),
        UserCsr::Cpuid => file.get(num::CPUID),
        UserCsr::Estat => model::get_estat(status(vcpu)),
        UserCsr::Gintc => model::get_gintc(status(vcpu)),
        UserCsr::Ignored => 0,
    })
}

/// What the host decides about CSR numbers.
fn host_features() -> model::CsrFeatures {
    model::CsrFeatures {
        msgint: host().processor.msgint,
        counters: model::COUNTERS,
    }
}

/// Sets register `id`.
pub(crate) fn set(mut vcpu: Parked<'_>, id: u64, value: u64) -> Result {
    let register = OneReg::open(id, Intent::Set, &vcpu.registers().cpucfg).or_errno()?;
    match register {
        OneReg::Csr(number) => set_csr(vcpu, number, value)?,
        OneReg::Cpucfg(index) => set_cpucfg(vcpu, index, value)?,
        // The counter is the board's; the first vCPU sets it for all.
        OneReg::Counter if vcpu.shared().id == 0 => vcpu
            .vm()
            .set_time_offset(value.wrapping_sub(csr::counter()) as i64),
        OneReg::Counter => {}
        OneReg::VcpuReset => reset(vcpu),
        OneReg::DebugInst => return Err(EINVAL),
        OneReg::Lbt(register) => vcpu.registers().units.set_lbt(register, value),
    }
    Ok(())
}

/// Sets CPUCFG word `index`.
pub(crate) fn set_cpucfg(mut vcpu: Parked<'_>, index: u16, value: u64) -> Result {
    let cpucfg = &mut vcpu.registers().cpucfg;
    cpucfg.set(&host().processor, index, value).or_errno()?;
    let msgint = cpucfg.msgint();
    // Which registers are the guest's depends on it.
    vcpu.registers().csrs.loaded = false;
    vcpu.set_msgint(msgint);
    Ok(())
}

/// Sets CSR `number` as user space may.
pub(crate) fn set_csr(mut vcpu: Parked<'_>, number: u16, value: u64) -> Result {
    let access = user_access(number, host_features()).or_errno()?;
    let (shared, vm) = (vcpu.shared(), vcpu.vm());
    let registers = vcpu.registers();
    registers.csrs.loaded = false;
    match access {
        UserCsr::Plain(number) => {
            registers.csrs.file.set(number, value);
            match number {
                num::TCFG => registers.timer.model.set_tcfg(value),
                num::TVAL => registers.timer.model.set_tval(value),
                // QEMU's own controller raises the line first, and the guest may have
                // found no vector then.
                num::MSGIS0..num::MSGIR if value != 0 && shared.has_msgint() => {
                    shared.raise(Interrupt::AVEC);
                }
                _ => {}
            }
        }
        UserCsr::Counter(number) => {
            registers.csrs.file.set(number, value);
            shared.generic.make_request(request::PMU);
        }
        UserCsr::Cpuid => {
            if let Some(id) = vm.set_cpuid(shared, value)? {
                registers.csrs.file.set(num::CPUID, u64::from(id));
            }
        }
        UserCsr::Estat => {
            let msgint = registers.cpucfg.msgint();
            let new = model::set_estat(status(registers), value, msgint);
            store(registers, new);
        }
        UserCsr::Gintc => store(registers, model::set_gintc(status(registers), value)),
        UserCsr::Ignored => {}
    }
    Ok(())
}

/// ESTAT and GINTC are what user space says, with what is asked for since it read
/// them.
fn store(vcpu: &mut Registers, status: Status) {
    vcpu.csrs.file.set(num::ESTAT, status.estat);
    vcpu.csrs.file.set(num::GINTC, status.gintc);
}

/// KVM_REG_LOONGARCH_VCPU_RESET.
fn reset(mut vcpu: Parked<'_>) {
    let shared = vcpu.shared();
    shared.interrupts.reset();
    // What its counters had for it is gone.
    shared.generic.make_request(request::PMU);
    // The registers that they would go to are empty.
    let _ = shared.messages.take();
    irqchip::repeat_lines(shared);
    let registers = vcpu.registers();
    steal::set(&mut registers.steal, shared, None);
    registers.csrs.file.reset(shared.id);
    registers.timer.model.set_tcfg(0);
    registers.timer.model.set_tval(0);
    registers.csrs.loaded = false;
    // GSTAT and with it the GID is gone: another one is needed, or the vCPU would
    // share GID 0 with others. A reset leaves nothing in a TLB either.
    vcpu.gid.drop_entries();
    vcpu.pending_io = None;
    vcpu.exception = ExceptionQueue::new();
}
