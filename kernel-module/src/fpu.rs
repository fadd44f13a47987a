// SPDX-License-Identifier: GPL-2.0

//! Floating-point, vector and binary translation registers.
//!
//! The registers are shared with the host. Root EUEN stays 0 while a guest runs
//! until the guest uses a unit; that exits, and the vCPU's values are loaded
//! before the next entry. They stay until the vCPU leaves the CPU
//! (docs/lvz.md 10.2).

use la_arch::csr::Euen;

use crate::bindings as b;
use crate::context::{Pinned, PreemptGuard};
use crate::csr::{self, num};
use crate::trace;
use crate::vcpu::{flag, Vcpu};

/// FCSR.TM: the x87 register stack is in use, saving it takes LBT's state.
const FCSR_TM: u32 = 1 << 6;

fn enable(euen: Euen) {
    csr::exchange::<{ num::EUEN }>(euen.0, euen.0);
}

fn disable(euen: Euen) {
    csr::exchange::<{ num::EUEN }>(0, euen.0);
}

/// The widest unit that the vCPU has, as root EUEN bits.
fn units(vcpu: &Vcpu) -> Euen {
    let cpucfg = vcpu.cpucfg();
    Euen(0)
        .with_fpe(true)
        .with_sxe(cpucfg.lsx())
        .with_asxe(cpucfg.lasx())
}

/// Loads the registers of the widest unit in `euen`. A vCPU has a unit only if
/// the kernel was built for it (`kvm_core::cpucfg::mask`).
///
/// # Safety
///
/// The unit is enabled, `fpu` valid and preemption off.
unsafe fn restore(euen: Euen, fpu: *mut b::loongarch_fpu) {
    // SAFETY: By this function's contract.
    unsafe {
        #[cfg(CONFIG_CPU_HAS_LASX)]
        if euen.asxe() {
            return b::kvm_restore_lasx(fpu);
        }
        #[cfg(CONFIG_CPU_HAS_LSX)]
        if euen.sxe() {
            return b::kvm_restore_lsx(fpu);
        }
        let _ = euen;
        b::kvm_restore_fpu(fpu)
    }
}

/// Saves them.
///
/// # Safety
///
/// As for [`restore`].
unsafe fn save(euen: Euen, fpu: *mut b::loongarch_fpu) {
    // SAFETY: By this function's contract.
    unsafe {
        #[cfg(CONFIG_CPU_HAS_LASX)]
        if euen.asxe() {
            return b::kvm_save_lasx(fpu);
        }
        #[cfg(CONFIG_CPU_HAS_LSX)]
        if euen.sxe() {
            return b::kvm_save_lsx(fpu);
        }
        let _ = euen;
        b::kvm_save_fpu(fpu)
    }
}

/// How the event kvm_aux names the unit.
fn state(euen: Euen) -> u32 {
    match (euen.sxe(), euen.asxe()) {
        (_, true) => 3,
        (true, _) => 2,
        _ => 1,
    }
}

/// Loads the vCPU's registers of the widest unit that it has.
pub(crate) fn own(vcpu: &Vcpu, pinned: Pinned<'_>) {
    if vcpu.flag(flag::FPU) {
        return;
    }
    let fpu = vcpu.units.fpu.get();
    // SAFETY: The structure is the vCPU's own.
    if unsafe { (*fpu).fcsr } & FCSR_TM != 0 {
        own_lbt(vcpu, pinned);
    }
    let euen = units(vcpu);
    enable(euen);
    // SAFETY: The unit is enabled; the host's values were saved by lose_fpu.
    unsafe { restore(euen, fpu) };
    vcpu.set_flag(flag::FPU);
    trace::aux(vcpu.switch.pc.get(), 1, state(euen));
}

/// Saves the vCPU's registers and disables the units.
pub(crate) fn lose(vcpu: &Vcpu, _: Pinned<'_>) {
    if vcpu.flag(flag::FPU) {
        let fpu = vcpu.units.fpu.get();
        let euen = units(vcpu);
        // SAFETY: The unit is enabled and holds the vCPU's values.
        unsafe { save(euen, fpu) };
        trace::aux(vcpu.switch.pc.get(), 0, state(euen));
        disable(euen);
        vcpu.clear_flag(flag::FPU);
    }
    if vcpu.flag(flag::LBT) {
        lose_lbt(vcpu);
    }
}

#[cfg(CONFIG_CPU_HAS_LBT)]
pub(crate) fn own_lbt(vcpu: &Vcpu, _: Pinned<'_>) {
    if vcpu.flag(flag::LBT) {
        return;
    }
    enable(Euen(0).with_bte(true));
    // SAFETY: The unit is enabled.
    unsafe { b::_restore_lbt(vcpu.units.lbt.get()) };
    vcpu.set_flag(flag::LBT);
}

#[cfg(CONFIG_CPU_HAS_LBT)]
fn lose_lbt(vcpu: &Vcpu) {
    // SAFETY: The unit is enabled and holds the vCPU's values.
    unsafe { b::_save_lbt(vcpu.units.lbt.get()) };
    disable(Euen(0).with_bte(true));
    vcpu.clear_flag(flag::LBT);
}

#[cfg(not(CONFIG_CPU_HAS_LBT))]
pub(crate) fn own_lbt(_: &Vcpu, _: Pinned<'_>) {}

#[cfg(not(CONFIG_CPU_HAS_LBT))]
fn lose_lbt(_vcpu: &Vcpu) {}

/// The lanes of a floating-point or vector register, lowest first.
pub(crate) fn read(vcpu: &Vcpu, register: kvm_core::decode::Fpr) -> [u64; 4] {
    let guard = PreemptGuard::new();
    lose(vcpu, guard.pinned());
    // SAFETY: The structure holds the vCPU's values now; a union of integers.
    unsafe { (*vcpu.units.fpu.get()).fpr[usize::from(register.number())].val64 }
}

/// Sets the low `count` lanes of a register.
pub(crate) fn write(vcpu: &Vcpu, register: kvm_core::decode::Fpr, lanes: [u64; 4], count: u8) {
    let guard = PreemptGuard::new();
    lose(vcpu, guard.pinned());
    // SAFETY: As in `read`.
    let values = unsafe { &mut (*vcpu.units.fpu.get()).fpr[usize::from(register.number())].val64 };
    for (value, lane) in values.iter_mut().zip(lanes).take(usize::from(count)) {
        *value = lane;
    }
}
