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

use super::form::Form;
use crate::cpu::{Ends, Group, Insn, Op};
use la_arch::insn::Encoding;
use rustc_hash::FxHashMap;
use std::sync::LazyLock;

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
