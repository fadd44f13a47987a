// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Instructions as text, as GNU binutils write them: made from la-arch's encodings, whose
//! formats say what the operands are. What a format does not say is in the tables below.

use crate::isa;
use la_arch::insn::{Encoding, Operands, RegFile};
use std::fmt::Write as _;

/// General registers by their names in the procedure call standard.
pub const GENERAL: [&str; 32] = [
    "$zero", "$ra", "$tp", "$sp", "$a0", "$a1", "$a2", "$a3", "$a4", "$a5", "$a6", "$a7", "$t0",
    "$t1", "$t2", "$t3", "$t4", "$t5", "$t6", "$t7", "$t8", "$r21", "$fp", "$s0", "$s1", "$s2",
    "$s3", "$s4", "$s5", "$s6", "$s7", "$s8",
];

/// Instructions whose first operand is a hint or an operation.
const HINT_FIRST: [&str; 4] = ["preld", "preldx", "cacop", "invtlb"];

/// Instructions whose second immediate is written before the first.
const SECOND_FIRST: [&str; 4] = ["bstrins", "bstrpick", "arms", "armrotri"];

/// Branches to an address beside their own, with a word for the unit of the offset.
const BRANCHES: [&str; 12] = [
    "b", "bl", "beq", "bne", "blt", "bge", "bltu", "bgeu", "beqz", "bnez", "bceqz", "bcnez",
];

/// Those of them that compare two registers, rj with rd.
const COMPARING: [&str; 6] = ["beq", "bne", "blt", "bge", "bltu", "bgeu"];

/// The text of the word `word` of instruction `encoding` at address `pc`.
pub fn text(encoding: &Encoding, word: u32, pc: u64) -> String {
    let operands = encoding.operands(word);
    if let Some(text) = alias(encoding, &operands, pc) {
        return text;
    }
    if encoding.name.starts_with("movgr2fcsr") || encoding.name.starts_with("movfcsr2gr") {
        return status_register(encoding, word, &operands);
    }
    let mut list = registers(encoding, &operands);
    let mut immediates = immediates(encoding, &operands);
    if SECOND_FIRST
        .iter()
        .any(|name| encoding.name.starts_with(name))
    {
        immediates.reverse();
    }
    match HINT_FIRST.contains(&encoding.name) {
        true => list.splice(0..0, immediates.drain(..1)).for_each(drop),
        // Atomics have the address last.
        false if is_atomic(encoding) => list.swap(1, 2),
        // What is compared is written as in the comparison.
        false if COMPARING.contains(&encoding.name) => list.swap(0, 1),
        false => {}
    }
    list.append(&mut immediates);
    let mut text = line(encoding.name, &list);
    if BRANCHES.contains(&encoding.name) {
        let target = pc.wrapping_add((i64::from(operands.imm) << 2) as u64);
        // Writing to a string does not fail.
        let _ = write!(text, " # {target:#x}");
    }
    text
}

fn line(name: &str, operands: &[String]) -> String {
    match operands {
        [] => name.to_owned(),
        _ => format!("{name} {}", operands.join(", ")),
    }
}

/// Operations on memory with the operand registers before that of the address.
fn is_atomic(encoding: &Encoding) -> bool {
    encoding.name.starts_with("am") || encoding.name == "sc.q"
}

/// A register of a file.
pub fn register(file: RegFile, number: u8) -> Option<String> {
    let number = usize::from(number);
    Some(match file {
        RegFile::None => return None,
        RegFile::Gpr => GENERAL[number & 31].to_owned(),
        RegFile::Fpr => match number {
            0..8 => format!("$fa{number}"),
            8..24 => format!("$ft{}", number - 8),
            _ => format!("$fs{}", number - 24),
        },
        RegFile::Vr => format!("$vr{number}"),
        RegFile::Xr => format!("$xr{number}"),
        RegFile::Cfr => format!("$fcc{}", number & 7),
        RegFile::Scr => format!("$scr{}", number & 3),
    })
}

fn registers(encoding: &Encoding, operands: &Operands) -> Vec<String> {
    let fields = [operands.rd, operands.rj, operands.rk, operands.ra];
    let files = encoding.format.regs.into_iter().zip(fields);
    files
        .filter_map(|(file, number)| register(file, number))
        .collect()
}

fn immediates(encoding: &Encoding, operands: &Operands) -> Vec<String> {
    let values = [operands.imm, operands.imm2.into()];
    let shifts = [scale(encoding), 0];
    let widths = encoding.format.immediate_widths();
    let signs = encoding.format.immediate_signs();
    (0..2)
        .filter(|i| widths[*i] > 0)
        .map(|i| match signs[i] {
            true => (values[i] << shifts[i]).to_string(),
            // `alsl` shifts by one more than its field says.
            false => format!(
                "{:#x}",
                values[i] + i32::from(encoding.name.starts_with("alsl"))
            ),
        })
        .collect()
}

/// By how many bits the first immediate is shifted.
fn scale(encoding: &Encoding) -> u32 {
    let name = encoding.name;
    let (stem, suffix) = name.split_once('.').unwrap_or((name, ""));
    match stem {
        "ll" | "sc" | "ldptr" | "stptr" | "jirl" | "jiscr0" | "jiscr1" => 2,
        "vldrepl" | "xvldrepl" | "vstelm" | "xvstelm" => match suffix {
            "h" => 1,
            "w" => 2,
            "d" => 3,
            _ => 0,
        },
        _ if BRANCHES.contains(&name) => 2,
        _ => 0,
    }
}

