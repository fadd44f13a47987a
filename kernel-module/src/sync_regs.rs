// SPDX-License-Identifier: GPL-2.0

//! KVM_CAP_SYNC_REGS: registers in `struct kvm_run`, which spare user space the
//! ioctls around an exit. The vCPU is not loaded in these functions.

use kernel::prelude::*;
use la_arch::sync_regs::{SyncRegs, ALL, CSR, CSRS, GENERAL};

use crate::bindings as b;
use crate::one_reg;
use crate::vcpu::Vcpu;

/// Where the registers are.
fn area(run: *mut b::kvm_run) -> *mut SyncRegs {
    // SAFETY: The shared page is the vCPU's; its `s` has room (checked where
    // the type is defined). Only an address is taken.
    unsafe { (&raw mut (*run).s).cast() }
}

/// Takes over what user space marked dirty, before the guest runs. EINVAL for
/// sets that do not exist, or a value that KVM_SET_ONE_REG refuses.
pub(crate) fn load(vcpu: &Vcpu) -> Result {
    let run = vcpu.run();
    // SAFETY: As for `area`; user space may change the words at any time, so
    // each is read once.
    let (valid, dirty) = unsafe {
        (
            (&raw const (*run).kvm_valid_regs).read_volatile(),
            (&raw const (*run).kvm_dirty_regs).read_volatile(),
        )
    };
    if valid == 0 && dirty == 0 {
        return Ok(());
    }
    if (valid | dirty) & !ALL != 0 {
        return Err(EINVAL);
    }
    // SAFETY: As above.
    let regs = unsafe { area(run).read_volatile() };
    if dirty & GENERAL != 0 {
        let gprs = vcpu.gprs();
        *gprs = regs.gpr;
        gprs[0] = 0;
        vcpu.switch.pc.set(regs.pc);
    }
    if dirty & CSR != 0 {
        for (number, value) in CSRS.iter().zip(regs.csr) {
            // What did not change need not be set, and some may not be.
            if one_reg::get_csr(vcpu, *number)? != value {
                one_reg::set_csr(vcpu, *number, value)?;
            }
        }
    }
    // SAFETY: As above.
    unsafe { (&raw mut (*run).kvm_dirty_regs).write_volatile(0) };
    Ok(())
}

/// Shows user space the registers that it asked for.
pub(crate) fn store(vcpu: &Vcpu) {
    let run = vcpu.run();
    // SAFETY: As in `load`.
    let valid = unsafe { (&raw const (*run).kvm_valid_regs).read_volatile() };
    let area = area(run);
    if valid & GENERAL != 0 {
        // SAFETY: As in `load`.
        unsafe {
            (&raw mut (*area).gpr).write_volatile(*vcpu.gprs());
            (&raw mut (*area).pc).write_volatile(vcpu.switch.pc.get());
        }
    }
    if valid & CSR != 0 {
        one_reg::settle(vcpu);
        let values = CSRS.map(|number| one_reg::get_csr(vcpu, number).unwrap_or(0));
        // SAFETY: As in `load`.
        unsafe { (&raw mut (*area).csr).write_volatile(values) };
    }
}
