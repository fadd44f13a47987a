// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The interpreter's step.

use super::load_store::{displaced, ld, st};
use crate::cpu::{Cpu, Op, Step};
use crate::mem::Bus;
use la_arch::insn::integer as enc;

/// The bits of a word that tell instructions with 12 bits of immediate apart.
const OPCODE_SHIFT: u32 = 22;
const ADDI_D: u32 = enc::ADDI_D.bits >> OPCODE_SHIFT;
const LD_D: u32 = enc::LD_D.bits >> OPCODE_SHIFT;
const ST_D: u32 = enc::ST_D.bits >> OPCODE_SHIFT;

/// Does what the handler of `op` does. The most frequent instructions, a third of those
/// that a boot interprets, are told apart by branches, which costs less than to call
/// through a pointer that is often another.
#[inline(always)]
pub(crate) fn execute(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    match op.insn >> OPCODE_SHIFT {
        ADDI_D => {
            cpu.set(op.rd, displaced(cpu, op));
            Ok(())
        }
        LD_D => ld::<u64>(cpu, bus, op),
        ST_D => st::<u64>(cpu, bus, op),
        _ => (op.run)(cpu, bus, op),
    }
}
