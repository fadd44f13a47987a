// SPDX-License-Identifier: GPL-2.0

//! KVM_GET_ONE_REG and KVM_SET_ONE_REG.
//!
//! The vCPU is not loaded during these ioctls, so its registers are in memory.
//! What is set makes the next load write them all.

use kernel::prelude::*;
use kvm_core::csr::{self as model, user_access, Status, UserCsr};
use kvm_core::one_reg::{debug_inst, Intent, Lbt, OneReg};
use la_arch::csr::number as num;

use crate::cpu::host;
use crate::csr;
use crate::irqchip;
use crate::steal;
use crate::vcpu::{flag, request, Vcpu};
use crate::vpid;

fn failure(errno: i32) -> Error {
    Error::from_errno(-errno)
}

/// ESTAT and GINTC as saved.
fn status(vcpu: &Vcpu) -> Status {
    let file = vcpu.csr();
    Status {
        estat: file.get(num::ESTAT),
        gintc: file.get(num::GINTC),
    }
}

/// Puts the interrupts that were asked for into the saved registers, before user
/// space reads them. What is asked for between this and a write of what it read
/// stays asked for: the line of a device that it raises meanwhile must not be
/// lost (Linux: kvm/vcpu.c _kvm_getcsr delivers, _kvm_setcsr keeps).
pub(crate) fn settle(vcpu: &Vcpu) {
    let taken = vcpu.interrupts.take();
    if taken.is_empty() {
        return;
    }
    let delivery = taken.delivery();
    let file = vcpu.csr();
    if delivery.raises_avec() {
        for (number, bits) in (num::MSGIS0..).zip(vcpu.messages.take()) {
            file.set(number, file.get(number) | bits);
        }
    }
    file.set(num::ESTAT, delivery.estat(file.get(num::ESTAT)));
    file.set(num::GINTC, delivery.gintc(file.get(num::GINTC)));
    vcpu.clear_flag(flag::CSR_LOADED);
}

/// Value of register `id`.
pub(crate) fn get(vcpu: &Vcpu, id: u64) -> Result<u64> {
    let register =
        OneReg::open(id, Intent::Get, vcpu.cpucfg()).map_err(|error| failure(error.errno()))?;
    Ok(match register {
        OneReg::Csr(number) => {
            if matches!(number, num::ESTAT | num::GINTC) {
                settle(vcpu);
            }
            get_csr(vcpu, number)?
        }
        OneReg::Cpucfg(index) => u64::from(vcpu.cpucfg().get(index).unwrap_or(0)),
        OneReg::Counter => csr::counter().wrapping_add(vcpu.vm().time_offset() as u64),
        OneReg::DebugInst => debug_inst(),
        OneReg::VcpuReset => return Err(EINVAL),
        OneReg::Lbt(register) => get_lbt(vcpu, register),
    })
}

/// Value of a register of binary translation.
pub(crate) fn get_lbt(vcpu: &Vcpu, register: Lbt) -> u64 {
    let (lbt, fpu) = (vcpu.units.lbt.get(), vcpu.units.fpu.get());
    // SAFETY: The structures are the vCPU's own.
    unsafe {
        match register {
            Lbt::Scr(0) => (*lbt).scr0 as u64,
            Lbt::Scr(1) => (*lbt).scr1 as u64,
            Lbt::Scr(2) => (*lbt).scr2 as u64,
            Lbt::Scr(_) => (*lbt).scr3 as u64,
            Lbt::Eflags => (*lbt).eflags as u64,
            Lbt::Ftop => u64::from((*fpu).ftop),
        }
    }
}

/// Value of CSR `number` as user space sees it, once [`settle`] was called.
pub(crate) fn get_csr(vcpu: &Vcpu, number: u16) -> Result<u64> {
    let access = user_access(number, host_features()).map_err(|error| failure(error.errno()))?;
    Ok(match access {
        UserCsr::Plain(number) | UserCsr::Counter(number) => vcpu.csr().get(number),
        UserCsr::Cpuid => vcpu.csr().get(num::CPUID),
        UserCsr::Estat => model::get_estat(status(vcpu)),
        UserCsr::Gintc => model::get_gintc(status(vcpu)),
        UserCsr::Ignored => 0,
    })
}

/// What the host decides about CSR numbers.
fn host_features() -> model::CsrFeatures {
    model::CsrFeatures {
        msgint: host().processor.msgint,
        counters: 4,
    }
}

