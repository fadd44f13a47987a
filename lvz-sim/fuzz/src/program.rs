// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A program of random instructions in loops.

use super::random::Random;
use la_arch::insn::Encoding;
use lvz_sim::cpu::{Group, Model};
use lvz_sim::isa;
use lvz_sim::mem::Ram;

/// Where the program is: two pages, so that branches cross from one to the other.
pub(super) const CODE: usize = 0x10_0000;
const CODE_SIZE: usize = 8 << 10;
/// Where exceptions go: back into the program, at the instruction behind.
pub(super) const HANDLER: usize = 0x2_0000;
/// Where TLB refills go: as [`HANDLER`].
pub(super) const REFILL: usize = 0x2_1000;
/// What enters the guest: it writes the TLB entry that the CSRs hold, and returns to the program.
pub(super) const ENTER: usize = 0x2_2000;
/// Where the data is.
pub(super) const DATA: u64 = 0x20_0000;

/// Performance counters and their controls, eight CSRs.
const COUNTERS: u32 = 0x200;
const ERA: u32 = 0x6;
const TLBRERA: u32 = 0x8a;
const ERTN: u32 = 0x0648_3800;
const TLBWR: u32 = 0x0648_3000;

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
/// hold addresses of data, and are only read.
pub(super) fn program(
    random: &mut Random<'_>,
    ram: &mut Ram,
    model: &Model,
    favoured: Option<&Encoding>,
) {
    let ordinary = ordinary(model);
    let branches = BRANCHES.map(encoding);
    let accesses = ACCESSES.map(encoding);
    let words: Vec<u32> = (0..CODE_SIZE / 4)
        .map(|at| match random.below(16) {
            0 | 1 => {
                let chosen = random.one_of(&branches);
                branch(random, chosen, at)
            }
            2..=5 => {
                let access = random.one_of(&accesses);
                let operands = random.word();
                let base = 20 + operands % 8;
                let data = 4 + (operands >> 3) % 14;
                let fields = operands & access.format.operand_bits & !0x3ff;
                access.bits | fields | base << 5 | data
            }
            6 => {
                // csrrd: csrxchg with r0 for a mask.
                let operands = random.word();
                let rd = 4 + (operands >> 27) % 14;
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
                // Results go to registers 4 to 17.
                let rd = 4 + (operands >> 27) % 14;
                let fields = operands & chosen.format.operand_bits & !0x1f;
                chosen.bits | fields | rd & chosen.format.operand_bits
            }
        })
        .collect();
    put(ram, CODE, &words);
    put(ram, HANDLER, &skip(ERA));
    put(ram, REFILL, &skip(TLBRERA));
    put(ram, ENTER, &[TLBWR, ERTN]);
}

/// Returns to the instruction behind the one whose address `csr` holds; from the program's first
/// part on, from its beginning. r30 and r31 are clobbered.
fn skip(csr: u32) -> [u32; 10] {
    const LIMIT: u32 = 2047;
    let page = (CODE as u32 >> 12) << 5;
    let csrrd = |rd: u32| 0x0400_0000 | csr << 10 | rd;
    let csrwr = |rd: u32| 0x0400_0020 | csr << 10 | rd;
    // TLBRERA's lowest bit says that a refill is handled; ERA drops it.
    let refill = 1;
    [
        csrrd(30),
        0x02c0_0000 | 4 << 10 | 30 << 5 | 30, // addi.d r30, r30, 4
        0x1400_001f | page,                   // lu12i.w r31, CODE
        0x0011_8000 | 31 << 10 | 30 << 5 | 31, // sub.d r31, r30, r31
        0x0240_0000 | LIMIT << 10 | 31 << 5 | 31, // sltui r31, r31, LIMIT
        0x4400_0000 | 3 << 10 | 31 << 5,      // bnez r31, +3
        0x1400_001e | page,                   // lu12i.w r30, CODE
        0x0380_0000 | refill << 10 | 30 << 5 | 30, // ori r30, r30, refill
        csrwr(30),
        ERTN,
    ]
}
