// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Addresses and sequences for loads, stores and atomics.

use super::shape::Addressing;
use crate::case::Case;
use crate::layout::{HOLE, HOLE_SIZE, HOT, HOT_SIZE, READ_ONLY, hot_index};
use crate::rng::Rng;
use la_arch::insn::{Encoding, Operands, RegFile, atomic, integer};

/// Picks where to access: mostly in the middle of the window, across the
/// border of its pages too; also at its end, beyond it, and in memory that
/// cannot be written.
fn target(rng: &mut Rng, size: u64) -> u64 {
    let anywhere = |rng: &mut Rng, base| base + rng.below(HOT_SIZE - size.max(16));
    let target = match rng.below(16) {
        // Across the page border.
        0 | 1 => HOT[0] + HOT_SIZE / 2 - rng.below(size + 1),
        // The last bytes of the window and the first behind it.
        2 => HOLE - rng.below(size + 1),
        3 => HOLE + 64 + rng.below(HOLE_SIZE - 128),
        4 => READ_ONLY + rng.below(256),
        5 | 6 => anywhere(rng, HOT[1]),
        _ => anywhere(rng, HOT[0]),
    };
    if rng.one_in(3) {
        target
    } else {
        target & !(size - 1)
    }
}

/// Completes a case of an instruction that accesses memory.
pub(super) fn fill(
    rng: &mut Rng,
    case: &mut Case,
    encoding: &Encoding,
    mut operands: Operands,
    addressing: Addressing,
    size: u64,
) {
    let target = target(rng, size);
    let gpr = &mut case.state.gpr;
    let (rj, rk) = (usize::from(operands.rj), usize::from(operands.rk));
    // r0 as the base: addresses near zero, where there is no memory. Negative
    // ones are no addresses of a process.
    let address = match addressing {
        Addressing::Offset(scale) => {
            if rj == 0 {
                let [width, _] = encoding.format.immediate_widths();
                operands.imm &= (1 << (width - 1)) - 1;
            }
            let offset = i64::from(encoding.operands(encoding.encode(&operands)).imm) * scale;
            gpr[rj] = target.wrapping_sub_signed(offset);
            gpr[0] = 0;
            gpr[rj].wrapping_add_signed(offset)
        }
        Addressing::Index if rj == rk => {
            gpr[rj] = target >> 1;
            gpr[0] = 0;
            gpr[rj] << 1
        }
        Addressing::Index => {
            if rj == 0 {
                gpr[rk] = target;
            } else if rk != 0 && rng.one_in(2) {
                gpr[rk] = target.wrapping_sub(gpr[rj]);
            } else {
                gpr[rj] = target.wrapping_sub(if rk == 0 { 0 } else { gpr[rk] });
            }
            target
        }
        Addressing::Plain | Addressing::Bound => {
            gpr[rj] = target;
            gpr[0] = 0;
            gpr[rj]
        }
    };
    if addressing == Addressing::Bound && rk != rj && rk != 0 {
        // QEMU adds the bound to the address (erratum float-bound-address): the
        // sum must not lie in memory that can be written and is not compared.
        let float = encoding.name.starts_with('f');
        gpr[rk] = match rng.below(6) {
            _ if float && rj == 0 => rng.pick(&[0, 1 << 63, i64::MAX as u64]),
            0 => target.wrapping_add(1),
            1 => target.wrapping_sub(1),
            2 => rng.bits(),
            3 => target + size,
            4 => target,
            _ if float => rng.pick(&[0, 1 << 63, i64::MAX as u64]),
            _ => rng.pick(&[0, u64::MAX, 1 << 63, i64::MAX as u64]),
        };
    }
    case.access = Some((address, size));
    // A store to where its own base or data is would be as good as any; no
    // register of the access is protected from being the destination too.
    case.words.push(encoding.encode(&operands));
}

/// Completes a case of a store-conditional: a sequence with its load.
pub(super) fn fill_conditional(
    rng: &mut Rng,
    case: &mut Case,
    encoding: &Encoding,
    mut operands: Operands,
    size: u64,
) {
    debug_assert_eq!(encoding.format.regs[1], RegFile::Gpr);
    // The manual wants both at the same address; alignment is the load's test.
    let target = target(rng, size) & !(size - 1);
    let load = match (encoding.name.starts_with("screl"), size) {
        (true, 4) => &atomic::LLACQ_W,
        (true, _) => &atomic::LLACQ_D,
        (false, 4) => &atomic::LL_W,
        (false, _) => &atomic::LL_D,
    };
    if operands.rj == 0 {
        operands.rj = 1 + rng.below(31) as u8;
    }
    let offset = i64::from(encoding.operands(encoding.encode(&operands)).imm) * 4;
    case.state.gpr[usize::from(operands.rj)] = target.wrapping_sub_signed(offset);
    // The load must leave the base as it is.
    let scratch = loop {
        let register = rng.below(32) as u8;
        if register != operands.rj {
            break register;
        }
    };
    let ll = Operands {
        rd: scratch,
        ..operands
    };
    let sc = encoding.encode(&operands);
    case.words.push(load.encode(&ll));
    if size == 16 {
        // The manual has the other half loaded by an ordinary load in between.
        let high = Operands { imm: 8, ..ll };
        case.words.push(integer::LD_D.encode(&high));
    }
    case.words.push(sc);
    case.access = Some((target, size));
    // One reservation, two stores: the second one, elsewhere, fails.
    let elsewhere = target ^ 16;
    let signed = encoding.operands(sc).imm + (elsewhere.wrapping_sub(target) as i64 / 4) as i32;
    let second = encoding.encode(&Operands {
        rd: scratch,
        imm: signed,
        ..operands
    });
    let reachable = encoding.operands(second).imm == signed && operands.rd != operands.rj;
    if reachable && hot_index(elsewhere).is_some() && rng.one_in(3) {
        case.words.push(second);
    }
}
