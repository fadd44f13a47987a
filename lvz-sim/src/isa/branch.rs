//! Branches (Volume 1, 2.2.4).

use super::operand::{offset, operand};
use super::{Group, Op, Step};
use crate::cpu::Cpu;
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

/// The return address.
#[inline(always)]
fn link(cpu: &Cpu, op: &Op) -> u64 {
    cpu.pc_of(op).wrapping_add(4)
}

/// A handler that jumps if a condition on the operands named is true.
macro_rules! branch_if {
    (|$($operand:ident),*| $condition:expr) => {
        |cpu, _bus, op| {
            $(let $operand = operand!($operand, cpu, op);)*
            if $condition { jump(cpu, op) } else { Ok(()) }
        }
    };
}

fn b(cpu: &mut Cpu, _bus: &mut Bus, op: &Op) -> Step {
    jump(cpu, op)
}

fn bl(cpu: &mut Cpu, _bus: &mut Bus, op: &Op) -> Step {
    cpu.set(RA, link(cpu, op));
    jump(cpu, op)
}

fn jirl(cpu: &mut Cpu, _bus: &mut Bus, op: &Op) -> Step {
    // rd and rj may be the same: the target comes first.
    let target = cpu.get(op.rj).wrapping_add(offset(op));
    cpu.set(op.rd, link(cpu, op));
    cpu.jump(target)
}

crate::insn_table! { Group::Integer;
    BEQZ => branch_if!(|rj| rj == 0), @ends;
    BNEZ => branch_if!(|rj| rj != 0), @ends;
    JIRL => jirl, @ends;
    B => b, @ends;
    BL => bl, @ends;
    BEQ => branch_if!(|rj, rd| rj == rd), @ends;
    BNE => branch_if!(|rj, rd| rj != rd), @ends;
    BLT => branch_if!(|rj, rd| (rj as i64) < rd as i64), @ends;
    BGE => branch_if!(|rj, rd| rj as i64 >= rd as i64), @ends;
    BLTU => branch_if!(|rj, rd| rj < rd), @ends;
    BGEU => branch_if!(|rj, rd| rj >= rd), @ends;
}
