// SPDX-License-Identifier: GPL-2.0

//! KVM_CAP_SYNC_REGS: registers in `struct kvm_run`, which spare user space the
//! ioctls around an exit. The vCPU is not loaded in these functions, so that its
//! registers are in memory.
//!
//! User space may change the page at any time: each word is read once.

use core::mem::size_of;

use kernel::prelude::*;
use kvm_core::one_reg::Lbt;
use la_arch::kvm::CPUCFG_WORDS;
use la_arch::sync_regs as sets;
use la_arch::sync_regs::{SyncRegs, ALL_CSRS, COUNTER_CSRS, CSRS};

use crate::bindings as b;
use crate::one_reg;
use crate::vcpu::Vcpu;

/// The registers of binary translation in the order of `la_arch`'s `SyncLbt`.
const LBT: [Lbt; 6] = [
    Lbt::Scr(0),
    Lbt::Scr(1),
    Lbt::Scr(2),
    Lbt::Scr(3),
    Lbt::Eflags,
    Lbt::Ftop,
];

/// Where the registers are.
fn area(run: *mut b::kvm_run) -> *mut SyncRegs {
    // SAFETY: The shared page is the vCPU's; its `s` has room (checked where
    // the type is defined). Only an address is taken.
    unsafe { (&raw mut (*run).s).cast() }
}

/// The sets that user space wants to see, and those that it changed.
fn wanted(run: *mut b::kvm_run) -> (u64, u64) {
    // SAFETY: As for `area`.
    unsafe {
        (
            (&raw const (*run).kvm_valid_regs).read_volatile(),
            (&raw const (*run).kvm_dirty_regs).read_volatile(),
        )
    }
}

/// Takes over what user space marked dirty, before the guest runs. EINVAL for
/// sets that do not exist; for a value what KVM_SET_ONE_REG says of it. Then the
/// sets and registers before it are taken over, and all stay marked.
#[inline]
pub(crate) fn load(vcpu: &Vcpu) -> Result {
    let (valid, dirty) = wanted(vcpu.run());
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
    let area = area(run);
    // Others depend on it.
    if dirty & sets::CPUCFG != 0 {
        load_cpucfg(vcpu, area)?;
    }
    if dirty & sets::GENERAL != 0 {
        // SAFETY: As for `area`; any words are values.
        let (gpr, pc) = unsafe {
            (
                (&raw const (*area).gpr).read_volatile(),
                (&raw const (*area).pc).read_volatile(),
            )
        };
        let gprs = vcpu.gprs();
        *gprs = gpr;
        gprs[0] = 0;
        vcpu.switch.pc.set(pc);
    }
    if dirty & sets::CSR != 0 {
        // SAFETY: As above.
        let (values, chosen) = unsafe {
            (
                (&raw const (*area).csr).read_volatile(),
                (&raw const (*area).csr_dirty).read_volatile(),
            )
        };
        if dirty & sets::CSR_SELECT == 0 {
            load_csrs(vcpu, &CSRS, &values)?;
        } else {
            load_chosen(vcpu, &values, chosen)?;
        }
    }
    if dirty & sets::FPU != 0 {
        load_fpu(vcpu, area);
    }
    if dirty & sets::COUNTERS != 0 {
        // SAFETY: As above.
        let values = unsafe { (&raw const (*area).counters).read_volatile() };
        load_csrs(vcpu, &COUNTER_CSRS, &values)?;
    }
    if dirty & sets::LBT != 0 {
        if !vcpu.cpucfg().lbt() {
            return Err(ENXIO);
        }
        // SAFETY: As above; `SyncLbt` is as many words as there are registers.
        let values: [u64; LBT.len()] = unsafe {
            (&raw const (*area).lbt)
                .cast::<[u64; LBT.len()]>()
                .read_volatile()
        };
        for (register, value) in LBT.into_iter().zip(values) {
            one_reg::set_lbt(vcpu, register, value);
        }
    }
    // SAFETY: As above.
    unsafe { (&raw mut (*run).kvm_dirty_regs).write_volatile(0) };
    Ok(())
}

