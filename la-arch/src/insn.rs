// SPDX-License-Identifier: MIT

//! Instruction encodings: names, fixed bits and operand fields.
//!
//! Every instruction is one [`Encoding`]. Its operand layout is written in the
//! notation of the public opcode tables (loongson-community/loongarch-opcodes,
//! CC-BY 4.0, which is also the source of the numbers): upper-case letters are
//! registers at bit 0 (`D`), 5 (`J`), 10 (`K`) and 15 (`A`), optionally
//! prefixed by their file (`F` floating point, `V` vector, `X` 256-bit vector, `C`
//! condition flag, three bits wide, `T` scratch register of binary translation, two
//! bits wide; no prefix is a general register); `S`/`U` start a
//! signed/unsigned immediate made of slices, most significant first, each a
//! position letter (`d` 0, `j` 5, `k` 10, `a` 15, `m` 16, `n` 18) and a width.

/// Operands extracted from an instruction word by [`Encoding::operands`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Operands {
    /// Bits 4:0 (a register, where the format has one there).
    pub rd: u8,
    /// Bits 9:5.
    pub rj: u8,
    /// Bits 14:10.
    pub rk: u8,
    /// Bits 19:15.
    pub ra: u8,
    /// First immediate, sign-extended if the format says so. Not scaled.
    pub imm: i32,
    /// Second immediate (`bstrpick`'s msb, `vstelm`'s element, the offset of
    /// `preld` and `cacop`), sign-extended if the format says so; else 0.
    pub imm2: i16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slice {
    pos: u8,
    width: u8,
}

const NO_SLICE: Slice = Slice { pos: 0, width: 0 };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Immediate {
    signed: bool,
    slices: [Slice; 2],
}

/// What file a register operand names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegFile {
    /// No register at this position.
    None,
    /// General register.
    Gpr,
    /// Floating-point register.
    Fpr,
    /// Vector register, its low 128 bits.
    Vr,
    /// Vector register, all 256 bits.
    Xr,
    /// Condition flag, three bits.
    Cfr,
    /// Scratch register of binary translation, two bits.
    Scr,
}

impl RegFile {
    /// The width of a register's number in bits.
    const fn width(self) -> u32 {
        match self {
            RegFile::None => 0,
            RegFile::Scr => 2,
            RegFile::Cfr => 3,
            _ => 5,
        }
    }
}

/// The operand layout of an instruction, parsed from its notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Register files at bits 0, 5, 10 and 15.
    pub regs: [RegFile; 4],
    imm: [Option<Immediate>; 2],
    /// Bits that belong to operands.
    pub operand_bits: u32,
}

#[allow(
    clippy::panic,
    reason = "it stops the build: all notations are constants"
)]
const fn position(letter: u8) -> u8 {
    match letter {
        b'd' | b'D' => 0,
        b'j' | b'J' => 5,
        b'k' | b'K' => 10,
        b'a' | b'A' => 15,
        b'm' => 16,
        b'n' => 18,
        _ => panic!("unknown operand position"),
    }
}

impl Format {
    /// Parses the notation described in the module documentation; meant for
    /// constants, where a mistake stops the build.
    pub const fn parse(notation: &str) -> Self {
        let s = notation.as_bytes();
        let mut format = Format {
            regs: [RegFile::None; 4],
            imm: [None; 2],
            operand_bits: 0,
        };
        let mut i = 0;
        let mut imms = 0;
        while i < s.len() {
            match s[i] {
                b'S' | b'U' => {
                    let signed = s[i] == b'S';
                    let mut slices = [NO_SLICE; 2];
                    let mut n = 0;
                    i += 1;
                    while i < s.len() && s[i].is_ascii_lowercase() {
                        let pos = position(s[i]);
                        let mut width = 0;
                        i += 1;
                        while i < s.len() && s[i].is_ascii_digit() {
                            width = width * 10 + (s[i] - b'0');
                            i += 1;
                        }
                        slices[n] = Slice { pos, width };
                        format.operand_bits |= ((1u32 << width) - 1) << pos;
                        n += 1;
                    }
                    format.imm[imms] = Some(Immediate { signed, slices });
                    imms += 1;
                }
                c => {
                    let file = match c {
                        b'F' => RegFile::Fpr,
                        b'V' => RegFile::Vr,
                        b'X' => RegFile::Xr,
                        b'C' => RegFile::Cfr,
                        b'T' => RegFile::Scr,
                        _ => RegFile::Gpr,
                    };
                    if !matches!(file, RegFile::Gpr) {
                        i += 1;
                    }
                    let pos = position(s[i]);
                    format.regs[(pos / 5) as usize] = file;
                    format.operand_bits |= ((1u32 << file.width()) - 1) << pos;
                    i += 1;
                }
            }
        }
        format
    }

