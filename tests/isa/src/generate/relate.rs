// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Operands that belong together, which independent choices hardly ever make:
//! equal ones, opposite ones, neighbours, and sums that cancel.

use crate::case::State;
use crate::rng::Rng;
use la_arch::insn::{Encoding, Operands, RegFile};

/// The fraction bits of the elements of half a register.
const FRACTIONS: [u64; 3] = [
    0x03ff_03ff_03ff_03ff,
    0x007f_ffff_007f_ffff,
    0x000f_ffff_ffff_ffff,
];
/// Their signs.
const SIGNS: [u64; 3] = [
    0x8000_8000_8000_8000,
    0x8000_0000_8000_0000,
    0x8000_0000_0000_0000,
];

/// Relates two operands of an instruction in about half of all cases.
pub(super) fn relate(rng: &mut Rng, encoding: &Encoding, operands: &Operands, state: &mut State) {
    let registers = [operands.rd, operands.rj, operands.rk, operands.ra];
    let registers = registers.map(|r| usize::from(r & 31));
    let files = encoding.format.regs;
    if matches!(files[3], RegFile::Fpr | RegFile::Vr | RegFile::Xr) && rng.one_in(4) {
        cancel(encoding.name, registers, state);
        return;
    }
    // The sources are mostly rj and rk; rd is one of some instructions.
    let (from, to) = match rng.below(4) {
        0 | 1 => (1, 2),
        2 => (1, 0),
        _ => (rng.below(4) as usize, rng.below(4) as usize),
    };
    if from == to || files[from] != files[to] || rng.one_in(3) {
        return;
    }
    match files[from] {
        RegFile::Gpr => {
            let value = state.gpr[registers[from]];
            state.gpr[registers[to]] = match rng.below(6) {
                0 => value.wrapping_add(1),
                1 => value.wrapping_sub(1),
                2 => value.wrapping_neg(),
                3 => !value,
                // Words that are equal in doublewords that are not.
                4 => value ^ rng.bits() << 32,
                _ => value,
            };
        }
        RegFile::Fpr | RegFile::Vr | RegFile::Xr => {
            let change = match rng.below(6) {
                0 => rng.pick(&SIGNS),
                1 => rng.pick(&[1, 0x1_0000_0001, 0x0101_0101_0101_0101]),
                // The same exponents with other fractions, and signs.
                2 => rng.pick(&FRACTIONS) & rng.bits(),
                3 => (rng.pick(&FRACTIONS) | rng.pick(&SIGNS)) & rng.bits(),
                _ => 0,
            };
            let source = state.vr[registers[from]];
            state.vr[registers[to]] = source.map(|part| part ^ change);
        }
        RegFile::None | RegFile::Cfr | RegFile::Scr => {}
    }
}

/// Makes the addend of a multiply-add what the rounded product is, so that
/// only the rounding error is left of a sum with the other sign.
fn cancel(name: &str, registers: [usize; 4], state: &mut State) {
    let [_, rj, rk, ra] = registers;
    for part in 0..4 {
        let (a, b) = (state.vr[rj][part], state.vr[rk][part]);
        state.vr[ra][part] = if name.ends_with('d') {
            (f64::from_bits(a) * f64::from_bits(b)).to_bits()
        } else {
            let product = |shift: u32| {
                let [a, b] = [a, b].map(|v| f32::from_bits((v >> shift) as u32));
                u64::from((a * b).to_bits()) << shift
            };
            product(0) | product(32)
        };
    }
}
