// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A small assembler: words from `la-arch` encodings, with labels for short
//! branches. It builds the driver that runs inside QEMU, so no cross compiler
//! is needed.

use la_arch::insn::{Encoding, Operands, integer};

/// A general register number.
pub type Reg = u8;

/// Code under construction.
#[derive(Debug, Default)]
pub struct Assembler {
    words: Vec<u32>,
}

/// A position that a branch still has to be pointed at.
#[derive(Debug)]
pub struct Fixup {
    at: usize,
    encoding: &'static Encoding,
    operands: Operands,
}

impl Assembler {
    /// Appends one instruction.
    pub fn emit(&mut self, encoding: &Encoding, operands: Operands) {
        self.words.push(encoding.encode(&operands));
    }

    /// `name rd, rj, imm` (or any format with these three).
    pub fn rri(&mut self, encoding: &Encoding, rd: Reg, rj: Reg, imm: i32) {
        let operands = Operands {
            rd,
            rj,
            imm,
            ..Operands::default()
        };
        self.emit(encoding, operands);
    }

    /// `name rd, rj, rk`.
    pub fn rrr(&mut self, encoding: &Encoding, rd: Reg, rj: Reg, rk: Reg) {
        let operands = Operands {
            rd,
            rj,
            rk,
            ..Operands::default()
        };
        self.emit(encoding, operands);
    }

    /// Loads a constant.
    pub fn li(&mut self, rd: Reg, value: u64) {
        self.rri(&integer::LU12I_W, rd, 0, (value >> 12) as i32);
        self.rri(&integer::ORI, rd, rd, (value & 0xfff) as i32);
        self.rri(&integer::LU32I_D, rd, 0, (value >> 32) as i32);
        self.rri(&integer::LU52I_D, rd, rd, (value >> 52) as i32);
    }

    /// `syscall 0` with number `number` in a7.
    pub fn syscall(&mut self, number: u64) {
        self.li(A7, number);
        self.emit(&integer::SYSCALL, Operands::default());
    }

    /// Appends a forward branch whose target [`Self::bind`] sets later.
    pub fn forward(&mut self, encoding: &'static Encoding, rd: Reg, rj: Reg) -> Fixup {
        let operands = Operands {
            rd,
            rj,
            ..Operands::default()
        };
        let at = self.words.len();
        self.words.push(0);
        Fixup {
            at,
            encoding,
            operands,
        }
    }

    /// Points `fixup` at the next instruction.
    pub fn bind(&mut self, fixup: Fixup) {
        let operands = Operands {
            imm: (self.words.len() - fixup.at) as i32,
            ..fixup.operands
        };
        self.words[fixup.at] = fixup.encoding.encode(&operands);
    }

    /// Appends a branch back to instruction number `target`.
    pub fn backward(&mut self, encoding: &Encoding, rd: Reg, rj: Reg, target: usize) {
        let imm = target as i32 - self.words.len() as i32;
        self.rri(encoding, rd, rj, imm);
    }

    /// Number of instructions so far.
    pub fn position(&self) -> usize {
        self.words.len()
    }

    /// The code as bytes.
    pub fn finish(self) -> Vec<u8> {
        self.words.iter().flat_map(|w| w.to_le_bytes()).collect()
    }
}

/// First argument and result.
pub const A0: Reg = 4;
/// Second argument.
pub const A1: Reg = 5;
/// Third argument.
pub const A2: Reg = 6;
/// Fourth argument.
pub const A3: Reg = 7;
/// System call number.
pub const A7: Reg = 11;
/// Temporary.
pub const T0: Reg = 12;
/// Temporary.
pub const T1: Reg = 13;
/// Temporary.
pub const T2: Reg = 14;
/// Temporary.
pub const T3: Reg = 15;
/// Temporary.
pub const T4: Reg = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_reach_their_labels() {
        let mut a = Assembler::default();
        let forward = a.forward(&integer::BEQZ, 0, T0);
        a.li(T1, 0x1234_5678_9abc_def0);
        a.bind(forward);
        a.backward(&integer::BNE, T1, T0, 0);
        let bytes = a.finish();
        let words: Vec<u32> = bytes
            .chunks_exact(4)
            .map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]]))
            .collect();
        assert_eq!(integer::BEQZ.operands(words[0]).imm, 5);
        assert_eq!(integer::BNE.operands(words[5]).imm, -5);
        assert_eq!(integer::LU12I_W.operands(words[1]).imm, 0x9abcd - 0x10_0000);
        assert_eq!(integer::LU52I_D.operands(words[4]).imm, 0x123);
    }
}
