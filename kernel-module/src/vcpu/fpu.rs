// SPDX-License-Identifier: GPL-2.0

//! Floating-point, vector and binary translation registers.
//!
//! The registers are shared with the host. Root EUEN is 0 while a guest runs until
//! the guest uses a unit; that exits, and the vCPU's values are loaded before the next
//! entry. They stay until the vCPU leaves the CPU (docs/lvz.md 10.2).
//!
//! Until then the registers hold what the VMM's thread has there, and user space goes on
//! with it after KVM_RUN as after any other system call. Of a thread whose registers
//! the units hold (TIF_USEDFPU, TIF_USEDLBT), the kernel believes that its units are
//! enabled: at a switch of threads (switch_to, lose_fpu_inatomic), for a signal's frame,
//! ptrace, a core dump or a fork (save_fpu_regs, setup_sigcontext), and in
//! kernel_fpu_begin, it saves the registers that root EUEN says are in use. All of that
//! needs interrupts on, or comes from an interrupt. So EUEN is 0 for the guest between
//! [`hide`] and [`show`] only, with interrupts off from the one to the other, and what
//! `hide` found there before and after. `exits::run` has a type for the time between
//! them. With the vCPU's own values in the units, EUEN is theirs and the thread's flags
//! are clear, as the kernel left them when [`own`] had it save the thread's.
//!
//! With binary translation the floating-point registers are loaded too: the x87 stack's top
//! and FCSR.TM, which its instructions read and set, are among these. The kernel's functions
//! save the top only while TM is set; here it is always saved, as a guest sets the one
//! before the other.

use kernel::prelude::*;
use kvm_core::decode::Fpr;
use kvm_core::one_reg::Lbt;
use la_arch::csr::Euen;
use la_arch::fcsr::TM;

use crate::cpu::csr::{self, num};
#[cfg(CONFIG_CPU_HAS_LBT)]
use crate::cpu::fcsr;
use crate::cpu::host::host;
use crate::kvm::bindings as b;
use crate::kvm::context::{IrqOff, Pinned, PreemptGuard};
use crate::vcpu::resident::Resident;
use crate::vcpu::shared::Shared;
use crate::vcpu::trace;
use crate::vcpu::Running;

/// How many floating-point or vector registers there are.
pub(crate) const FPRS: usize = 32;

/// The registers of a vCPU as vmlinux lays them out, as far as the CPU does not hold
/// them.
#[derive(Zeroable)]
pub(crate) struct Units {
    fpu: b::loongarch_fpu,
    lbt: b::loongarch_lbt,
    /// The CPU holds those of `fpu`.
    fpu_loaded: bool,
    /// The CPU holds those of `lbt`, and so those of `fpu`.
    lbt_loaded: bool,
    /// Root EUEN of the VMM's thread while the guest runs with the thread's registers in
    /// units that are off; otherwise 0.
    hidden: u64,
}

// User space's registers have the layout of the kernel's.
const _: () = assert!(size_of::<b::fpureg>() == size_of::<[u64; 4]>());

impl Units {
    /// The CPU holds some of them.
    #[inline]
    pub(crate) fn loaded(&self) -> bool {
        self.fpu_loaded
    }

    /// FCSR0.
    pub(crate) fn fcsr(&self) -> u32 {
        self.fpu.fcsr
    }

    /// Sets FCSR0. The registers are saved and loaded by instructions of binary translation
    /// while TM is set: a CPU without them has no TM.
    pub(crate) fn set_fcsr(&mut self, value: u32) {
        self.fpu.fcsr = match host().processor.lbt_x86 {
            true => value,
            false => value & !TM,
        };
    }

    /// The condition flags, a byte each.
    pub(crate) fn fcc(&mut self) -> &mut u64 {
        &mut self.fpu.fcc
    }

    /// The lanes of a register, lowest first.
    pub(crate) fn lanes(&mut self, n: usize) -> Option<&mut [u64; 4]> {
        // SAFETY: A union of integers.
        self.fpu.fpr.get_mut(n).map(|fpr| unsafe { &mut fpr.val64 })
    }

