// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Addition, comparison, logic and constants (Volume 1, 2.2.1).

use super::operand::{rd, word};
use crate::cpu::{Cpu, Group, Handler, Op, Step};
use crate::mem::Bus;
use la_arch::insn::integer as enc;

/// `(rj << sa) + rk`; the field holds the shift amount minus one.
#[inline(always)]
fn alsl(rj: u64, rk: u64, sa2: u64) -> u64 {
    (rj << ((sa2 & 3) + 1)).wrapping_add(rk)
}

/// `{high, low[len-1:0]}`.
#[inline(always)]
fn splice(high: u64, low: u64, len: u32) -> u64 {
    high << len | low & ((1 << len) - 1)
}

/// A handler with a name, for the interpreter's step (`frequent`).
macro_rules! named {
    ($name:ident, |$($operand:ident),*| $value:expr) => {
        #[inline]
        pub(super) fn $name(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
            let handler: Handler = rd!(|$($operand),*| $value);
            handler(cpu, bus, op)
        }
    };
}

named!(addi_w, |rj, imm| word(rj.wrapping_add(imm) as u32));
named!(addi_d, |rj, imm| rj.wrapping_add(imm));
named!(lu12i_w, |imm| imm << 12);
named!(or, |rj, rk| rj | rk);
named!(andi, |rj, imm| rj & imm);

/// A handler that writes to rd what it computes from the program counter.
macro_rules! pc_relative {
    (|$pc:ident, $imm:ident| $value:expr) => {
        |cpu, _bus, op| {
            let ($pc, $imm) = (cpu.pc_of(op), i64::from(op.imm) as u64);
            cpu.set(op.rd, cpu.pc_result($value));
            Ok(())
        }
    };
}

crate::insn_table! { Group::Integer;
    ADD_W => rd!(|rj, rk| word(rj.wrapping_add(rk) as u32));
    ADD_D => rd!(|rj, rk| rj.wrapping_add(rk));
    SUB_W => rd!(|rj, rk| word(rj.wrapping_sub(rk) as u32));
    SUB_D => rd!(|rj, rk| rj.wrapping_sub(rk));
    ADDI_W => addi_w;
    ADDI_D => addi_d;
    ADDU16I_D => rd!(|rj, imm| rj.wrapping_add(imm << 16));
    ALSL_W => rd!(|rj, rk, imm| word(alsl(rj, rk, imm) as u32));
    ALSL_WU => rd!(|rj, rk, imm| alsl(rj, rk, imm) & 0xffff_ffff);
    ALSL_D => rd!(|rj, rk, imm| alsl(rj, rk, imm));
    LU12I_W => lu12i_w;
    LU32I_D => rd!(|rd, imm| splice(imm, rd, 32));
    LU52I_D => rd!(|rj, imm| splice(imm, rj, 52));
    SLT => rd!(|rj, rk| ((rj as i64) < rk as i64).into());
    SLTU => rd!(|rj, rk| (rj < rk).into());
    SLTI => rd!(|rj, imm| ((rj as i64) < imm as i64).into());
    // The immediate is sign-extended for the unsigned comparison too.
    SLTUI => rd!(|rj, imm| (rj < imm).into());
    PCADDI => pc_relative!(|pc, imm| pc.wrapping_add(imm << 2));
    PCADDU12I => pc_relative!(|pc, imm| pc.wrapping_add(imm << 12));
    PCADDU18I => pc_relative!(|pc, imm| pc.wrapping_add(imm << 18));
    PCALAU12I => pc_relative!(|pc, imm| pc.wrapping_add(imm << 12) & !0xfff);
    AND => rd!(|rj, rk| rj & rk);
    OR => or;
    NOR => rd!(|rj, rk| !(rj | rk));
    XOR => rd!(|rj, rk| rj ^ rk);
    ANDN => rd!(|rj, rk| rj & !rk);
    ORN => rd!(|rj, rk| rj | !rk);
    ANDI => andi;
    ORI => rd!(|rj, imm| rj | imm);
    XORI => rd!(|rj, imm| rj ^ imm);
}

#[cfg(test)]
mod tests {
    use super::super::testing::{In, PC, RD, ji, jk, rd_of, run_with};
    use super::enc;

    const MINUS_1: u64 = u64::MAX;
    const BIG: u64 = 0x1234_5678_9abc_def0;

    #[test]
    fn words_wrap_and_are_sign_extended() {
        assert_eq!(
            rd_of(&enc::ADD_W, jk(0x5_7fff_ffff, 1)),
            0xffff_ffff_8000_0000
        );
        assert_eq!(rd_of(&enc::ADD_W, jk(0xffff_ffff, 1)), 0);
        assert_eq!(rd_of(&enc::SUB_W, jk(0, 1)), MINUS_1);
        assert_eq!(
            rd_of(&enc::SUB_W, jk(0x8000_0000, 0x1_0000_0001)),
            0x7fff_ffff
        );
        assert_eq!(
            rd_of(&enc::ADDI_W, ji(0x7fff_ffff, 2047)),
            0xffff_ffff_8000_07fe
        );
        assert_eq!(rd_of(&enc::ADDI_W, ji(BIG, -16)), 0xffff_ffff_9abc_dee0);
    }

