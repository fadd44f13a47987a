// SPDX-License-Identifier: GPL-2.0

//! Instructions that raise GSPR (`docs/lvz.md` 7.4; Linux: kvm/exit.c
//! kvm_trap_handle_gspr).

use super::{extend, Direction, Gpr};
use la_arch::insn::{integer, privileged, Encoding};

/// What csr* does with the register's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CsrOp {
    /// `csrrd`.
    Read,
    /// `csrwr`: rd is written and receives the old value.
    Write,
    /// `csrxchg`: of rd, the bits set in `mask` are written; rd receives the
    /// old value, all of it.
    Exchange {
        /// Register with the mask; not r0 or r1, which encode the other two.
        mask: Gpr,
    },
}

/// A trapped csrrd, csrwr or csrxchg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CsrAccess {
    /// Which of the three.
    pub op: CsrOp,
    /// CSR number, 0 to 0x3fff.
    pub number: u16,
    /// Register with the new value that receives the old one.
    pub rd: Gpr,
}

/// A trapped iocsrrd or iocsrwr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IocsrAccess {
    /// Read or write.
    pub direction: Direction,
    /// 1, 2, 4 or 8 bytes.
    pub width: u8,
    /// Register that is read into or written from.
    pub rd: Gpr,
    /// Register with the address, of which the low 32 bits count.
    pub rj: Gpr,
}

impl IocsrAccess {
    /// Value of `rd` after a read that returned `data`, little endian:
    /// narrow reads are sign-extended (Volume 1, 4.2.2).
    #[inline]
    pub const fn completed(self, data: u64) -> u64 {
        extend(data, self.width, true)
    }
}

/// An instruction that raises GSPR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sensitive {
    /// `cpucfg rd, rj`; allowed at every privilege level.
    Cpucfg {
        /// Receives the word.
        rd: Gpr,
        /// Holds the index.
        rj: Gpr,
    },
    /// csr*.
    Csr(CsrAccess),
    /// iocsr*.
    Iocsr(IocsrAccess),
    /// `idle level`.
    Idle,
    /// `cacop`: nothing to do, caches are coherent.
    Cacop,
}

const CPUCFG: u32 = integer::CPUCFG.bits >> 10;
const CSR: u32 = privileged::CSRXCHG.bits >> 24;
const CACOP: u32 = privileged::CACOP.bits >> 22;
const IDLE: u32 = privileged::IDLE.bits >> 15;

const fn two_registers(insn: Encoding) -> u32 {
    insn.bits >> 10
}

const RD_B: u32 = two_registers(privileged::IOCSRRD_B);
const RD_H: u32 = two_registers(privileged::IOCSRRD_H);
const RD_W: u32 = two_registers(privileged::IOCSRRD_W);
const RD_D: u32 = two_registers(privileged::IOCSRRD_D);
const WR_B: u32 = two_registers(privileged::IOCSRWR_B);
const WR_H: u32 = two_registers(privileged::IOCSRWR_H);
const WR_W: u32 = two_registers(privileged::IOCSRWR_W);
const WR_D: u32 = two_registers(privileged::IOCSRWR_D);

/// Decodes `word`, the instruction that raised GSPR. `None` is one that a
/// guest does not have: inject INE.
#[inline]
pub const fn sensitive(word: u32) -> Option<Sensitive> {
    let rd = Gpr::new(word);
    let rj = Gpr::new(word >> 5);
    if word >> 24 == CSR {
        let op = match rj.number() {
            0 => CsrOp::Read,
            1 => CsrOp::Write,
            _ => CsrOp::Exchange { mask: rj },
        };
        let number = (word >> 10 & 0x3fff) as u16;
        return Some(Sensitive::Csr(CsrAccess { op, number, rd }));
    }
    let (direction, width) = match word >> 10 {
        CPUCFG => return Some(Sensitive::Cpucfg { rd, rj }),
        RD_B => (Direction::Read, 1),
        RD_H => (Direction::Read, 2),
        RD_W => (Direction::Read, 4),
        RD_D => (Direction::Read, 8),
        WR_B => (Direction::Write, 1),
        WR_H => (Direction::Write, 2),
        WR_W => (Direction::Write, 4),
        WR_D => (Direction::Write, 8),
        _ if word >> 15 == IDLE => return Some(Sensitive::Idle),
        _ if word >> 22 == CACOP => return Some(Sensitive::Cacop),
        _ => return None,
    };
    Some(Sensitive::Iocsr(IocsrAccess {
        direction,
        width,
        rd,
        rj,
    }))
}
