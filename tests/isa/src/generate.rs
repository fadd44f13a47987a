// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Makes the cases of an instruction from a seed.

mod access;
mod branch;
mod relate;
pub mod shape;
mod values;

use crate::case::{Case, State};
use crate::layout::{HOT_BYTES, slot};
use crate::rng::Rng;
use la_arch::fcsr;
use la_arch::insn::{Encoding, Operands, RegFile};
use shape::Shape;
use values::Element;

/// Most cases that are in one batch.
pub const BATCH: usize = 2048;

/// Case `index` of the test of `encoding`.
pub fn case(encoding: &'static Encoding, seed: u64, index: usize) -> Case {
    let mut rng = Rng::new(seed, encoding.name, index);
    let rng = &mut rng;
    let operands = operands(rng, encoding);
    let mut case = Case {
        words: Vec::new(),
        pc: slot(index % BATCH),
        state: state(rng, encoding),
        window: window(rng),
        access: None,
    };
    relate::relate(rng, encoding, &operands, &mut case.state);
    match shape::of(encoding) {
        Shape::Registers => case.words.push(encoding.encode(&operands)),
        Shape::Access { addressing, size } => {
            access::fill(rng, &mut case, encoding, operands, addressing, size);
        }
        Shape::Conditional(size) => {
            access::fill_conditional(rng, &mut case, encoding, operands, size);
        }
        Shape::Branch => branch::fill(rng, &mut case, encoding, operands),
    }
    case.state.gpr[0] = 0;
    case
}

/// Case `index` of the test of words that are no instruction: `known` says
/// which are.
pub fn undefined_case(known: impl Fn(u32) -> bool, seed: u64, index: usize) -> Case {
    let mut rng = Rng::new(seed, UNDEFINED, index);
    let rng = &mut rng;
    let word = loop {
        // Words one bit away from an instruction are likelier to be mistaken
        // for it than random ones are.
        let near = crate::subjects::any_encoding(rng.bits() as usize);
        let mut word = near.bits | rng.bits() as u32 & near.format.operand_bits;
        match rng.below(5) {
            // As it is: instructions of later versions of the architecture.
            0 => {}
            1 => word = rng.bits() as u32,
            2 => word ^= rng.bits() as u32 & near.mask() & rng.bits() as u32,
            _ => word ^= 1 << rng.below(32),
        }
        if !known(word) {
            break word;
        }
    };
    let mut state = registers(rng, &[]);
    state.gpr[0] = 0;
    Case {
        words: vec![word],
        pc: slot(index % BATCH),
        state,
        window: window(rng),
        access: None,
    }
}

