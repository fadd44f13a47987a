// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What is tested: the instructions that lvz-sim implements, by group.

use crate::generate::shape;
use la_arch::insn::{Encoding, atomic, bound, fp, integer, lasx, lsx, lvz, privileged};
use lvz_sim::cpu::{Group, Insn};

/// All encodings that `la-arch` knows, by file.
const ENCODINGS: [&[Encoding]; 8] = [
    integer::ALL,
    bound::ALL,
    atomic::ALL,
    fp::ALL,
    lsx::ALL,
    lasx::ALL,
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

/// Whether lvz-sim's model la664 has the instruction `word`. Everything else
/// must be INE in QEMU too, which also finds instructions that are missing.
pub fn is_instruction(word: u32) -> bool {
    lvz_sim::isa::all().any(|insn| !insn.encoding.v1_1 && insn.encoding.matches(word))
}

/// Instructions of LoongArch v1.0 that `la-arch` knows and lvz-sim does not
/// implement.
pub fn missing() -> Vec<&'static str> {
    let implemented = |e: &Encoding| lvz_sim::isa::all().any(|insn| insn.encoding == e);
    ENCODINGS
        .iter()
        .flat_map(|group| group.iter())
        .filter(|e| !e.v1_1 && !implemented(e))
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

/// All instructions that lvz-sim implements in its model la664.
pub fn all() -> Vec<Subject> {
    lvz_sim::isa::all()
        .filter(|insn| !insn.encoding.v1_1)
        .map(|insn| Subject {
            insn,
            excluded: shape::excluded(insn.encoding, insn.group),
        })
        .collect()
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
        Group::Privileged => "privileged",
        Group::Lvz => "lvz",
    }
}