    #[test]
    fn doublewords_wrap() {
        assert_eq!(rd_of(&enc::ADD_D, jk(MINUS_1, 2)), 1);
        assert_eq!(rd_of(&enc::SUB_D, jk(1, 2)), MINUS_1);
        assert_eq!(rd_of(&enc::ADDI_D, ji(0, -2048)), 0xffff_ffff_ffff_f800);
        assert_eq!(rd_of(&enc::ADDU16I_D, ji(1, -32768)), 0xffff_ffff_8000_0001);
        assert_eq!(rd_of(&enc::ADDU16I_D, ji(1, 32767)), 0x7fff_0001);
    }

    #[test]
    fn alsl_shifts_by_one_more_than_the_field() {
        let input = |imm| In {
            imm,
            ..jk(0x4000_0001, 3)
        };
        assert_eq!(rd_of(&enc::ALSL_W, input(0)), 0xffff_ffff_8000_0005);
        assert_eq!(rd_of(&enc::ALSL_WU, input(0)), 0x8000_0005);
        assert_eq!(rd_of(&enc::ALSL_WU, input(3)), 0x13);
        assert_eq!(rd_of(&enc::ALSL_D, input(3)), 0x4_0000_0013);
    }

    #[test]
    fn constants_are_put_together() {
        assert_eq!(rd_of(&enc::LU12I_W, ji(0, -0x80000)), 0xffff_ffff_8000_0000);
        assert_eq!(rd_of(&enc::LU12I_W, ji(0, 0x7ffff)), 0x7fff_f000);
        let with_rd = |imm| In {
            rd: BIG,
            imm,
            ..In::default()
        };
        assert_eq!(rd_of(&enc::LU32I_D, with_rd(-2)), 0xffff_fffe_9abc_def0);
        assert_eq!(rd_of(&enc::LU32I_D, with_rd(0x7ffff)), 0x7_ffff_9abc_def0);
        assert_eq!(rd_of(&enc::LU52I_D, ji(BIG, -0x700)), 0x9004_5678_9abc_def0);
    }

    #[test]
    fn comparisons_know_signs() {
        assert_eq!(rd_of(&enc::SLT, jk(MINUS_1, 0)), 1);
        assert_eq!(rd_of(&enc::SLT, jk(0, 0)), 0);
        assert_eq!(rd_of(&enc::SLTU, jk(MINUS_1, 0)), 0);
        assert_eq!(rd_of(&enc::SLTU, jk(0, 1)), 1);
        assert_eq!(rd_of(&enc::SLTI, ji(0, -1)), 0);
        assert_eq!(rd_of(&enc::SLTI, ji(MINUS_1, 0)), 1);
        assert_eq!(rd_of(&enc::SLTUI, ji(0, -1)), 1);
        assert_eq!(rd_of(&enc::SLTUI, ji(MINUS_1, -1)), 0);
    }

    #[test]
    fn pc_relative_addresses_count_from_the_instruction() {
        assert_eq!(rd_of(&enc::PCADDI, ji(0, -1)), PC - 4);
        assert_eq!(rd_of(&enc::PCADDU12I, ji(0, 2)), PC + 0x2000);
        assert_eq!(rd_of(&enc::PCADDU18I, ji(0, -0x80000)), PC - (1 << 37));
        assert_eq!(rd_of(&enc::PCALAU12I, ji(0, -1)), (PC & !0xfff) - 0x1000);
    }

    #[test]
    fn logic() {
        assert_eq!(rd_of(&enc::AND, jk(0b1100, 0b1010)), 0b1000);
        assert_eq!(rd_of(&enc::OR, jk(0b1100, 0b1010)), 0b1110);
        assert_eq!(rd_of(&enc::XOR, jk(0b1100, 0b1010)), 0b0110);
        assert_eq!(rd_of(&enc::NOR, jk(0b1100, 0b1010)), !0b1110);
        assert_eq!(rd_of(&enc::ANDN, jk(0b1100, 0b1010)), 0b0100);
        assert_eq!(rd_of(&enc::ORN, jk(0b1100, 0b1010)), !0b0010);
        assert_eq!(rd_of(&enc::ANDI, ji(MINUS_1, 0xfff)), 0xfff);
        assert_eq!(rd_of(&enc::ORI, ji(0, 0xfff)), 0xfff);
        assert_eq!(rd_of(&enc::XORI, ji(MINUS_1, 0xfff)), !0xfff);
    }

    #[test]
    fn r0_stays_zero_and_rd_may_be_a_source() {
        let (cpu, _) = run_with(&enc::ADDI_D, ji(1, 1), |op| op.rd = 0);
        assert_eq!(cpu.get(0), 0);
        let (cpu, _) = run_with(&enc::SUB_D, jk(9, 2), |op| op.rj = RD);
        assert_eq!(cpu.get(RD), 7);
    }
}