/// Case `index` of the test of instructions that the model does not have: one after
/// the other.
pub fn absent_case(absent: &[&'static Encoding], seed: u64, index: usize) -> Case {
    let encoding = absent[index % absent.len()];
    let rng = &mut Rng::new(seed, ABSENT, index);
    let mut state = registers(rng, &[]);
    state.gpr[0] = 0;
    Case {
        words: vec![encoding.bits | rng.bits() as u32 & encoding.format.operand_bits],
        pc: slot(index % BATCH),
        state,
        window: window(rng),
        access: None,
    }
}

/// Name of the test of instructions that the model does not have.
pub const ABSENT: &str = "absent";

/// Name of the test of words that are no instruction.
pub const UNDEFINED: &str = "undefined";

/// Registers, often the same one twice, and immediates.
fn operands(rng: &mut Rng, encoding: &Encoding) -> Operands {
    let mut used = Vec::new();
    let mut register = |file: RegFile| {
        let count = if file == RegFile::Cfr { 8 } else { 32 };
        let register = match rng.below(16) {
            0 => 0,
            1..5 if !used.is_empty() => rng.pick(&used) % count,
            _ => rng.below(u64::from(count)) as u8,
        };
        if file != RegFile::None {
            used.push(register);
        }
        register
    };
    let [rd, rj, rk, ra] = encoding.format.regs.map(&mut register);
    let [width, width2] = encoding.format.immediate_widths();
    let mut operands = Operands {
        rd,
        rj,
        rk,
        ra,
        imm: immediate(rng, width) as i32,
        imm2: immediate(rng, width2) as i16,
    };
    match encoding.name {
        // Only FCSR0 to FCSR3 exist.
        "movgr2fcsr" | "movfcsr2gr" => operands.imm &= 3,
        _ => {}
    }
    operands
}

fn immediate(rng: &mut Rng, width: u8) -> u64 {
    let max = (1u64 << width) - 1;
    let value = match rng.below(8) {
        0 => 0,
        1 => max,
        2 => max >> 1,
        3 => (max >> 1) + 1,
        4 => 1 << rng.below(u64::from(width.max(1))),
        _ => rng.bits(),
    };
    value & max
}

/// Register values that suit the instruction.
fn state(rng: &mut Rng, encoding: &Encoding) -> State {
    let mut state = registers(rng, &elements(encoding.name));
    if rng.one_in(2) {
        state.fcsr &= !fcsr::ENABLES;
    }
    state
}

fn registers(rng: &mut Rng, elements: &[Element]) -> State {
    const ANY: [Element; 6] = [
        Element::Integer(8),
        Element::Integer(16),
        Element::Integer(32),
        Element::Integer(64),
        Element::Single,
        Element::Double,
    ];
    let mut state = State {
        gpr: [0; 32],
        vr: [[0; 4]; 32],
        fcc: rng.bits() as u8,
        fcsr: rng.bits() as u32 & fcsr::FIELDS,
    };
    if rng.one_in(2) {
        // With all of them enabled at random, most would trap.
        state.fcsr &= !(rng.bits() as u32 & fcsr::ENABLES);
    }
    for value in &mut state.gpr {
        *value = values::general(rng);
    }
    for value in &mut state.vr {
        let element = match rng.below(8) {
            0 => rng.pick(&ANY),
            1 | 2 if !elements.is_empty() => rng.pick(elements),
            _ => elements.last().copied().unwrap_or(rng.pick(&ANY)),
        };
        let halves = [values::vector(rng, element), values::vector(rng, element)];
        value.copy_from_slice(halves.as_flattened());
    }
    state
}

/// The element types that the suffixes of a mnemonic name; the source's last.
fn elements(name: &str) -> Vec<Element> {
    let float = ["f", "vf", "xvf"].iter().any(|s| name.starts_with(s));
    name.split('.')
        .skip(1)
        .filter_map(|suffix| match suffix {
            "b" | "bu" => Some(Element::Integer(8)),
            "h" if float => Some(Element::Half),
            "h" | "hu" => Some(Element::Integer(16)),
            "s" => Some(Element::Single),
            "d" if float => Some(Element::Double),
            "w" | "wu" => Some(Element::Integer(32)),
            "d" | "du" | "l" | "q" | "qu" => Some(Element::Integer(64)),
            _ => None,
        })
        .collect()
}

fn window(rng: &mut Rng) -> [u8; HOT_BYTES] {
    let mut window = [0; HOT_BYTES];
    for part in window.chunks_exact_mut(8) {
        let value = values::general(rng);
        part.copy_from_slice(&value.to_le_bytes());
    }
    window
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{CODE, SLOT};
    use la_arch::insn::{atomic, fp, integer, lsx};

    #[test]
    fn seeds_replay_and_differ() {
        let text = |seed, index| format!("{:?}", case(&fp::FADD_S, seed, index));
        assert_eq!(text(1, 7), text(1, 7));
        assert_ne!(text(1, 7), text(2, 7));
        assert_ne!(text(1, 7), text(1, 8));
    }

    #[test]
    fn words_are_the_instruction_and_r0_is_zero() {
        for encoding in [&integer::ADD_W, &lsx::VADD_B, &integer::JIRL, &atomic::SC_D] {
            for index in 0..500 {
                let case = case(encoding, 1, index);
                assert!(case.words.iter().any(|&w| encoding.matches(w)));
                assert_eq!(case.state.gpr[0], 0);
                assert!(case.words.len() * 4 < SLOT as usize);
            }
        }
    }

    #[test]
    fn branches_never_land_on_a_case() {
        for encoding in [&integer::B, &integer::BEQ, &integer::BNEZ, &fp::BCEQZ] {
            for index in 0..500 {
                let case = case(encoding, 1, index);
                let offset = i64::from(encoding.operands(case.words[0]).imm) * 4;
                let target = case.pc.wrapping_add_signed(offset);
                assert!(target < CODE || !(target - CODE).is_multiple_of(SLOT));
            }
        }
    }

    #[test]
    fn undefined_words_are_no_instructions() {
        let subjects = crate::subjects::Subjects::of("la664".parse().unwrap());
        for index in 0..500 {
            let case = undefined_case(|word| subjects.is_instruction(word), 1, index);
            assert!(!subjects.is_instruction(case.words[0]));
        }
    }
}
