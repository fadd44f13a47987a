// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Targets for jumps and branches.

use crate::case::Case;
use crate::layout::{CODE, HOLE, READ_ONLY, SLOT, WINDOW};
use crate::rng::Rng;
use la_arch::insn::{Encoding, Operands, RegFile};

/// Completes a case of a jump or branch. It must not land on the code of a
/// case, or that would run; everything else stops at once.
pub(super) fn fill(rng: &mut Rng, case: &mut Case, encoding: &Encoding, mut operands: Operands) {
    let [width, _] = encoding.format.immediate_widths();
    let max = (1i64 << (width - 1)) - 1;
    let pc = case.pc;
    if encoding.name == "jirl" {
        if operands.rj == 0 {
            // Addresses near zero; negative ones are none of a process's.
            operands.imm &= max as i32;
        }
        let offset = i64::from(encoding.operands(encoding.encode(&operands)).imm) * 4;
        let rj = usize::from(operands.rj);
        let base = loop {
            let target = match rng.below(8) {
                0 => HOLE + 4 * rng.below(64),
                1 => READ_ONLY,
                2 => WINDOW + 4 * rng.below(64),
                3 => rng.bits() >> rng.pick(&[17, 20, 33]) & !3,
                _ => CODE + 4 * rng.below(4096),
            };
            let base = target.wrapping_sub_signed(offset);
            if rj == 0 || lands_well(pc, target) {
                break base;
            }
        };
        case.state.gpr[rj] = base;
        case.words.push(encoding.encode(&operands));
        return;
    }
    let offset = loop {
        let words = match rng.below(6) {
            0 => max,
            1 => -max - 1,
            2 => rng.below(64) as i64 - 32,
            3 => (1i64 << rng.below(u64::from(width) - 1)) - 1,
            4 => -(1i64 << rng.below(u64::from(width) - 1)),
            _ => rng.below(2 * max as u64) as i64 - max,
        };
        if lands_well(pc, pc.wrapping_add_signed(words * 4)) {
            break words;
        }
    };
    // Compare registers that are equal more often than chance makes them.
    if encoding.format.regs[0] == RegFile::Gpr && rng.one_in(4) {
        let (rd, rj) = (usize::from(operands.rd), usize::from(operands.rj));
        case.state.gpr[rd] = case.state.gpr[rj];
    }
    if encoding.format.regs[1] == RegFile::Gpr && rng.one_in(3) {
        case.state.gpr[usize::from(operands.rj)] = 0;
    }
    let operands = Operands {
        imm: offset as i32,
        ..operands
    };
    case.words.push(encoding.encode(&operands));
}

fn lands_well(pc: u64, target: u64) -> bool {
    let behind = pc + 4;
    target == behind || target < CODE || !(target - CODE).is_multiple_of(SLOT)
}
