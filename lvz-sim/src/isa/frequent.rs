// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The interpreter's step. The most frequent instructions, most of those that a boot
//! interprets, are told apart by branches, which costs less than to call through a pointer
//! that is often another.

use super::alu::{addi_d, addi_w, andi, lu12i_w, or};
use super::branch::{b, beq, beqz, bl, bne, bnez, jirl};
use super::load_store::{ld, ldptr, st, stptr};
use crate::cpu::{Cpu, Op, Step};
use crate::mem::Bus;
use la_arch::insn::integer as enc;

/// The bits of a word that tell instructions with 12 bits of immediate apart.
const SI12: u32 = 22;
const ADDI_D: u32 = enc::ADDI_D.bits >> SI12;
const ADDI_W: u32 = enc::ADDI_W.bits >> SI12;
const ANDI: u32 = enc::ANDI.bits >> SI12;
const LD_W: u32 = enc::LD_W.bits >> SI12;
const LD_BU: u32 = enc::LD_BU.bits >> SI12;
const ST_W: u32 = enc::ST_W.bits >> SI12;
const LD_D: u32 = enc::LD_D.bits >> SI12;
const ST_D: u32 = enc::ST_D.bits >> SI12;

/// The same with 14 bits.
const SI14: u32 = 24;
const LDPTR_D: u32 = enc::LDPTR_D.bits >> SI14;
const STPTR_D: u32 = enc::STPTR_D.bits >> SI14;
const LDPTR_W: u32 = enc::LDPTR_W.bits >> SI14;

/// The same with 20 bits.
const SI20: u32 = 25;
const LU12I_W: u32 = enc::LU12I_W.bits >> SI20;

/// The same with three registers.
const REGISTERS: u32 = 15;
const OR: u32 = enc::OR.bits >> REGISTERS;

/// The same with 16 bits or more.
const BRANCH: u32 = 26;
const B: u32 = enc::B.bits >> BRANCH;
const BL: u32 = enc::BL.bits >> BRANCH;
const JIRL: u32 = enc::JIRL.bits >> BRANCH;
const BEQZ: u32 = enc::BEQZ.bits >> BRANCH;
const BNEZ: u32 = enc::BNEZ.bits >> BRANCH;
const BEQ: u32 = enc::BEQ.bits >> BRANCH;
const BNE: u32 = enc::BNE.bits >> BRANCH;

/// Does what the handler of `op` does, which is not the last one of its block.
#[inline(always)]
pub(crate) fn execute(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    match op.insn >> SI12 {
        ADDI_D => addi_d(cpu, bus, op),
        LD_D => ld::<u64>(cpu, bus, op),
        ST_D => st::<u64>(cpu, bus, op),
        _ if op.insn >> REGISTERS == OR => or(cpu, bus, op),
        _ if op.insn >> SI14 == LDPTR_D => ldptr::<u64>(cpu, bus, op),
        _ if op.insn >> SI14 == LDPTR_W => ldptr::<i32>(cpu, bus, op),
        ADDI_W => addi_w(cpu, bus, op),
        ANDI => andi(cpu, bus, op),
        LD_W => ld::<i32>(cpu, bus, op),
        _ if op.insn >> SI14 == STPTR_D => stptr::<u64>(cpu, bus, op),
        ST_W => st::<u32>(cpu, bus, op),
        LD_BU => ld::<u8>(cpu, bus, op),
        _ if op.insn >> SI20 == LU12I_W => lu12i_w(cpu, bus, op),
        _ => (op.run)(cpu, bus, op),
    }
}

/// Does what the handler of `op` does, which is the last one of its block.
#[inline(always)]
pub(crate) fn execute_last(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    match op.insn >> BRANCH {
        BEQZ => beqz(cpu, bus, op),
        BNEZ => bnez(cpu, bus, op),
        JIRL => jirl(cpu, bus, op),
        BL => bl(cpu, bus, op),
        BEQ => beq(cpu, bus, op),
        BNE => bne(cpu, bus, op),
        B => b(cpu, bus, op),
        _ => (op.run)(cpu, bus, op),
    }
}
