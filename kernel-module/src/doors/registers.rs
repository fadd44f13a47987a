// SPDX-License-Identifier: GPL-2.0

//! KVM_{GET,SET}_{REGS,FPU,MP_STATE}: the generic half copies the structures.

use kernel::prelude::*;

use crate::kvm::bindings as b;
use crate::vcpu::fpu::FPRS;
use crate::vcpu::Parked;

/// KVM_GET_REGS.
pub(crate) fn get(vcpu: Parked<'_>, regs: &mut b::kvm_regs) -> Result {
    regs.gpr = vcpu.switch.gpr;
    regs.pc = vcpu.shared().pc();
    Ok(())
}

/// KVM_SET_REGS.
pub(crate) fn set(mut vcpu: Parked<'_>, regs: &mut b::kvm_regs) -> Result {
    vcpu.switch.gpr = regs.gpr;
    vcpu.switch.gpr[0] = 0;
    vcpu.set_pc(regs.pc);
    Ok(())
}

const LANES: usize = 4;

const _: () = assert!(
    size_of::<b::kvm_fpu>() == core::mem::offset_of!(b::kvm_fpu, fpr) + FPRS * LANES * 8
        && core::mem::offset_of!(b::kvm_fpu, fpr) == 16
);

/// KVM_GET_FPU.
pub(crate) fn get_fpu(mut vcpu: Parked<'_>, out: &mut b::kvm_fpu) -> Result {
    let units = &mut vcpu.registers().units;
    out.fcsr = units.fcsr();
    out.fcc = *units.fcc();
    for (n, out) in out.fpr.iter_mut().enumerate() {
        out.val64 = units.lanes(n).copied().unwrap_or_default();
    }
    Ok(())
}

/// KVM_SET_FPU.
pub(crate) fn set_fpu(mut vcpu: Parked<'_>, new: &mut b::kvm_fpu) -> Result {
    let units = &mut vcpu.registers().units;
    units.set_fcsr(new.fcsr);
    *units.fcc() = new.fcc;
    for (n, new) in new.fpr.iter().enumerate() {
        if let Some(lanes) = units.lanes(n) {
            *lanes = new.val64;
        }
    }
    Ok(())
}

/// KVM_GET_MP_STATE.
pub(crate) fn get_mp_state(vcpu: Parked<'_>, state: &mut b::kvm_mp_state) -> Result {
    state.mp_state = vcpu.shared().mp_state();
    Ok(())
}

/// KVM_SET_MP_STATE.
pub(crate) fn set_mp_state(mut vcpu: Parked<'_>, state: &mut b::kvm_mp_state) -> Result {
    match state.mp_state {
        b::KVM_MP_STATE_RUNNABLE | b::KVM_MP_STATE_STOPPED => {
            vcpu.set_mp_state(state.mp_state);
            Ok(())
        }
        _ => Err(EINVAL),
    }
}
