//! Loads and stores that reach a device (Linux: kvm/exit.c kvm_emu_mmio_read
//! and kvm_emu_mmio_write, which know the general registers' only).

use super::{Direction, Fpr, Gpr, Gprs};
use la_arch::insn::{atomic, bound, fp, integer, lsx, privileged, Encoding};

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
    /// A register.
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

const fn major15(insn: Encoding) -> u32 {
    insn.bits >> 15
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
    VLD = lsx::VLD; VST = lsx::VST; XVLD = XVLD_INSN; XVST = XVST_INSN;
}

opcodes! { major15:
    LDX_B = integer::LDX_B; LDX_H = integer::LDX_H; LDX_W = integer::LDX_W; LDX_D = integer::LDX_D;
    STX_B = integer::STX_B; STX_H = integer::STX_H; STX_W = integer::STX_W; STX_D = integer::STX_D;
    LDX_BU = integer::LDX_BU; LDX_HU = integer::LDX_HU; LDX_WU = integer::LDX_WU;
    PRELDX = integer::PRELDX;
    FLDX_S = fp::FLDX_S; FLDX_D = fp::FLDX_D; FSTX_S = fp::FSTX_S; FSTX_D = fp::FSTX_D;
    VLDX = lsx::VLDX; VSTX = lsx::VSTX; XVLDX = XVLDX_INSN; XVSTX = XVSTX_INSN;
    FLDGT_S = bound::FLDGT_S; FLDGT_D = bound::FLDGT_D; FLDLE_S = bound::FLDLE_S; FLDLE_D = bound::FLDLE_D;
    FSTGT_S = bound::FSTGT_S; FSTGT_D = bound::FSTGT_D; FSTLE_S = bound::FSTLE_S; FSTLE_D = bound::FSTLE_D;
    LDGT_B = bound::LDGT_B; LDGT_H = bound::LDGT_H; LDGT_W = bound::LDGT_W; LDGT_D = bound::LDGT_D;
    LDLE_B = bound::LDLE_B; LDLE_H = bound::LDLE_H; LDLE_W = bound::LDLE_W; LDLE_D = bound::LDLE_D;
    STGT_B = bound::STGT_B; STGT_H = bound::STGT_H; STGT_W = bound::STGT_W; STGT_D = bound::STGT_D;
    STLE_B = bound::STLE_B; STLE_H = bound::STLE_H; STLE_W = bound::STLE_W; STLE_D = bound::STLE_D;
    SC_Q = atomic::SC_Q; AMMIN_DB_DU = atomic::AMMIN_DB_DU;
}

// LASX (Volume 2; numbers from loongson-community/loongarch-opcodes).
const XVLD_INSN: Encoding = Encoding::new("xvld", 0x2c80_0000, "VdJSk12", false);
const XVST_INSN: Encoding = Encoding::new("xvst", 0x2cc0_0000, "VdJSk12", false);
const XVLDX_INSN: Encoding = Encoding::new("xvldx", 0x3848_0000, "VdJK", false);
const XVSTX_INSN: Encoding = Encoding::new("xvstx", 0x384c_0000, "VdJK", false);

// First bytes of the remaining groups.
const LL_W: u32 = atomic::LL_W.bits >> 24;
const SC_D: u32 = atomic::SC_D.bits >> 24;
const LDPTR_W: u32 = integer::LDPTR_W.bits >> 24;
const STPTR_W: u32 = integer::STPTR_W.bits >> 24;
const LDPTR_D: u32 = integer::LDPTR_D.bits >> 24;
const STPTR_D: u32 = integer::STPTR_D.bits >> 24;
const VLDREPL: u32 = lsx::VLDREPL_D.bits >> 24;
const VSTELM: u32 = lsx::VSTELM_D.bits >> 24;
const XVLDREPL: u32 = 0x32;
const XVSTELM: u32 = 0x33;
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
    let rk = Offset::Register(Gpr::new(word >> 10));
    // Bound-checking accesses compare rj with rk and use rj alone.
    let rj = Offset::Immediate(0);
    Ok(Memory::Access(match word >> 15 {
        LDX_B => general(word, Read, 1, Signed, rk),
        LDX_H => general(word, Read, 2, Signed, rk),
        LDX_W => general(word, Read, 4, Signed, rk),
        LDX_D => general(word, Read, 8, Signed, rk),
        LDX_BU => general(word, Read, 1, Unsigned, rk),
        LDX_HU => general(word, Read, 2, Unsigned, rk),
        LDX_WU => general(word, Read, 4, Unsigned, rk),
        STX_B => general(word, Write, 1, Signed, rk),
        STX_H => general(word, Write, 2, Signed, rk),
        STX_W => general(word, Write, 4, Signed, rk),
        STX_D => general(word, Write, 8, Signed, rk),
        FLDX_S => vector(word, Read, 4, Plain, rk),
        FLDX_D => vector(word, Read, 8, Plain, rk),
        FSTX_S => vector(word, Write, 4, Plain, rk),
        FSTX_D => vector(word, Write, 8, Plain, rk),
        VLDX => vector(word, Read, 16, Plain, rk),
        VSTX => vector(word, Write, 16, Plain, rk),
        XVLDX => vector(word, Read, 32, Plain, rk),
        XVSTX => vector(word, Write, 32, Plain, rk),
        LDGT_B | LDLE_B => general(word, Read, 1, Signed, rj),
        LDGT_H | LDLE_H => general(word, Read, 2, Signed, rj),
        LDGT_W | LDLE_W => general(word, Read, 4, Signed, rj),
        LDGT_D | LDLE_D => general(word, Read, 8, Signed, rj),
        STGT_B | STLE_B => general(word, Write, 1, Signed, rj),
        STGT_H | STLE_H => general(word, Write, 2, Signed, rj),
        STGT_W | STLE_W => general(word, Write, 4, Signed, rj),
        STGT_D | STLE_D => general(word, Write, 8, Signed, rj),
        FLDGT_S | FLDLE_S => vector(word, Read, 4, Plain, rj),
        FLDGT_D | FLDLE_D => vector(word, Read, 8, Plain, rj),
        FSTGT_S | FSTLE_S => vector(word, Write, 4, Plain, rj),
        FSTGT_D | FSTLE_D => vector(word, Write, 8, Plain, rj),
        PRELDX => return Ok(Memory::Skip),
        SC_Q..=AMMIN_DB_DU => return Err(Refusal::Atomic),
        _ => return Err(Refusal::Unknown),
    }))
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