/// Sets register `id`.
pub(crate) fn set(vcpu: &Vcpu, id: u64, value: u64) -> Result {
    let register =
        OneReg::open(id, Intent::Set, vcpu.cpucfg()).map_err(|error| failure(error.errno()))?;
    match register {
        OneReg::Csr(number) => set_csr(vcpu, number, value)?,
        OneReg::Cpucfg(index) => set_cpucfg(vcpu, index, value)?,
        // The counter is the board's; the first vCPU sets it for all.
        OneReg::Counter if vcpu.id == 0 => vcpu
            .vm()
            .set_time_offset(value.wrapping_sub(csr::counter()) as i64),
        OneReg::Counter => {}
        OneReg::VcpuReset => reset(vcpu),
        OneReg::DebugInst => return Err(EINVAL),
        OneReg::Lbt(register) => set_lbt(vcpu, register, value),
    }
    Ok(())
}

/// Sets CPUCFG word `index`.
pub(crate) fn set_cpucfg(vcpu: &Vcpu, index: u16, value: u64) -> Result {
    let mut cpucfg = *vcpu.cpucfg();
    cpucfg
        .set(&host().processor, index, value)
        .map_err(|error| failure(error.errno()))?;
    vcpu.set_cpucfg(cpucfg);
    Ok(())
}

/// Sets a register of binary translation, which the vCPU has.
pub(crate) fn set_lbt(vcpu: &Vcpu, register: Lbt, value: u64) {
    let (lbt, fpu) = (vcpu.units.lbt.get(), vcpu.units.fpu.get());
    // SAFETY: The structures are the vCPU's own.
    unsafe {
        match register {
            Lbt::Scr(0) => (*lbt).scr0 = value as _,
            Lbt::Scr(1) => (*lbt).scr1 = value as _,
            Lbt::Scr(2) => (*lbt).scr2 = value as _,
            Lbt::Scr(_) => (*lbt).scr3 = value as _,
            Lbt::Eflags => (*lbt).eflags = value as _,
            Lbt::Ftop => (*fpu).ftop = value as u32,
        }
    }
}

/// Sets CSR `number` as user space may.
pub(crate) fn set_csr(vcpu: &Vcpu, number: u16, value: u64) -> Result {
    let access = user_access(number, host_features()).map_err(|error| failure(error.errno()))?;
    vcpu.clear_flag(flag::CSR_LOADED);
    match access {
        UserCsr::Plain(number) => {
            vcpu.csr().set(number, value);
            let mut timer = vcpu.timer.get();
            match number {
                num::TCFG => timer.set_tcfg(value),
                num::TVAL => timer.set_tval(value),
                _ => return Ok(()),
            }
            vcpu.timer.set(timer);
        }
        UserCsr::Counter(number) => {
            vcpu.csr().set(number, value);
            vcpu.make_request(request::PMU);
        }
        UserCsr::Cpuid => vcpu.vm().set_cpuid(vcpu, value)?,
        UserCsr::Estat => {
            let new = model::set_estat(status(vcpu), value, vcpu.cpucfg().msgint());
            store(vcpu, new);
        }
        UserCsr::Gintc => store(vcpu, model::set_gintc(status(vcpu), value)),
        UserCsr::Ignored => {}
    }
    Ok(())
}

/// ESTAT and GINTC are what user space says, with what is asked for since it read
/// them.
fn store(vcpu: &Vcpu, status: Status) {
    vcpu.csr().set(num::ESTAT, status.estat);
    vcpu.csr().set(num::GINTC, status.gintc);
}

/// KVM_REG_LOONGARCH_VCPU_RESET.
fn reset(vcpu: &Vcpu) {
    vcpu.interrupts.reset();
    // The registers that they would go to are empty.
    let _ = vcpu.messages.take();
    irqchip::repeat_lines(vcpu);
    steal::set(vcpu, None);
    vcpu.csr().reset(vcpu.id);
    // GSTAT and with it the GID is gone: another one is needed, or the vCPU would
    // share GID 0 with others. A reset leaves nothing in a TLB either.
    vpid::drop_entries(vcpu);
    let mut timer = vcpu.timer.get();
    timer.set_tcfg(0);
    timer.set_tval(0);
    vcpu.timer.set(timer);
    vcpu.pending_io.set(None);
    vcpu.exception.set(kvm_core::exit::ExceptionQueue::new());
    vcpu.clear_flag(flag::CSR_LOADED);
}
