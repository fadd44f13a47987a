// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The compiled forms of instructions: one table for each group, as the
//! interpreter has its handlers. An instruction without a form is executed by its
//! handler.

mod alu;
mod branch;
mod memory;

use super::emitter::Emitter;
use crate::cpu::Op;
use la_arch::insn::Encoding;
use rustc_hash::FxHashMap;
use std::sync::LazyLock;

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
    /// A register.
    Register,
}

/// A compiled form.
pub(super) struct Form {
    encoding: &'static Encoding,
    /// [`field`]s of registers that are read.
    reads: u8,
    /// [`field`]s of registers that are written.
    writes: u8,
    /// For a branch, which ends its block.
    pub(super) way: Option<Way>,
    /// Whether the operands have a meaning in this form.
    fits: fn(&Op) -> bool,
    /// Emits it.
    pub(super) emit: fn(&mut Emitter<'_>, &Op),
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

/// All forms, by the bits of their encodings.
static FORMS: LazyLock<FxHashMap<u32, &'static Form>> = LazyLock::new(|| {
    [alu::FORMS, branch::FORMS, memory::FORMS]
        .into_iter()
        .flatten()
        .map(|form| (form.encoding.bits, form))
        .collect()
});

/// The form of an instruction, if it has one.
pub(super) fn of(encoding: &'static Encoding, op: &Op) -> Option<&'static Form> {
    let form = FORMS.get(&encoding.bits)?;
    (form.fits)(op).then_some(form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_forms_are_of_one_instruction() {
        let forms = [alu::FORMS, branch::FORMS, memory::FORMS];
        let count: usize = forms.iter().map(|table| table.len()).sum();
        assert_eq!(FORMS.len(), count);
    }
}
