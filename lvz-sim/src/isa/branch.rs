// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Branches (Volume 1, 2.2.4).

use super::operand::{offset, operand};
use crate::cpu::{Cpu, Group, Op, Step};
use crate::mem::Bus;
use la_arch::insn::integer as enc;

/// The register that `bl` writes.
const RA: u8 = 1;

/// Jumps to the instruction's own address plus its offset.
#[inline(always)]
fn jump(cpu: &mut Cpu, op: &Op) -> Step {
    let target = cpu.pc_of(op).wrapping_add(offset(op));
    cpu.jump(target)
}

#[inline(always)]
fn jump_if(cpu: &mut Cpu, op: &Op, condition: bool) -> Step {
    if condition { jump(cpu, op) } else { Ok(()) }
}

/// The return address.
#[inline(always)]
fn link(cpu: &Cpu, op: &Op) -> u64 {
    cpu.pc_result(cpu.pc_of(op).wrapping_add(4))
}

/// A handler that jumps if a condition on the operands named is true.
macro_rules! branch_if {
    (|$($operand:ident),*| $condition:expr) => {
        |cpu, _bus, op| {
            $(let $operand = operand!($operand, cpu, op);)*
            jump_if(cpu, op, $condition)
        }
    };
}

#[inline]
pub(super) fn b(cpu: &mut Cpu, _bus: &mut Bus, op: &Op) -> Step {
    jump(cpu, op)
}

#[inline]
pub(super) fn bl(cpu: &mut Cpu, _bus: &mut Bus, op: &Op) -> Step {
    cpu.set(RA, link(cpu, op));
    jump(cpu, op)
}

#[inline]
pub(super) fn jirl(cpu: &mut Cpu, _bus: &mut Bus, op: &Op) -> Step {
    // rd and rj may be the same: the target comes first.
    let target = cpu.get(op.rj).wrapping_add(offset(op));
    cpu.set(op.rd, link(cpu, op));
    cpu.jump(target)
}

#[inline]
pub(super) fn beqz(cpu: &mut Cpu, _bus: &mut Bus, op: &Op) -> Step {
    jump_if(cpu, op, cpu.get(op.rj) == 0)
}

#[inline]
pub(super) fn bnez(cpu: &mut Cpu, _bus: &mut Bus, op: &Op) -> Step {
    jump_if(cpu, op, cpu.get(op.rj) != 0)
}

#[inline]
pub(super) fn beq(cpu: &mut Cpu, _bus: &mut Bus, op: &Op) -> Step {
    jump_if(cpu, op, cpu.get(op.rj) == cpu.get(op.rd))
}

#[inline]
pub(super) fn bne(cpu: &mut Cpu, _bus: &mut Bus, op: &Op) -> Step {
    jump_if(cpu, op, cpu.get(op.rj) != cpu.get(op.rd))
}

crate::insn_table! { Group::Integer;
    BEQZ => beqz, @branch;
    BNEZ => bnez, @branch;
    JIRL => jirl, @ends;
    B => b, @branch;
    BL => bl, @branch;
    BEQ => beq, @branch;
    BNE => bne, @branch;
    BLT => branch_if!(|rj, rd| (rj as i64) < rd as i64), @branch;
    BGE => branch_if!(|rj, rd| rj as i64 >= rd as i64), @branch;
    BLTU => branch_if!(|rj, rd| rj < rd), @branch;
    BGEU => branch_if!(|rj, rd| rj >= rd), @branch;
}

#[cfg(test)]
mod tests {
    use super::super::testing::{In, PC, RD, RJ, ji, run_with};
    use super::enc;
    use crate::cpu::Stop;
    use la_arch::insn::Encoding;

    /// Where the branch goes, if it is taken.
    fn taken(encoding: &Encoding, rj: u64, rd: u64, imm: i32) -> Option<u64> {
        let input = In { rd, ..ji(rj, imm) };
        let (cpu, step) = run_with(encoding, input, |_| {});
        match step {
            Ok(()) => None,
            Err(stop) => {
                assert_eq!(stop, Stop::Jump);
                Some(cpu.pc)
            }
        }
    }

    #[test]
    fn conditions() {
        const MINUS_1: u64 = u64::MAX;
        // For rj < rd unsigned, rj = rd, rj > rd unsigned and < signed.
        for (encoding, expected) in [
            (&enc::BEQ, [false, true, false]),
            (&enc::BNE, [true, false, true]),
            (&enc::BLT, [true, false, true]),
            (&enc::BGE, [false, true, false]),
            (&enc::BLTU, [true, false, false]),
            (&enc::BGEU, [false, true, true]),
        ] {
            let goes = [(1, 2), (2, 2), (MINUS_1, 2)]
                .map(|(rj, rd)| taken(encoding, rj, rd, 2) == Some(PC + 8));
            assert_eq!(goes, expected, "{}", encoding.name);
        }
        assert_eq!(taken(&enc::BLT, 2, MINUS_1, 2), None);
        assert_eq!(taken(&enc::BGE, 2, MINUS_1, 2), Some(PC + 8));
        assert_eq!(taken(&enc::BEQZ, 0, 0, 1), Some(PC + 4));
        assert_eq!(taken(&enc::BEQZ, 1 << 63, 0, 1), None);
        assert_eq!(taken(&enc::BNEZ, 0, 0, 1), None);
        assert_eq!(taken(&enc::BNEZ, 1 << 63, 0, 1), Some(PC + 4));
    }

    #[test]
    fn offsets_are_signed_words() {
        assert_eq!(taken(&enc::B, 0, 0, -1), Some(PC - 4));
        assert_eq!(taken(&enc::B, 0, 0, -(1 << 25)), Some(PC - (1 << 27)));
        assert_eq!(taken(&enc::BEQZ, 0, 0, -(1 << 20)), Some(PC - (1 << 22)));
        assert_eq!(taken(&enc::BEQ, 0, 0, -(1 << 15)), Some(PC - (1 << 17)));
    }

    #[test]
    fn links() {
        let (cpu, step) = run_with(&enc::BL, ji(0, 16), |_| {});
        assert_eq!((step, cpu.pc), (Err(Stop::Jump), PC + 64));
        assert_eq!(cpu.get(super::RA), PC + 4);

        let (cpu, step) = run_with(&enc::JIRL, ji(0x1000, -1), |_| {});
        assert_eq!((step, cpu.pc), (Err(Stop::Jump), 0xffc));
        assert_eq!(cpu.get(RD), PC + 4);

        let (cpu, _) = run_with(&enc::JIRL, ji(0x1000, 0), |op| op.rd = RJ);
        assert_eq!((cpu.pc, cpu.get(RJ)), (0x1000, PC + 4));
    }
}
