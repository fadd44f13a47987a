// SPDX-License-Identifier: GPL-2.0

//! KVM_CAP_SYNC_REGS: registers in `struct kvm_run`, which spare user space the
//! ioctls around an exit. The vCPU is not loaded in these functions, so that its
//! registers are in memory.
//!
//! User space may change the page at any time: each word is read once.

use kernel::prelude::*;
use kvm_core::one_reg::Lbt;
use la_arch::kvm::CPUCFG_WORDS;
use la_arch::sync_regs as sets;
use la_arch::sync_regs::{SyncLbt, ALL_CSRS, COUNTER_CSRS, CSRS};

use crate::one_reg;
use crate::run_page::{read_register, write_register};
use crate::vcpu::Vcpu;

/// Floating-point and vector registers.
const FPRS: usize = 32;

/// Takes over what user space marked dirty, before the guest runs. EINVAL for
/// sets that do not exist; for a value what KVM_SET_ONE_REG says of it. Then the
/// sets and registers before it are taken over, and all stay marked.
#[inline]
pub(crate) fn load(vcpu: &Vcpu) -> Result {
    let (valid, dirty) = vcpu.run().register_sets();
    if valid | dirty == 0 {
        return Ok(());
    }
    load_sets(vcpu, valid, dirty)
}

/// Out of the way of those who use no sets.
#[cold]
#[inline(never)]
fn load_sets(vcpu: &Vcpu, valid: u64, dirty: u64) -> Result {
    let run = vcpu.run();
    let half_select = dirty & (sets::CSR | sets::CSR_SELECT) == sets::CSR_SELECT;
    if valid & !sets::SETS != 0 || dirty & !sets::ALL != 0 || half_select {
        return Err(EINVAL);
    }
    if dirty == 0 {
        return Ok(());
    }
    // Others depend on it.
    if dirty & sets::CPUCFG != 0 {
        load_cpucfg(vcpu)?;
    }
    if dirty & sets::GENERAL != 0 {
        let gprs = vcpu.gprs();
        *gprs = read_register!(run, gpr);
        gprs[0] = 0;
        vcpu.switch.pc.set(read_register!(run, pc));
    }
    if dirty & sets::CSR != 0 {
        let values = read_register!(run, csr);
        if dirty & sets::CSR_SELECT == 0 {
            load_csrs(vcpu, &CSRS, &values)?;
        } else {
            load_chosen(vcpu, &values, read_register!(run, csr_dirty))?;
        }
    }
    if dirty & sets::FPU != 0 {
        load_fpu(vcpu);
    }
    if dirty & sets::COUNTERS != 0 {
        load_csrs(vcpu, &COUNTER_CSRS, &read_register!(run, counters))?;
    }
    if dirty & sets::LBT != 0 {
        if !vcpu.cpucfg().lbt() {
            return Err(ENXIO);
        }
        let lbt = read_register!(run, lbt);
        for (n, value) in (0..).zip(lbt.scr) {
            one_reg::set_lbt(vcpu, Lbt::Scr(n), value);
        }
        one_reg::set_lbt(vcpu, Lbt::Eflags, lbt.eflags);
        one_reg::set_lbt(vcpu, Lbt::Ftop, lbt.ftop);
    }
    run.clear_dirty_sets();
    Ok(())
}

/// Sets those CPUCFG words that differ.
fn load_cpucfg(vcpu: &Vcpu) -> Result {
    for (index, word) in (0..).zip(read_register!(vcpu.run(), cpucfg)) {
        one_reg::set_cpucfg(vcpu, index, u64::from(word))?;
    }
    Ok(())
}

/// Sets those of the CSRs `numbers` that differ.
fn load_csrs(vcpu: &Vcpu, numbers: &[u16], values: &[u64]) -> Result {
    for (number, value) in numbers.iter().zip(values) {
        if one_reg::get_csr(vcpu, *number)? != *value {
            one_reg::set_csr(vcpu, *number, *value)?;
        }
    }
    Ok(())
}

/// Sets those of [`CSRS`] that have a bit in `chosen`, also to what they hold:
/// a timer starts anew.
fn load_chosen(vcpu: &Vcpu, values: &[u64; CSRS.len()], chosen: u64) -> Result {
    if chosen & !ALL_CSRS != 0 {
        return Err(EINVAL);
    }
    for (index, (number, value)) in CSRS.iter().zip(values).enumerate() {
        if chosen >> index & 1 != 0 {
            one_reg::set_csr(vcpu, *number, *value)?;
        }
    }
    Ok(())
}

fn load_fpu(vcpu: &Vcpu) {
    let run = vcpu.run();
    // SAFETY: The structure is the vCPU's own.
    let fpu = unsafe { &mut *vcpu.units.fpu.get() };
    fpu.fcsr = read_register!(run, fpu.fcsr);
    fpu.fcc = read_register!(run, fpu.fcc);
    for (n, register) in fpu.fpr.iter_mut().enumerate().take(FPRS) {
        register.val64 = read_register!(run, fpu.fpr[n]);
    }
}

/// Shows user space the registers that it asked for.
#[inline]
pub(crate) fn store(vcpu: &Vcpu) {
    let (valid, _) = vcpu.run().register_sets();
    if valid != 0 {
        store_sets(vcpu, valid);
    }
}

#[cold]
#[inline(never)]
fn store_sets(vcpu: &Vcpu, valid: u64) {
    let run = vcpu.run();
    if valid & sets::GENERAL != 0 {
        write_register!(run, gpr = *vcpu.gprs());
        write_register!(run, pc = vcpu.switch.pc.get());
    }
    let csr = |number| one_reg::get_csr(vcpu, number).unwrap_or(0);
    if valid & sets::CSR != 0 {
        one_reg::settle(vcpu);
        write_register!(run, csr = CSRS.map(csr));
    }
    if valid & sets::CPUCFG != 0 {
        let cpucfg = vcpu.cpucfg();
        let words: [u32; CPUCFG_WORDS] =
            core::array::from_fn(|index| cpucfg.get(index as u16).unwrap_or(0));
        write_register!(run, cpucfg = words);
    }
    if valid & sets::FPU != 0 {
        store_fpu(vcpu);
    }
    if valid & sets::COUNTERS != 0 {
        write_register!(run, counters = COUNTER_CSRS.map(csr));
    }
    if valid & sets::LBT != 0 {
        let value = |register| one_reg::get_lbt(vcpu, register);
        let values = if vcpu.cpucfg().lbt() {
            SyncLbt {
                scr: [0, 1, 2, 3].map(|n| value(Lbt::Scr(n))),
                eflags: value(Lbt::Eflags),
                ftop: value(Lbt::Ftop),
            }
        } else {
            SyncLbt::default()
        };
        write_register!(run, lbt = values);
    }
}

fn store_fpu(vcpu: &Vcpu) {
    let run = vcpu.run();
    // SAFETY: As in `load_fpu`.
    let fpu = unsafe { &*vcpu.units.fpu.get() };
    write_register!(run, fpu.fcsr = fpu.fcsr);
    write_register!(run, fpu.fcc = fpu.fcc);
    for (n, register) in fpu.fpr.iter().enumerate().take(FPRS) {
        // SAFETY: A union of integers.
        write_register!(run, fpu.fpr[n] = unsafe { register.val64 });
    }
}
