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

use crate::doors::one_reg;
use crate::kvm::run_page::{read_register, write_register};
use crate::vcpu::fpu::FPRS;
use crate::vcpu::resident::Registers;
use crate::vcpu::Parked;

/// Takes over what user space marked dirty, before the guest runs. EINVAL for
/// sets that do not exist; for a value what KVM_SET_ONE_REG says of it. Then the
/// sets and registers before it are taken over, and all stay marked.
#[inline]
pub(crate) fn load(vcpu: Parked<'_>) -> Result {
    let (valid, dirty) = vcpu.run().register_sets();
    if valid | dirty == 0 {
        return Ok(());
    }
    load_sets(vcpu, valid, dirty)
}

/// Out of the way of entries without sets.
#[cold]
#[inline(never)]
fn load_sets(mut vcpu: Parked<'_>, valid: u64, dirty: u64) -> Result {
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
        load_cpucfg(vcpu.lend())?;
    }
    if dirty & sets::GENERAL != 0 {
        vcpu.switch.gpr = read_register!(run, gpr);
        vcpu.switch.gpr[0] = 0;
        vcpu.set_pc(read_register!(run, pc));
    }
    if dirty & sets::CSR != 0 {
        let values = read_register!(run, csr);
        if dirty & sets::CSR_SELECT == 0 {
            load_csrs(vcpu.lend(), &CSRS, &values)?;
        } else {
            load_chosen(vcpu.lend(), &values, read_register!(run, csr_dirty))?;
        }
    }
    if dirty & sets::FPU != 0 {
        load_fpu(vcpu.lend());
    }
    if dirty & sets::COUNTERS != 0 {
        load_csrs(vcpu.lend(), &COUNTER_CSRS, &read_register!(run, counters))?;
    }
    if dirty & sets::LBT != 0 {
        let Registers { cpucfg, units, .. } = vcpu.registers();
        if !cpucfg.lbt() {
            return Err(ENXIO);
        }
        let lbt = read_register!(run, lbt);
        for (n, value) in (0..).zip(lbt.scr) {
            units.set_lbt(Lbt::Scr(n), value);
        }
        units.set_lbt(Lbt::Eflags, lbt.eflags);
        units.set_lbt(Lbt::Ftop, lbt.ftop);
    }
    run.clear_dirty_sets();
    Ok(())
}

/// Sets those CPUCFG words that differ.
fn load_cpucfg(mut vcpu: Parked<'_>) -> Result {
    for (index, word) in (0..).zip(read_register!(vcpu.run(), cpucfg)) {
        one_reg::set_cpucfg(vcpu.lend(), index, u64::from(word))?;
    }
    Ok(())
}

/// Sets those of the CSRs `numbers` that differ.
fn load_csrs(mut vcpu: Parked<'_>, numbers: &[u16], values: &[u64]) -> Result {
    for (number, value) in numbers.iter().zip(values) {
        if one_reg::get_csr(vcpu.registers(), *number)? != *value {
            one_reg::set_csr(vcpu.lend(), *number, *value)?;
        }
    }
    Ok(())
}

/// Sets those of [`CSRS`] that have a bit in `chosen`, also to what they hold:
/// a timer starts anew.
fn load_chosen(mut vcpu: Parked<'_>, values: &[u64; CSRS.len()], chosen: u64) -> Result {
    if chosen & !ALL_CSRS != 0 {
        return Err(EINVAL);
    }
    for (index, (number, value)) in CSRS.iter().zip(values).enumerate() {
        if chosen >> index & 1 != 0 {
            one_reg::set_csr(vcpu.lend(), *number, *value)?;
        }
    }
    Ok(())
}

fn load_fpu(mut vcpu: Parked<'_>) {
    let run = vcpu.run();
    let units = &mut vcpu.registers().units;
    units.set_fcsr(read_register!(run, fpu.fcsr));
    *units.fcc() = read_register!(run, fpu.fcc);
    for n in 0..FPRS {
        if let Some(lanes) = units.lanes(n) {
            *lanes = read_register!(run, fpu.fpr[n]);
        }
    }
}

/// Shows user space the registers that it asked for.
#[inline]
pub(crate) fn store(vcpu: Parked<'_>) {
    let (valid, _) = vcpu.run().register_sets();
    if valid != 0 {
        store_sets(vcpu, valid);
    }
}

#[cold]
#[inline(never)]
fn store_sets(mut vcpu: Parked<'_>, valid: u64) {
    let run = vcpu.run();
    if valid & sets::GENERAL != 0 {
        write_register!(run, gpr = vcpu.switch.gpr);
        write_register!(run, pc = vcpu.shared().pc());
    }
    if valid & sets::CSR != 0 {
        one_reg::settle(vcpu.lend());
    }
    let registers = vcpu.registers();
    let csr = |number| one_reg::get_csr(registers, number).unwrap_or(0);
    if valid & sets::CSR != 0 {
        write_register!(run, csr = CSRS.map(csr));
    }
    if valid & sets::CPUCFG != 0 {
        let word = |index| registers.cpucfg.get(index as u16).unwrap_or(0);
        let words: [u32; CPUCFG_WORDS] = core::array::from_fn(word);
        write_register!(run, cpucfg = words);
    }
    if valid & sets::COUNTERS != 0 {
        write_register!(run, counters = COUNTER_CSRS.map(csr));
    }
    if valid & sets::LBT != 0 {
        let value = |register| registers.units.lbt(register);
        let values = if registers.cpucfg.lbt() {
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
    if valid & sets::FPU != 0 {
        store_fpu(vcpu);
    }
}

fn store_fpu(mut vcpu: Parked<'_>) {
    let run = vcpu.run();
    let units = &mut vcpu.registers().units;
    write_register!(run, fpu.fcsr = units.fcsr());
    write_register!(run, fpu.fcc = *units.fcc());
    for n in 0..FPRS {
        if let Some(lanes) = units.lanes(n) {
            write_register!(run, fpu.fpr[n] = *lanes);
        }
    }
}
