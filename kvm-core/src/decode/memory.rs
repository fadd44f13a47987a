// SPDX-License-Identifier: GPL-2.0

//! Loads and stores that reach a device (Linux: kvm/exit.c kvm_emu_mmio_read
//! and kvm_emu_mmio_write, which know the general registers' only).

use super::{Direction, Fpr, Gpr, Gprs};
use la_arch::insn::{atomic, bound, fp, integer, lasx, lsx, privileged, Encoding};

/// The register that a load fills or a store empties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// General register.
    Gpr(Gpr),
    /// Floating-point or vector register.
    Fpr(Fpr),
}

/// How the bytes in memory and the register correspond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The low bytes; a load into a general register extends the sign.
    Signed,
    /// The low bytes; a load into a general register extends with zeros.
    Unsigned,
    /// The low bytes of a floating-point or vector register.
    Plain,
    /// `vldrepl`: one element in memory fills all of the low `bytes` bytes.
    Replicated {
        /// 16 (LSX) or 32 (LASX).
        bytes: u8,
    },
    /// `vstelm`: element `index` of the register is stored.
    Element {
        /// In units of the access width.
        index: u8,
    },
}

/// The second part of the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offset {
    /// In bytes.
    Immediate(i32),
    /// What this register holds, in bytes.
    Register(Gpr),
}

/// One load or store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Load or store.
    pub direction: Direction,
    /// Bytes in memory: 1, 2, 4, 8, 16 or 32.
    pub width: u8,
    /// The register.
    pub operand: Operand,
    /// Correspondence of memory and register.
    pub shape: Shape,
    /// Register with the first part of the address.
    pub base: Gpr,
    /// Second part of the address.
    pub offset: Offset,
}

impl Access {
    /// The guest-virtual address that the instruction names. To be called
    /// before a load is completed, which may overwrite the base register.
    #[inline]
    pub const fn address(self, gprs: &Gprs) -> u64 {
        let offset = match self.offset {
            Offset::Immediate(bytes) => bytes as i64 as u64,
            Offset::Register(index) => index.read(gprs),
        };
        self.base.read(gprs).wrapping_add(offset)
    }

    /// Whether the access begins at guest-physical address `gpa`, as far as
    /// the bits within the smallest page tell. It does not if it begins in
    /// one page and the fault is in the next: such an access cannot be
    /// carried out, since where its first part lies is not known.
    #[inline]
    pub const fn begins_at(self, gprs: &Gprs, gpa: u64) -> bool {
        (self.address(gprs) ^ gpa) & 0xfff == 0
    }
}

/// Why an instruction cannot be carried out on a device; inject ADEM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// ll, sc and am*: a device cannot take part. Upstream answers the same;
    /// doing the load of an ll would leave the guest retrying for ever,
    /// because its sc finds no LL bit.
    Atomic,
    /// A page walk instruction whose table is not in memory.
    PageWalk,
    /// No instruction that accesses memory.
    Unknown,
}

/// What to do about an instruction that faulted on a device's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Carry it out.
    Access(Access),
    /// Skip it: a hint or a cache operation, without effect on a device.
    Skip,
}

const fn major6(insn: Encoding) -> u32 {
    insn.bits >> 22
}

const fn major12(insn: Encoding) -> u32 {
    insn.bits >> 20
}

const fn major15(insn: Encoding) -> u32 {
    insn.bits >> 15
}

const fn major17(insn: Encoding) -> u32 {
    insn.bits >> 17
}

macro_rules! opcodes {
    ($shift:ident: $($name:ident = $insn:expr;)*) => {
        $(const $name: u32 = $shift($insn);)*
    };
}

opcodes! { major6:
    LD_B = integer::LD_B; LD_H = integer::LD_H; LD_W = integer::LD_W; LD_D = integer::LD_D;
    ST_B = integer::ST_B; ST_H = integer::ST_H; ST_W = integer::ST_W; ST_D = integer::ST_D;
    LD_BU = integer::LD_BU; LD_HU = integer::LD_HU; LD_WU = integer::LD_WU;
    PRELD = integer::PRELD; CACOP = privileged::CACOP;
    FLD_S = fp::FLD_S; FST_S = fp::FST_S; FLD_D = fp::FLD_D; FST_D = fp::FST_D;
    VLD = lsx::VLD; VST = lsx::VST; XVLD = lasx::XVLD; XVST = lasx::XVST;
}

// With an index register: the bits above these tell the width, of floating-point
// and vector registers also load from store.
opcodes! { major12:
    LDX = integer::LDX_B; STX = integer::STX_B; LDX_U = integer::LDX_BU;
    FLX = fp::FLDX_S; VLX = lsx::VLDX;
}