    /// A register of binary translation.
    pub(crate) fn lbt(&self, register: Lbt) -> u64 {
        match register {
            Lbt::Scr(0) => self.lbt.scr0 as u64,
            Lbt::Scr(1) => self.lbt.scr1 as u64,
            Lbt::Scr(2) => self.lbt.scr2 as u64,
            Lbt::Scr(_) => self.lbt.scr3 as u64,
            Lbt::Eflags => self.lbt.eflags as u64,
            Lbt::Ftop => u64::from(self.fpu.ftop),
        }
    }

    pub(crate) fn set_lbt(&mut self, register: Lbt, value: u64) {
        match register {
            Lbt::Scr(0) => self.lbt.scr0 = value as usize,
            Lbt::Scr(1) => self.lbt.scr1 = value as usize,
            Lbt::Scr(2) => self.lbt.scr2 = value as usize,
            Lbt::Scr(_) => self.lbt.scr3 = value as usize,
            Lbt::Eflags => self.lbt.eflags = value as usize,
            Lbt::Ftop => self.fpu.ftop = value as u32,
        }
    }
}

fn enable(euen: Euen) {
    csr::exchange::<{ num::EUEN }>(euen.0, euen.0);
}

fn disable(euen: Euen) {
    csr::exchange::<{ num::EUEN }>(0, euen.0);
}

/// Turns off the units that hold the VMM's registers, as the guest is about to run. Units with
/// the guest's own registers stay on.
#[inline]
pub(crate) fn hide(vcpu: &mut Resident, _: IrqOff<'_>) {
    let units = &mut vcpu.units;
    if !units.loaded() {
        units.hidden = csr::write::<{ num::EUEN }>(0);
    }
}

/// Turns them on again, before anything turns interrupts on.
#[inline]
pub(crate) fn show(vcpu: &mut Resident, _: IrqOff<'_>) {
    let hidden = core::mem::take(&mut vcpu.units.hidden);
    if hidden != 0 {
        csr::write::<{ num::EUEN }>(hidden);
    }
}

/// Has the kernel save what the VMM's thread has in the units; they are off then.
fn save_host(vcpu: &mut Resident, irq_off: IrqOff<'_>) {
    show(vcpu, irq_off);
    // SAFETY: EUEN is the thread's, or its registers are saved already.
    unsafe { b::kvm_la_lose_units() };
}

/// The widest unit that the vCPU has, as root EUEN bits.
fn widest(vcpu: &Resident) -> Euen {
    Euen(0)
        .with_fpe(true)
        .with_sxe(vcpu.cpucfg.lsx())
        .with_asxe(vcpu.cpucfg.lasx())
}

/// Loads or saves the registers of the widest unit in `euen`, which is enabled. A vCPU
/// has a unit only if the kernel was built for it (`kvm_core::cpucfg::mask`).
macro_rules! transfer {
    ($name:ident, $fpu:ident, $lsx:ident, $lasx:ident) => {
        fn $name(euen: Euen, fpu: &mut b::loongarch_fpu, _: Pinned<'_>) {
            // SAFETY: The registers are the guest's, or about to be, while preemption
            // is off; they go to and come from a valid structure.
            unsafe {
                #[cfg(CONFIG_CPU_HAS_LASX)]
                if euen.asxe() {
                    return b::$lasx(fpu);
                }
                #[cfg(CONFIG_CPU_HAS_LSX)]
                if euen.sxe() {
                    return b::$lsx(fpu);
                }
                let _ = euen;
                b::$fpu(fpu)
            }
        }
    };
}

transfer!(restore, kvm_restore_fpu, kvm_restore_lsx, kvm_restore_lasx);
transfer!(save, kvm_save_fpu, kvm_save_lsx, kvm_save_lasx);

/// How the event kvm_aux names the unit.
fn state(euen: Euen) -> u32 {
    match (euen.sxe(), euen.asxe()) {
        (_, true) => trace::unit::LASX,
        (true, _) => trace::unit::LSX,
        _ => trace::unit::FPU,
    }
}

/// Loads the vCPU's registers of the widest unit that it has.
#[inline(always)]
pub(crate) fn own(mut vcpu: Running<'_>, irq_off: IrqOff<'_>) {
    let shared = vcpu.shared();
    let pinned = irq_off.pinned();
    let resident = vcpu.resident(pinned);
    if resident.units.fpu_loaded {
        return;
    }
    save_host(resident, irq_off);
    if resident.units.fpu.fcsr & TM != 0 {
        load_lbt(&mut resident.units, pinned);
    }
    let euen = widest(resident);
    enable(euen);
    restore(euen, &mut resident.units.fpu, pinned);
    resident.units.fpu_loaded = true;
    trace::aux(shared, trace::RESTORED, state(euen));
}