/// The instruction's other name, where binutils prefer that.
fn alias(encoding: &Encoding, operands: &Operands, pc: u64) -> Option<String> {
    let Operands {
        rd, rj, rk, imm, ..
    } = *operands;
    let general = |number: u8| GENERAL[usize::from(number)].to_owned();
    let branch = |name: &str, register: u8| {
        let target = pc.wrapping_add((i64::from(imm) << 2) as u64);
        format!("{name} {}, {} # {target:#x}", general(register), imm << 2)
    };
    Some(match encoding.name {
        "andi" if (rd, rj, imm) == (0, 0, 0) => "nop".to_owned(),
        "or" if rk == 0 => line("move", &[general(rd), general(rj)]),
        "addi.w" if rj == 0 => line("li.w", &[general(rd), imm.to_string()]),
        "addi.d" if rj == 0 => line("li.d", &[general(rd), imm.to_string()]),
        "ori" if rj == 0 => line("li.w", &[general(rd), format!("{imm:#x}")]),
        "jirl" if (rd, rj, imm) == (0, 1, 0) => "ret".to_owned(),
        "jirl" if (rd, imm) == (0, 0) => line("jr", &[general(rj)]),
        "blt" if rd == 0 => branch("bltz", rj),
        "blt" if rj == 0 => branch("bgtz", rd),
        "bge" if rd == 0 => branch("bgez", rj),
        "bge" if rj == 0 => branch("blez", rd),
        // An instruction that is to fault: no memory is where `$ra` points.
        "amswap.w" if rk == 1 && rd == rj => line("ud", &[format!("{rd:#x}")]),
        "csrxchg" if rj < 2 => csr(["csrrd", "csrwr"], operands),
        "gcsrxchg" if rj < 2 => csr(["gcsrrd", "gcsrwr"], operands),
        "rdtimel.w" if rj == 0 => line("rdcntvl.w", &[general(rd)]),
        "rdtimeh.w" if rj == 0 => line("rdcntvh.w", &[general(rd)]),
        "rdtimel.w" if rd == 0 => line("rdcntid.w", &[general(rj)]),
        _ => return None,
    })
}

/// The two forms of `csrxchg` that have another name each.
fn csr(names: [&str; 2], operands: &Operands) -> String {
    let rd = GENERAL[usize::from(operands.rd)].to_owned();
    let number = format!("{:#x}", operands.imm);
    line(names[usize::from(operands.rj)], &[rd, number])
}

/// `movgr2fcsr` and `movfcsr2gr`, for the registers that there are.
fn status_register(encoding: &Encoding, word: u32, operands: &Operands) -> String {
    let to = encoding.name.starts_with("movgr2fcsr");
    let (status, general) = match to {
        true => (operands.rd, operands.rj),
        false => (operands.rj, operands.rd),
    };
    if status > 3 {
        return unknown(word);
    }
    let (status, general) = (
        format!("$fcsr{status}"),
        GENERAL[usize::from(general)].to_owned(),
    );
    match to {
        true => line(encoding.name, &[status, general]),
        false => line(encoding.name, &[general, status]),
    }
}

/// A word that is no instruction.
pub fn unknown(word: u32) -> String {
    format!(".word {word:#010x}")
}

/// The text of the word `word` at address `pc`, whatever it is.
pub(crate) fn word_text(word: u32, pc: u64) -> String {
    let mut all = isa::all().map(|insn| insn.encoding);
    let found = all.find(|encoding| encoding.matches(word));
    found.map_or_else(|| unknown(word), |encoding| text(encoding, word, pc))
}

/// Words from address 0 on, with their texts.
pub fn listing(words: Vec<u32>) -> impl Iterator<Item = (u32, String)> {
    let places = (0u64..).step_by(4).zip(words);
    places.map(|(pc, word)| (word, word_text(word, pc)))
}

/// Words of each instruction: with operands of zeros, of ones, one bit each, and mixed.
pub fn samples() -> Vec<u32> {
    let mut words = Vec::new();
    for encoding in isa::all().map(|insn| insn.encoding) {
        let operands = encoding.format.operand_bits;
        let single = (0..32)
            .map(|bit| 1u32 << bit)
            .filter(|bit| operands & bit != 0);
        // Multiples of an odd number mix the bits.
        let mixed = (1..9u32).map(|n| n.wrapping_mul(0x9e37_79b9));
        let all = [0, u32::MAX].into_iter().chain(single).chain(mixed);
        let begin = words.len();
        for bits in all {
            let word = encoding.bits | bits & operands;
            if !words[begin..].contains(&word) {
                words.push(word);
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_binutils_write() {
        // Of objdump 2.47; the suite `gdb` compares all encodings.
        for (word, expected) in [
            (0x0240_4065, "sltui $a1, $sp, 16"),
            (0x0015_0085, "move $a1, $a0"),
            (0x0340_0000, "nop"),
            (0x4c00_0020, "ret"),
            (0x0648_3800, "ertn"),
            (0x0400_1029, "csrwr $a5, 0x4"),
            (0x53ff_efff, "b -20 # 0xffffffffffffffec"),
            (0x0114_c480, ".word 0x0114c480"),
        ] {
            let found = listing(vec![word]).next();
            assert_eq!(found, Some((word, expected.to_owned())));
        }
    }
}