opcodes! { major15:
    PRELDX = integer::PRELDX; SC_Q = atomic::SC_Q; AMMIN_DB_DU = atomic::AMMIN_DB_DU;
}

// Bound-checking: the two bits below these tell the width, the lower of them the one
// of floating-point registers, whose upper one tells the kind of bound.
opcodes! { major17:
    LDGT = bound::LDGT_B; LDLE = bound::LDLE_B; STGT = bound::STGT_B; STLE = bound::STLE_B;
    FLD_BOUND = bound::FLDGT_S; FST_BOUND = bound::FSTGT_S;
}

// First bytes of the remaining groups.
const LL_W: u32 = atomic::LL_W.bits >> 24;
const SC_D: u32 = atomic::SC_D.bits >> 24;
const LDPTR_W: u32 = integer::LDPTR_W.bits >> 24;
const STPTR_W: u32 = integer::STPTR_W.bits >> 24;
const LDPTR_D: u32 = integer::LDPTR_D.bits >> 24;
const STPTR_D: u32 = integer::STPTR_D.bits >> 24;
const VLDREPL: u32 = lsx::VLDREPL_D.bits >> 24;
const VSTELM: u32 = lsx::VSTELM_D.bits >> 24;
const XVLDREPL: u32 = lasx::XVLDREPL_D.bits >> 24;
const XVSTELM: u32 = lasx::XVSTELM_D.bits >> 24;
const INDEXED: u32 = integer::LDX_B.bits >> 24;
const LDDIR: u32 = privileged::LDDIR.bits >> 18;
const LDPTE: u32 = privileged::LDPTE.bits >> 18;

const fn signed(value: u32, bits: u32) -> i32 {
    let spare = 32u32.wrapping_sub(bits);
    (value.wrapping_shl(spare) as i32).wrapping_shr(spare)
}

/// `width` bytes between memory and a general register.
const fn general(
    word: u32,
    direction: Direction,
    width: u8,
    shape: Shape,
    offset: Offset,
) -> Access {
    Access {
        direction,
        width,
        operand: Operand::Gpr(Gpr::new(word)),
        shape,
        base: Gpr::new(word >> 5),
        offset,
    }
}

/// `width` bytes between memory and a floating-point or vector register.
const fn vector(
    word: u32,
    direction: Direction,
    width: u8,
    shape: Shape,
    offset: Offset,
) -> Access {
    Access {
        direction,
        width,
        operand: Operand::Fpr(Fpr::new(word)),
        shape,
        base: Gpr::new(word >> 5),
        offset,
    }
}

/// vldrepl, xvldrepl, vstelm, xvstelm with registers of `bytes` bytes: the
/// highest bit set in 23:20 tells the element size, the offset is in elements.
const fn element(word: u32, direction: Direction, bytes: u8) -> Option<Access> {
    let wide = matches!(direction, Direction::Write) && bytes == 32;
    // Bits above the operands must be zero; xvstelm has an index bit more.
    let (width, log2) = match word >> 19 & 0x1f {
        0b10000..=0b10111 => (1, 0),
        0b11000..=0b11111 if wide => (1, 0),
        0b01000..=0b01011 => (2, 1),
        0b01100..=0b01111 if wide => (2, 1),
        0b00100 | 0b00101 => (4, 2),
        0b00110 | 0b00111 if wide => (4, 2),
        0b00010 => (8, 3),
        0b00011 if wide => (8, 3),
        _ => return None,
    };
    let (shape, offset_bits) = match direction {
        Direction::Read => (Shape::Replicated { bytes }, 12 - log2),
        Direction::Write => {
            let elements = bytes as u32 >> log2;
            let index = (word >> 18 & elements.wrapping_sub(1)) as u8;
            (Shape::Element { index }, 8)
        }
    };
    let offset = signed(word >> 10, offset_bits) << log2;
    Some(vector(
        word,
        direction,
        width,
        shape,
        Offset::Immediate(offset),
    ))
}