    const fn immediate(&self, which: usize, word: u32) -> i32 {
        let Some(imm) = self.imm[which] else { return 0 };
        let mut value = 0u32;
        let mut width = 0;
        let mut i = 0;
        while i < 2 {
            let s = imm.slices[i];
            value = (value << s.width) | (word >> s.pos) & ((1 << s.width) - 1);
            width += s.width as u32;
            i += 1;
        }
        if imm.signed {
            ((value << (32 - width)) as i32) >> (32 - width)
        } else {
            value as i32
        }
    }

    const fn place_immediate(&self, which: usize, value: u32) -> u32 {
        let Some(imm) = self.imm[which] else { return 0 };
        let [high, low] = imm.slices;
        (value >> low.width & ((1 << high.width) - 1)) << high.pos
            | (value & ((1 << low.width) - 1)) << low.pos
    }

    /// Bits that belong to register operands.
    pub const fn register_bits(&self) -> u32 {
        let mut bits = 0;
        let mut i = 0;
        while i < 4 {
            bits |= ((1u32 << self.regs[i].width()) - 1) << (5 * i);
            i += 1;
        }
        bits
    }

    /// Whether the immediates are sign-extended.
    pub const fn immediate_signs(&self) -> [bool; 2] {
        let mut signs = [false; 2];
        let mut i = 0;
        while i < 2 {
            if let Some(imm) = self.imm[i] {
                signs[i] = imm.signed;
            }
            i += 1;
        }
        signs
    }

    /// The immediates' widths in bits, 0 where there is none.
    pub const fn immediate_widths(&self) -> [u8; 2] {
        let mut widths = [0; 2];
        let mut i = 0;
        while i < 2 {
            if let Some(imm) = self.imm[i] {
                widths[i] = imm.slices[0].width + imm.slices[1].width;
            }
            i += 1;
        }
        widths
    }
}

/// One instruction: mnemonic, fixed bits and operand layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// Mnemonic of the manual.
    pub name: &'static str,
    /// The word with all operand bits zero.
    pub bits: u32,
    /// Operand layout.
    pub format: Format,
    /// The bits of CPUCFG.2 of which one must be set on a CPU that has it; zero if
    /// its group decides that.
    pub announced_by: u32,
}

impl Encoding {
    /// Describes an instruction; see [`Format::parse`] for `notation`.
    pub const fn new(name: &'static str, bits: u32, notation: &str, announced_by: u32) -> Self {
        let format = Format::parse(notation);
        assert!(bits & format.operand_bits == 0);
        Encoding {
            name,
            bits,
            format,
            announced_by,
        }
    }

    /// Bits that must equal [`Self::bits`] for a word to be this instruction.
    pub const fn mask(&self) -> u32 {
        !self.format.operand_bits
    }

    /// Whether `word` is this instruction.
    pub const fn matches(&self, word: u32) -> bool {
        word & self.mask() == self.bits
    }

    /// Takes the operands out of `word`.
    pub const fn operands(&self, word: u32) -> Operands {
        Operands {
            rd: (word & 31) as u8,
            rj: (word >> 5 & 31) as u8,
            rk: (word >> 10 & 31) as u8,
            ra: (word >> 15 & 31) as u8,
            imm: self.format.immediate(0, word),
            imm2: self.format.immediate(1, word) as i16,
        }
    }
}

