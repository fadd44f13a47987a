// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What is tested: the instructions that lvz-sim implements, by group.

use crate::generate::shape;
use la_arch::insn::{Encoding, atomic, bound, fp, integer, lasx, lbt, lsx, lvz, privileged};
use lvz_sim::cpu::{Group, Insn, Model};
use lvz_sim::isa::ABSENT;

/// All encodings that `la-arch` knows, by file.
const ENCODINGS: [&[Encoding]; 9] = [
    integer::ALL,
    bound::ALL,
    atomic::ALL,
    fp::ALL,
    lsx::ALL,
    lasx::ALL,
    lbt::ALL,
    privileged::ALL,
    lvz::ALL,
];

/// One of all encodings, chosen by a number.
pub fn any_encoding(number: usize) -> &'static Encoding {
    let all: usize = ENCODINGS.iter().map(|group| group.len()).sum();
    let mut number = number % all;
    for group in ENCODINGS {
        match group.get(number) {
            Some(encoding) => return encoding,
            None => number -= group.len(),
        }
    }
    &integer::ADD_W
}

/// What the tests of one CPU model of lvz-sim are about.
pub struct Subjects {
    model: Model,
    /// Instructions that `la-arch` knows and the model does not have.
    absent: Vec<&'static Encoding>,
}

impl Subjects {
    /// Those of `model`.
    pub fn of(model: Model) -> Self {
        let has = |e: &Encoding| insns_of(&model).any(|insn| insn.encoding == e);
        let absent = encodings().filter(|e| !has(e)).collect();
        Subjects { model, absent }
    }

    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Whether the model has the instruction `word`. Everything else must be INE in
    /// QEMU too, which also finds instructions that are missing.
    pub fn is_instruction(&self, word: u32) -> bool {
        insns_of(&self.model).any(|insn| insn.encoding.matches(word))
    }

    /// The instructions that the model does not have.
    pub fn absent(&self) -> &[&'static Encoding] {
        &self.absent
    }

    /// The instructions that the model has.
    pub fn all(&self) -> Vec<Subject> {
        insns_of(&self.model)
            .map(|insn| Subject {
                insn,
                excluded: shape::excluded(insn.encoding, insn.group),
            })
            .collect()
    }
}

fn insns_of(model: &Model) -> impl Iterator<Item = &'static Insn> {
    lvz_sim::isa::all().filter(|insn| model.implements(insn))
}

fn encodings() -> impl Iterator<Item = &'static Encoding> {
    ENCODINGS.iter().flat_map(|group| group.iter())
}

/// Whether `la-arch` knows the instruction `word`.
pub fn is_known(word: u32) -> bool {
    encodings().any(|encoding| encoding.matches(word))
}

/// Instructions that `la-arch` knows and no model of lvz-sim implements, without an
/// argument in [`ABSENT`].
pub fn missing() -> Vec<&'static str> {
    let argued = |e: &Encoding| ABSENT.iter().any(|(absent, _)| *absent == e);
    let implemented =
        |e: &Encoding| lvz_sim::isa::all().any(|insn| insn.encoding == e) || argued(e);
    encodings()
        .filter(|e| !implemented(e))
        .map(|e| e.name)
        .collect()
}

/// An implemented instruction, and why it is not compared, if it is not.
#[derive(Clone, Copy)]
pub struct Subject {
    /// The instruction.
    pub insn: &'static Insn,
    /// Where it is tested instead.
    pub excluded: Option<&'static str>,
}

/// A group's name in the table.
pub fn group_name(group: Group) -> &'static str {
    match group {
        Group::Integer => "integer",
        Group::Bound => "bound",
        Group::Atomic => "atomic",
        Group::Crc => "crc",
        Group::Fp => "fp",
        Group::Lsx => "lsx",
        Group::Lasx => "lasx",
        Group::Lbt => "lbt",
        Group::Privileged => "privileged",
        Group::Lvz => "lvz",
    }
}
