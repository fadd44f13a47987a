// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The compiled forms of instructions: one table for each group, as the
//! interpreter has its handlers. An instruction without a form is executed by its
//! handler.

mod alu;
mod branch;
mod fp;
mod fp_arith;
mod fp_fused;
mod lsx;
mod memory;

use super::emitter::Emitter;
use crate::cpu::{Ends, Group, Insn, Op};
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
    Register,
}

/// The unit that must be enabled (EUEN).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    Fp,
    Lsx,
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
    /// What is looked at before it, once in a block.
    pub(super) gate: Option<Gate>,
    /// Whether the operands have a meaning in this form.
    fits: fn(&Op) -> bool,
    pub(super) emit: fn(&mut Emitter<'_>, &Op),
}

impl Form {
    /// A form that needs a unit, for all operands, of an instruction that goes on.
    const fn gated(
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

fn tables() -> impl Iterator<Item = &'static Form> {
    [
        &[alu::FORMS, branch::FORMS, memory::FORMS],
        fp::FORMS,
        fp_arith::FORMS,
        fp_fused::FORMS,
        lsx::FORMS,
    ]
    .into_iter()
    .flatten()
    .copied()
    .flatten()
}

/// All forms, by the bits of their encodings.
static FORMS: LazyLock<FxHashMap<u32, &'static Form>> =
    LazyLock::new(|| tables().map(|form| (form.encoding.bits, form)).collect());

/// The form of an instruction, if it has one.
pub(super) fn of(encoding: &'static Encoding, op: &Op) -> Option<&'static Form> {
    let form = FORMS.get(&encoding.bits)?;
    (form.fits)(op).then_some(form)
}

/// Whether the handler works on registers alone, so that it may be called without the
/// place in memory: floating point and LSX, of which all that access memory or
/// end a block have forms.
pub(super) fn is_light(insn: &Insn) -> bool {
    matches!(insn.group, Group::Fp | Group::Lsx) && insn.ends == Ends::No
}

/// Whether an instruction has a form.
pub(super) fn exists(encoding: &Encoding) -> bool {
    FORMS.contains_key(&encoding.bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_forms_are_of_one_instruction() {
        assert_eq!(FORMS.len(), tables().count());
    }

    #[test]
    fn what_has_no_form_among_fp_and_lsx_works_on_registers_alone() {
        for insn in crate::isa::all().filter(|i| is_light(i)) {
            let name = insn.encoding.name;
            let accesses = ["fld", "fst", "vld", "vst"];
            let access = accesses.iter().any(|start| name.starts_with(start));
            assert!(!access || exists(insn.encoding), "{name}");
        }
    }
}
