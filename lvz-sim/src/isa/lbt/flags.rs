// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The flags, at the places of x86's EFLAGS. Arm's N, Z, C and V are SF, ZF, CF and OF.

use super::word::top;
use crate::cpu::{Cpu, Op, Step};
use bitflags::bitflags;

bitflags! {
    /// EFLAGS.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(super) struct Flags: u32 {
        /// Carry; C.
        const CF = 1 << 0;
        /// Parity of the lowest byte is even.
        const PF = 1 << 2;
        /// Carry out of the lowest four bits.
        const AF = 1 << 4;
        /// Zero; Z.
        const ZF = 1 << 6;
        /// Sign; N.
        const SF = 1 << 7;
        /// Overflow; V.
        const OF = 1 << 11;
    }
}

/// The flags by their bit in the mask of `x86mfflag` and its like.
pub(super) const BY_MASK: [Flags; 6] = [
    Flags::CF,
    Flags::PF,
    Flags::AF,
    Flags::ZF,
    Flags::SF,
    Flags::OF,
];

impl Flags {
    /// `flag` if `on`.
    #[inline(always)]
    pub(super) fn when(flag: Flags, on: bool) -> Flags {
        if on { flag } else { Flags::empty() }
    }

    /// ZF and SF of a result.
    #[inline(always)]
    pub(super) fn sign_and_zero<const W: u32>(result: u64) -> Flags {
        Flags::when(Flags::ZF, result == 0) | Flags::when(Flags::SF, top::<W>(result))
    }

    /// ZF, SF and PF of a result.
    #[inline(always)]
    pub(super) fn of_result<const W: u32>(result: u64) -> Flags {
        let even = (result as u8).count_ones().is_multiple_of(2);
        Flags::sign_and_zero::<W>(result) | Flags::when(Flags::PF, even)
    }

    /// The same with `new` instead of those that `changed` names.
    #[inline(always)]
    pub(super) fn with(self, changed: Flags, new: Flags) -> Flags {
        (self - changed) | (new & changed)
    }

    fn has(self, flag: Flags) -> bool {
        self.contains(flag)
    }

    /// Whether SF and OF differ: less than, of signed numbers.
    fn less(self) -> bool {
        self.has(Flags::SF) != self.has(Flags::OF)
    }

    /// Condition `n` of `setx86j`.
    pub(super) fn x86_condition(self, n: i32) -> bool {
        let (cf, zf) = (self.has(Flags::CF), self.has(Flags::ZF));
        match n & 15 {
            0 => !cf && !zf,
            1 => !cf,
            2 => cf,
            3 => cf || zf,
            4 => zf,
            5 => !zf,
            6 => !zf && !self.less(),
            7 => !self.less(),
            8 => self.less(),
            9 => zf || self.less(),
            10 => self.has(Flags::SF),
            11 => !self.has(Flags::SF),
            12 => self.has(Flags::OF),
            13 => !self.has(Flags::OF),
            14 => self.has(Flags::PF),
            _ => !self.has(Flags::PF),
        }
    }

    /// Condition `n` of `setarmj` and of Arm's instructions.
    pub(super) fn arm_condition(self, n: i32) -> bool {
        let (c, z) = (self.has(Flags::CF), self.has(Flags::ZF));
        let holds = match n >> 1 & 7 {
            0 => z,
            1 => c,
            2 => self.has(Flags::SF),
            3 => self.has(Flags::OF),
            4 => c && !z,
            5 => !self.less(),
            6 => !z && !self.less(),
            // Always, whatever the lowest bit says.
            _ => return true,
        };
        holds != (n & 1 != 0)
    }
}

/// The flags as they are.
#[inline(always)]
pub(super) fn get(cpu: &Cpu) -> Flags {
    Flags::from_bits_truncate(cpu.lbt.eflags)
}

/// Has `change` make the flags new from the old ones, if binary translation is enabled.
#[inline(always)]
pub(super) fn update(
    cpu: &mut Cpu,
    op: &Op,
    change: impl FnOnce(&Cpu, &Op, Flags) -> Flags,
) -> Step {
    cpu.require_lbt()?;
    let old = get(cpu);
    cpu.lbt.eflags = change(cpu, op, old).bits();
    Ok(())
}