/// The kernel's function takes the top too if TM is set, which a guest can do by
/// `movgr2fcsr`, without binary translation.
#[cfg(CONFIG_CPU_HAS_LBT)]
#[inline(always)]
fn prepare_save(units: &mut Units, pinned: Pinned<'_>) {
    #[cold]
    #[inline(never)]
    fn rarely(units: &mut Units, pinned: Pinned<'_>) {
        load_lbt(units, pinned);
    }
    // SAFETY: The unit is on.
    if !units.lbt_loaded && unsafe { fcsr::fcsr0(pinned) } & TM != 0 {
        rarely(units, pinned);
    }
}

#[cfg(not(CONFIG_CPU_HAS_LBT))]
fn prepare_save(_: &mut Units, _: Pinned<'_>) {}

/// Saves the vCPU's registers and disables the units.
#[inline(always)]
pub(crate) fn lose(shared: &Shared, vcpu: &mut Resident, pinned: Pinned<'_>) {
    if vcpu.units.fpu_loaded {
        let euen = widest(vcpu);
        prepare_save(&mut vcpu.units, pinned);
        save(euen, &mut vcpu.units.fpu, pinned);
        trace::aux(shared, trace::SAVED, state(euen));
        disable(euen);
        vcpu.units.fpu_loaded = false;
        if vcpu.units.lbt_loaded {
            save_lbt(&mut vcpu.units, pinned);
        }
    }
}

/// Loads the vCPU's registers of binary translation.
pub(crate) fn own_lbt(mut vcpu: Running<'_>, irq_off: IrqOff<'_>) {
    own(vcpu.lend(), irq_off);
    let pinned = irq_off.pinned();
    load_lbt(&mut vcpu.resident(pinned).units, pinned);
}

#[cfg(CONFIG_CPU_HAS_LBT)]
fn load_lbt(units: &mut Units, pinned: Pinned<'_>) {
    if units.lbt_loaded {
        return;
    }
    enable(Euen(0).with_bte(true));
    // SAFETY: As in `transfer`; the unit is on.
    unsafe {
        b::_restore_lbt(&raw mut units.lbt);
        fcsr::set_top(units.fpu.ftop, pinned);
    }
    units.lbt_loaded = true;
}

#[cfg(CONFIG_CPU_HAS_LBT)]
fn save_lbt(units: &mut Units, pinned: Pinned<'_>) {
    // SAFETY: As in `transfer`; the unit is on.
    unsafe {
        units.fpu.ftop = fcsr::top(pinned);
        b::_save_lbt(&raw mut units.lbt);
    }
    disable(Euen(0).with_bte(true));
    units.lbt_loaded = false;
}

#[cfg(not(CONFIG_CPU_HAS_LBT))]
fn load_lbt(_: &mut Units, _: Pinned<'_>) {}

#[cfg(not(CONFIG_CPU_HAS_LBT))]
fn save_lbt(_: &mut Units, _: Pinned<'_>) {}

/// Runs `f` with the lanes of a floating-point or vector register, in memory.
fn with_lanes<R>(mut vcpu: Running<'_>, register: Fpr, f: impl FnOnce(&mut [u64; 4]) -> R) -> R {
    let guard = PreemptGuard::new();
    let shared = vcpu.shared();
    let resident = vcpu.resident(guard.pinned());
    lose(shared, resident, guard.pinned());
    let mut none = [0; 4];
    let number = usize::from(register.number());
    f(resident.units.lanes(number).unwrap_or(&mut none))
}

/// The lanes of a register, lowest first.
pub(crate) fn read(vcpu: Running<'_>, register: Fpr) -> [u64; 4] {
    with_lanes(vcpu, register, |lanes| *lanes)
}

/// Sets the low `count` lanes of a register.
pub(crate) fn write(vcpu: Running<'_>, register: Fpr, new: [u64; 4], count: u8) {
    with_lanes(vcpu, register, |lanes| {
        for (lane, value) in lanes.iter_mut().zip(new).take(usize::from(count)) {
            *lane = value;
        }
    });
}