const fn indexed(word: u32) -> Result<Memory, Refusal> {
    use Direction::{Read, Write};
    use Shape::{Plain, Signed, Unsigned};
    let (upper, lower) = (word >> 18 & 3, word >> 15 & 3);
    let rk = Offset::Register(Gpr::new(word >> 10));
    // Bound-checking accesses compare rj with rk and use rj alone.
    let rj = Offset::Immediate(0);
    match word >> 15 {
        PRELDX => return Ok(Memory::Skip),
        SC_Q..=AMMIN_DB_DU => return Err(Refusal::Atomic),
        _ => {}
    }
    let access = match word >> 17 {
        LDGT | LDLE => general(word, Read, 1 << lower, Signed, rj),
        STGT | STLE => general(word, Write, 1 << lower, Signed, rj),
        FLD_BOUND => vector(word, Read, 4 << (lower & 1), Plain, rj),
        FST_BOUND => vector(word, Write, 4 << (lower & 1), Plain, rj),
        _ if word >> 15 & 7 != 0 => return Err(Refusal::Unknown),
        _ => match word >> 20 {
            LDX => general(word, Read, 1 << upper, Signed, rk),
            STX => general(word, Write, 1 << upper, Signed, rk),
            LDX_U => general(word, Read, 1 << upper, Unsigned, rk),
            FLX => {
                let direction = if upper & 2 == 0 { Read } else { Write };
                vector(word, direction, 4 << (upper & 1), Plain, rk)
            }
            VLX => {
                let direction = if upper & 1 == 0 { Read } else { Write };
                vector(word, direction, 16 << (upper >> 1), Plain, rk)
            }
            _ => return Err(Refusal::Unknown),
        },
    };
    Ok(Memory::Access(access))
}

/// Decodes `word`, an instruction that faulted on a guest-physical address
/// where there is no memory.
#[inline]
pub const fn memory(word: u32) -> Result<Memory, Refusal> {
    use Direction::{Read, Write};
    use Shape::{Plain, Signed, Unsigned};
    let si12 = Offset::Immediate(signed(word >> 10, 12));
    let si14 = Offset::Immediate(signed(word >> 10, 14) << 2);
    let access = match word >> 22 {
        LD_B => general(word, Read, 1, Signed, si12),
        LD_H => general(word, Read, 2, Signed, si12),
        LD_W => general(word, Read, 4, Signed, si12),
        LD_D => general(word, Read, 8, Signed, si12),
        LD_BU => general(word, Read, 1, Unsigned, si12),
        LD_HU => general(word, Read, 2, Unsigned, si12),
        LD_WU => general(word, Read, 4, Unsigned, si12),
        ST_B => general(word, Write, 1, Signed, si12),
        ST_H => general(word, Write, 2, Signed, si12),
        ST_W => general(word, Write, 4, Signed, si12),
        ST_D => general(word, Write, 8, Signed, si12),
        FLD_S => vector(word, Read, 4, Plain, si12),
        FLD_D => vector(word, Read, 8, Plain, si12),
        FST_S => vector(word, Write, 4, Plain, si12),
        FST_D => vector(word, Write, 8, Plain, si12),
        VLD => vector(word, Read, 16, Plain, si12),
        VST => vector(word, Write, 16, Plain, si12),
        XVLD => vector(word, Read, 32, Plain, si12),
        XVST => vector(word, Write, 32, Plain, si12),
        PRELD | CACOP => return Ok(Memory::Skip),
        _ => match word >> 24 {
            LDPTR_W => general(word, Read, 4, Signed, si14),
            LDPTR_D => general(word, Read, 8, Signed, si14),
            STPTR_W => general(word, Write, 4, Signed, si14),
            STPTR_D => general(word, Write, 8, Signed, si14),
            INDEXED => return indexed(word),
            LL_W..=SC_D => return Err(Refusal::Atomic),
            _ => {
                let found = match word >> 24 {
                    VLDREPL => element(word, Read, 16),
                    VSTELM => element(word, Write, 16),
                    XVLDREPL => element(word, Read, 32),
                    XVSTELM => element(word, Write, 32),
                    _ => None,
                };
                match found {
                    Some(access) => access,
                    None if word >> 18 == LDDIR || word >> 18 == LDPTE => {
                        return Err(Refusal::PageWalk)
                    }
                    None => return Err(Refusal::Unknown),
                }
            }
        },
    };
    Ok(Memory::Access(access))
}

/// The guest-virtual address that `word` accesses, for BADV of an address
/// error: of loads and stores that [`memory`] decodes, and of atomics.
/// `None` for the rest.
pub const fn data_address(word: u32, gprs: &Gprs) -> Option<u64> {
    let base = Gpr::new(word >> 5).read(gprs);
    match memory(word) {
        Ok(Memory::Access(access)) => Some(access.address(gprs)),
        Ok(Memory::Skip) => None,
        Err(Refusal::Atomic) if word >> 24 != INDEXED => {
            let offset = signed(word >> 10, 14) << 2;
            Some(base.wrapping_add(offset as i64 as u64))
        }
        // am* and sc.q put the address into rj, llacq and screl as well.
        Err(Refusal::Atomic) => Some(base),
        Err(_) => None,
    }
}