/// Sets those CPUCFG words that differ.
fn load_cpucfg(vcpu: &Vcpu, area: *const SyncRegs) -> Result {
    // SAFETY: As for `area`; any words are values.
    let words: [u32; CPUCFG_WORDS] = unsafe { (&raw const (*area).cpucfg).read_volatile() };
    for (index, word) in (0..).zip(words) {
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

fn load_fpu(vcpu: &Vcpu, area: *const SyncRegs) {
    // SAFETY: The structure is the vCPU's own, and the page as for `area`; both
    // have 32 registers.
    unsafe {
        let fpu = &mut *vcpu.units.fpu.get();
        let from = &raw const (*area).fpu;
        fpu.fcsr = (&raw const (*from).fcsr).read_volatile();
        fpu.fcc = (&raw const (*from).fcc).read_volatile();
        let lanes = (&raw const (*from).fpr).cast::<[u64; 4]>();
        for (n, register) in fpu.fpr.iter_mut().enumerate() {
            register.val64 = lanes.add(n).read_volatile();
        }
    }
}

/// Shows user space the registers that it asked for.
#[inline]
pub(crate) fn store(vcpu: &Vcpu) {
    let (valid, _) = wanted(vcpu.run());
    if valid != 0 {
        store_sets(vcpu, valid);
    }
}

#[cold]
#[inline(never)]
fn store_sets(vcpu: &Vcpu, valid: u64) {
    let area = area(vcpu.run());
    if valid & sets::GENERAL != 0 {
        // SAFETY: As in `load`.
        unsafe {
            (&raw mut (*area).gpr).write_volatile(*vcpu.gprs());
            (&raw mut (*area).pc).write_volatile(vcpu.switch.pc.get());
        }
    }
    let csr = |number| one_reg::get_csr(vcpu, number).unwrap_or(0);
    if valid & sets::CSR != 0 {
        one_reg::settle(vcpu);
        // SAFETY: As in `load`.
        unsafe { (&raw mut (*area).csr).write_volatile(CSRS.map(csr)) };
    }
    if valid & sets::CPUCFG != 0 {
        let cpucfg = vcpu.cpucfg();
        let words: [u32; CPUCFG_WORDS] =
            core::array::from_fn(|index| cpucfg.get(index as u16).unwrap_or(0));
        // SAFETY: As in `load`.
        unsafe { (&raw mut (*area).cpucfg).write_volatile(words) };
    }
    if valid & sets::FPU != 0 {
        store_fpu(vcpu, area);
    }
    if valid & sets::COUNTERS != 0 {
        // SAFETY: As in `load`.
        unsafe { (&raw mut (*area).counters).write_volatile(COUNTER_CSRS.map(csr)) };
    }
    if valid & sets::LBT != 0 {
        let values = if vcpu.cpucfg().lbt() {
            LBT.map(|register| one_reg::get_lbt(vcpu, register))
        } else {
            [0; LBT.len()]
        };
        // SAFETY: As in `load`.
        unsafe {
            (&raw mut (*area).lbt)
                .cast::<[u64; LBT.len()]>()
                .write_volatile(values)
        };
    }
}

fn store_fpu(vcpu: &Vcpu, area: *mut SyncRegs) {
    // SAFETY: As in `load_fpu`.
    unsafe {
        let fpu = &*vcpu.units.fpu.get();
        let to = &raw mut (*area).fpu;
        (&raw mut (*to).fcsr).write_volatile(fpu.fcsr);
        (&raw mut (*to).fcc).write_volatile(fpu.fcc);
        let lanes = (&raw mut (*to).fpr).cast::<[u64; 4]>();
        for (n, register) in fpu.fpr.iter().enumerate() {
            lanes.add(n).write_volatile(register.val64);
        }
    }
}

// The words of `SyncLbt` are taken as an array.
const _: () = assert!(size_of::<la_arch::sync_regs::SyncLbt>() == size_of::<[u64; LBT.len()]>());
