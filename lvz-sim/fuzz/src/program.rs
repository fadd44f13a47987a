// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A program of random instructions in loops.

use super::random::Random;
use la_arch::insn::Encoding;
use lvz_sim::cpu::{Group, Model};
use lvz_sim::isa;
use lvz_sim::mem::Ram;

/// Where the program is: two pages, so that branches cross from one to the other.
pub(super) const CODE: usize = 0x10_0000;
pub(super) const CODE_SIZE: usize = 8 << 10;
/// Where the data is.
pub(super) const DATA: u64 = 0x20_0000;

/// Performance counters and their controls, eight CSRs.
const COUNTERS: u32 = 0x200;

/// The instruction of this name.
fn encoding(name: &str) -> &'static Encoding {
    isa::all()
        .map(|insn| insn.encoding)
        .find(|encoding| encoding.name == name)
        .expect("an instruction of this name")
}

/// Instructions of a model to choose from: those that neither change the mode nor stop, and one
/// that a guest leaves for.
pub fn ordinary(model: &Model) -> Vec<&'static Encoding> {
    isa::all()
        .filter(|insn| model.implements(insn))
        .filter(|insn| !matches!(insn.group, Group::Privileged | Group::Lvz))
        .map(|insn| insn.encoding)
        .chain([encoding("hvcl")])
        .collect()
}

const BRANCHES: [&str; 10] = [
    "beq", "bne", "blt", "bge", "bltu", "bgeu", "beqz", "bnez", "b", "bl",
];

const ACCESSES: [&str; 19] = [
    "ld.b", "ld.h", "ld.w", "ld.d", "ld.bu", "ld.hu", "ld.wu", "st.b", "st.h", "st.w", "st.d",
    "ldptr.d", "stptr.w", "ldx.d", "stx.h", "fld.d", "fst.s", "vld", "vst",
];

/// What a program is like; none of it is the most frequent.
#[derive(Clone, Copy, Default)]
pub(super) struct Shape {
    /// By pages instead of direct addresses, which come and go in the TLB.
    pub(super) mapped: bool,
    /// It moves its own instructions.
    copies: bool,
    /// All operands are in registers 4 to 7.
    narrow: bool,
}

impl Shape {
    fn choose(random: &mut Random<'_>) -> Self {
        let chosen = random.below(16);
        match chosen {
            ..8 => Self::default(),
            _ => Self {
                mapped: chosen & 1 != 0,
                copies: chosen & 2 != 0,
                narrow: chosen & 4 != 0,
            },
        }
    }

    /// What stands for registers in these operands of an instruction.
    fn operands(self, of: &Encoding, operands: u32) -> u32 {
        const EACH: u32 = 1 | 1 << 5 | 1 << 10;
        let all = of.format.operand_bits;
        match self.narrow {
            true => (operands & !(0x18 * EACH) | (4 * EACH)) & all,
            false => operands & all,
        }
    }

    /// Where a result goes: register 4 to 17.
    fn result(self, random: u32) -> u32 {
        4 + random % if self.narrow { 4 } else { 14 }
    }
}

/// What moves instructions, one or two at once.
const COPIES: [&str; 4] = ["ld.w", "ld.d", "st.w", "st.d"];

/// Puts words into memory.
pub(super) fn put(ram: &mut Ram, at: usize, words: &[u32]) {
    for (place, word) in ram.bytes_mut()[at..].chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
}

/// A branch at word `at`, not far and most often back.
fn branch(random: &mut Random<'_>, branch: &Encoding, at: usize) -> u32 {
    let operands = random.word();
    let near = at.saturating_sub(random.below(24));
    let to = match random.below(4) {
        0 => random.below(CODE_SIZE / 4),
        _ => near,
    };
    let offset = (to as i32 - at as i32) as u32;
    let fields = match branch.name {
        "b" | "bl" => (offset & 0xffff) << 10 | offset >> 16 & 0x3ff,
        "beqz" | "bnez" => (offset & 0xffff) << 10 | operands & 0x3e0 | offset >> 16 & 0x1f,
        _ => (offset & 0xffff) << 10 | operands & 0x3ff,
    };
    branch.bits | fields
}

/// Puts a program into memory, which often has the instruction `favoured`. Registers 20 to 27
/// hold addresses of data, 28 one of code, and are only read.
pub(super) fn program(
    random: &mut Random<'_>,
    ram: &mut Ram,
    model: &Model,
    favoured: Option<&Encoding>,
) -> Shape {
    let shape = Shape::choose(random);
    let ordinary = ordinary(model);
    let branches = BRANCHES.map(encoding);
    let accesses = ACCESSES.map(encoding);
    let copies = COPIES.map(encoding);
    let invtlb = encoding("invtlb");
    let words: Vec<u32> = (0..CODE_SIZE / 4)
        .map(|at| match random.below(16) {
            0 | 1 => {
                let chosen = random.one_of(&branches);
                branch(random, chosen, at)
            }
            2 if shape.copies => {
                let offset = (random.word() & 0x3ff << 2) << 10;
                random.one_of(&copies).bits | offset | 28 << 5 | 18
            }
            3 if shape.mapped && random.below(8) == 0 => {
                // All entries, all that are not global, those of an address.
                let operation = random.one_of(&[0, 3, 5, 6, 6]);
                let address = 20 + random.below(8) as u32;
                invtlb.bits | address << 10 | operation
            }
            2..=5 => {
                let access = random.one_of(&accesses);
                let operands = random.word();
                let base = 20 + operands % 8;
                let data = shape.result(operands >> 3);
                let fields = operands & access.format.operand_bits & !0x3ff;
                access.bits | fields | base << 5 | data
            }
            6 => {
                // csrrd: csrxchg with r0 for a mask.
                let operands = random.word();
                let rd = shape.result(operands >> 27);
                let number = match random.below(4) {
                    0 => COUNTERS << 10 | operands & 7 << 10,
                    _ => operands & 0x3ff << 10,
                };
                encoding("csrxchg").bits | number | rd
            }
            _ => {
                let chosen = match favoured {
                    Some(favoured) if random.below(2) == 1 => favoured,
                    _ => random.one_of(&ordinary),
                };
                let operands = random.word();
                let rd = shape.result(operands >> 27);
                let fields = shape.operands(chosen, operands) & !0x1f;
                chosen.bits | fields | rd & chosen.format.operand_bits
            }
        })
        .collect();
    put(ram, CODE, &words);
    shape
}
