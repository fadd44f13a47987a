// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The instructions of the small programs of the tests.

use lvz_sim::la_arch::insn::integer as i;
use lvz_sim::la_arch::insn::lvz::GCSRXCHG;
use lvz_sim::la_arch::insn::privileged as p;
use lvz_sim::la_arch::insn::{Encoding, Operands};

pub const ZERO: u8 = 0;
pub const A0: u8 = 4;
pub const A1: u8 = 5;
pub const T0: u8 = 12;
pub const T1: u8 = 13;
pub const T2: u8 = 14;

/// An instruction with registers and an immediate; what its format has not is dropped.
pub const fn word(encoding: &Encoding, rd: u8, rj: u8, rk: u8, imm: i32) -> u32 {
    encoding.encode(&Operands {
        rd,
        rj,
        rk,
        ra: 0,
        imm,
        imm2: 0,
    })
}

/// An instruction without registers.
pub const fn plain(encoding: &Encoding, imm: i32) -> u32 {
    word(encoding, 0, 0, 0, imm)
}

pub const fn lu12i_w(rd: u8, imm: i32) -> u32 {
    word(&i::LU12I_W, rd, 0, 0, imm)
}

pub const fn addi_d(rd: u8, rj: u8, imm: i32) -> u32 {
    word(&i::ADDI_D, rd, rj, 0, imm)
}

pub const fn ori(rd: u8, rj: u8, imm: i32) -> u32 {
    word(&i::ORI, rd, rj, 0, imm)
}

pub const fn csrrd(rd: u8, number: u16) -> u32 {
    word(&p::CSRXCHG, rd, 0, 0, number as i32)
}

pub const fn csrwr(rd: u8, number: u16) -> u32 {
    word(&p::CSRXCHG, rd, 1, 0, number as i32)
}

pub const fn gcsrwr(rd: u8, number: u16) -> u32 {
    word(&GCSRXCHG, rd, 1, 0, number as i32)
}

/// A branch over so many instructions, its own included.
pub const fn b(instructions: i32) -> u32 {
    plain(&i::B, instructions)
}

/// Powers off.
pub const fn power_off() -> [u32; 3] {
    [
        lu12i_w(T0, 0x100e0),
        addi_d(T1, ZERO, 0x34),
        word(&i::ST_B, T1, T0, 0, 0x1c),
    ]
}

/// A program of parts at distances from its beginning.
pub fn image(parts: &[(usize, &[u32])]) -> Vec<u8> {
    let mut image = Vec::new();
    for (offset, words) in parts {
        let end = offset + 4 * words.len();
        image.resize(end.max(image.len()), 0);
        for (place, word) in image[*offset..].chunks_exact_mut(4).zip(*words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
    }
    image
}
