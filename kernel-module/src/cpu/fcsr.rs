// SPDX-License-Identifier: GPL-2.0

//! FCSR0, and the top of the x87 register stack, a number of three bits that belongs to
//! FCSR0.TM. The instructions are words: not every assembler knows them, and the kernel's
//! Rust is compiled without floating point.

#![cfg(CONFIG_CPU_HAS_LBT)]

use core::arch::asm;

use crate::kvm::context::Pinned;

/// `movfcsr2gr $t0, $fcsr0`.
const MOVFCSR2GR: u32 = 0x0114_c80c;
/// `x86mftop $t0`.
const X86MFTOP: u32 = 0x0000_740c;
/// `x86mttop 0`; the number is in bits 7:5.
const X86MTTOP: u32 = 0x0000_7000;

/// What an instruction leaves in $t0.
macro_rules! t0_of {
    ($insn:expr) => {{
        let value: u64;
        asm!(".word {insn}", insn = const $insn, out("$t0") value, options(nostack, nomem));
        value as u32
    }};
}

/// FCSR0.
///
/// # Safety
///
/// EUEN.FPE is set: otherwise the host's handler takes the unit for the thread.
pub(crate) unsafe fn fcsr0(_: Pinned<'_>) -> u32 {
    // SAFETY: It reads a register, by the contract without an exception.
    unsafe { t0_of!(MOVFCSR2GR) }
}

/// The top.
///
/// # Safety
///
/// EUEN.BTE is set: otherwise the host's handler takes the unit for the thread.
pub(crate) unsafe fn top(_: Pinned<'_>) -> u32 {
    // SAFETY: It reads a register, by the contract without an exception.
    unsafe { t0_of!(X86MFTOP) }
}

/// Sets the top to the low three bits of `new`.
///
/// # Safety
///
/// EUEN.BTE is set, as for [`top`]; the top is the guest's, or about to be.
pub(crate) unsafe fn set_top(new: u32, pinned: Pinned<'_>) {
    macro_rules! set {
        ($($number:literal)*) => {
            match new & 7 {
                $($number => asm!(".word {insn}", insn = const X86MTTOP | $number << 5,
                    options(nostack, nomem)),)*
                _ => {}
            }
        };
    }
    // SAFETY: By the contract: no exception, and the register is no other's.
    unsafe {
        // Mostly both are 0, and the number is part of the instruction.
        if top(pinned) != new & 7 {
            set!(0 1 2 3 4 5 6 7)
        }
    }
}