impl Encoding {
    /// The word with these operands: the inverse of [`Self::operands`]. Bits
    /// of an operand that do not fit its field are dropped.
    pub const fn encode(&self, operands: &Operands) -> u32 {
        let registers = (operands.rd as u32 & 31)
            | (operands.rj as u32 & 31) << 5
            | (operands.rk as u32 & 31) << 10
            | (operands.ra as u32 & 31) << 15;
        let immediates = self.format.place_immediate(0, operands.imm as u32)
            | self.format.place_immediate(1, operands.imm2 as u32);
        self.bits | (registers & self.format.register_bits()) | immediates
    }
}

macro_rules! encodings {
    ($(
        $id:ident : $name:literal = $bits:literal, $fmt:literal $(, $announced_by:ident)?;
    )*) => {
        $(
            #[doc = concat!("`", $name, "`")]
            pub const $id: $crate::insn::Encoding =
                $crate::insn::Encoding::new(
                    $name,
                    $bits,
                    $fmt,
                    encodings!(@bits $($announced_by)?),
                );
        )*
        /// All of this group, in the order of their encodings.
        pub const ALL: &[$crate::insn::Encoding] = &[$($id),*];
    };
    (@bits) => { 0 };
    (@bits $name:ident) => { $crate::cpucfg::word2::$name };
}

pub mod atomic;
pub mod bound;
pub mod fp;
pub mod integer;
pub mod lasx;
pub mod lbt;
pub mod lsx;
pub mod lvz;
pub mod privileged;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_and_paired_immediates() {
        let b = integer::B.operands(0x5000_0000 | 0x3ff | 0x3ffc << 10 & 0x03ff_fc00);
        assert_eq!(b.imm, -(0x10000 - 0x3ffc) | (0x3ff << 16) | !0x3ff_ffff);
        let pick = integer::BSTRPICK_D.operands(integer::BSTRPICK_D.bits | 63 << 16 | 5 << 10);
        assert_eq!((pick.imm, pick.imm2), (5, 63));
        assert_eq!(integer::ADDI_W.operands(0x02bf_fc84).imm, -1);
        let cacop = privileged::CACOP.operands(privileged::CACOP.bits | 0x800 << 10 | 0x13);
        assert_eq!((cacop.imm, cacop.imm2), (0x13, -2048));
        let preld = integer::PRELD.operands(integer::PRELD.bits | 0x7ff << 10 | 8);
        assert_eq!((preld.imm, preld.imm2), (8, 2047));
    }

    const GROUPS: [&[Encoding]; 9] = [
        atomic::ALL,
        bound::ALL,
        fp::ALL,
        integer::ALL,
        lasx::ALL,
        lbt::ALL,
        lsx::ALL,
        lvz::ALL,
        privileged::ALL,
    ];

    #[test]
    fn encode_inverts_operands() {
        for insn in GROUPS.iter().flat_map(|g| g.iter()) {
            for seed in 0..64u32 {
                let word = insn.bits | seed.wrapping_mul(0x9e37_79b9) & insn.format.operand_bits;
                assert_eq!(insn.encode(&insn.operands(word)), word, "{}", insn.name);
            }
        }
    }

    #[test]
    fn second_immediates_fit() {
        for insn in GROUPS.iter().flat_map(|g| g.iter()) {
            // With its sign, or a bit more than the unsigned ones need.
            assert!(insn.format.immediate_widths()[1] <= 15, "{}", insn.name);
        }
    }

    #[test]
    fn no_two_instructions_share_a_word() {
        for a in GROUPS.iter().flat_map(|g| g.iter()) {
            for b in GROUPS.iter().flat_map(|g| g.iter()) {
                let common = a.mask() & b.mask();
                assert!(
                    a == b || a.bits & common != b.bits & common,
                    "{} {}",
                    a.name,
                    b.name
                );
            }
        }
    }
}
