// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The compiled form of an instruction.

use super::emitter::{Emitter, Gate};
use crate::cpu::Op;
use la_arch::insn::Encoding;

/// General registers by the fields that name them.
pub(super) mod field {
    /// Bits 4:0.
    pub(crate) const RD: u8 = 1;
    /// Bits 9:5.
    pub(crate) const RJ: u8 = 2;
    /// Bits 14:10.
    pub(crate) const RK: u8 = 4;
    /// r1, the register of `bl`.
    pub(crate) const RA: u8 = 8;
}

/// How a branch finds its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Its own address plus four times `imm`, always.
    Always,
    /// The same if a condition is true, else the next instruction.
    Condition,
    Register,
}

/// A compiled form.
pub(super) struct Form {
    pub(super) encoding: &'static Encoding,
    /// [`field`]s of registers that are read.
    pub(super) reads: u8,
    /// [`field`]s of registers that are written.
    pub(super) writes: u8,
    /// For a branch, which ends its block.
    pub(super) way: Option<Way>,
    /// What is looked at before it, once in a block.
    pub(super) gate: Option<Gate>,
    /// Whether the operands have a meaning in this form.
    pub(super) fits: fn(&Op) -> bool,
    pub(super) emit: fn(&mut Emitter<'_>, &Op),
}

impl Form {
    /// A form that needs a unit, for all operands, of an instruction that goes on.
    pub(super) const fn gated(
        gate: Gate,
        encoding: &'static Encoding,
        reads: u8,
        writes: u8,
        emit: fn(&mut Emitter<'_>, &Op),
    ) -> Form {
        Form {
            encoding,
            reads,
            writes,
            way: None,
            gate: Some(gate),
            fits: |_| true,
            emit,
        }
    }
}

fn registers(fields: u8, op: &Op) -> u32 {
    let named = |field, register: u8| match fields & field {
        0 => 0,
        _ => 1u32 << (register & 31),
    };
    named(field::RD, op.rd)
        | named(field::RJ, op.rj)
        | named(field::RK, op.rk)
        | named(field::RA, 1)
}

impl Form {
    pub(super) fn reads(&self, op: &Op) -> u32 {
        registers(self.reads, op)
    }

    pub(super) fn writes(&self, op: &Op) -> u32 {
        registers(self.writes, op)
    }
}
