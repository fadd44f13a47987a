// SPDX-License-Identifier: Apache-2.0 OR MIT

//! From an instruction word to the function that executes it.
//!
//! Each instruction group is a file below with a table of [`Insn`]s: an
//! encoding from `la-arch` and its [`Handler`]. [`Decoder`] is built once from
//! the tables that the CPU model has; everything else is INE.

use crate::cpu::Cpu;
use crate::mem::Bus;
use la_arch::insn::Encoding;

mod alu;
mod atomic;
mod bits;
mod bound;
mod branch;
mod crc;
mod decoder;
mod fp_arith;
mod fp_bound;
mod fp_compare;
mod fp_convert;
mod fp_memory;
mod fp_move;
mod fp_operands;
#[cfg(test)]
mod fp_tests;
mod load_store;
mod lsx;
mod lvz;
mod misc;
mod muldiv;
mod operand;
mod privileged;
mod shift;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub use decoder::Decoder;

/// A decoded instruction, as the engine's blocks hold it.
#[derive(Clone, Copy)]
pub struct Op {
    /// Executes it.
    pub run: Handler,
    /// The instruction word, for BADI and for uncommon fields.
    pub insn: u32,
    /// First immediate (see [`la_arch::insn::Operands::imm`]), unscaled.
    pub imm: i32,
    /// Number of instructions before it in its block.
    pub idx: u16,
    /// Bits 4:0.
    pub rd: u8,
    /// Bits 9:5.
    pub rj: u8,
    /// Bits 14:10.
    pub rk: u8,
    /// Bits 19:15.
    pub ra: u8,
    /// Second immediate.
    pub imm2: i16,
}

/// Why an instruction does not simply go on to the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The handler has set `cpu.pc`; the instruction has retired.
    Jump,
    /// The handler has recorded an exception with [`Cpu::raise`] (or a memory
    /// access of its has); the instruction has had no effect.
    Trap,
}

/// What a handler returns.
pub type Step<T = ()> = Result<T, Stop>;

/// Executes one instruction.
pub type Handler = fn(&mut Cpu, &mut Bus, &Op) -> Step;

/// The feature that an instruction belongs to: what `--cpu` can switch and the
/// unit in which coverage is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    /// Integer, branches, memory access.
    Integer,
    /// Bound-checking accesses.
    Bound,
    /// Atomics.
    Atomic,
    /// CRC.
    Crc,
    /// Scalar floating point.
    Fp,
    /// 128-bit vectors.
    Lsx,
    /// Privileged.
    Privileged,
    /// Virtualization.
    Lvz,
}

/// How an instruction ends a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// It does not: the next instruction follows in the same block.
    No,
    /// Control transfer, or it changes something that block selection,
    /// translation or interrupt delivery depends on.
    Yes,
}

/// An instruction that this simulator implements.
#[derive(Clone, Copy)]
pub struct Insn {
    /// Name, bits and operands.
    pub encoding: &'static Encoding,
    /// Its group.
    pub group: Group,
    /// Executes it.
    pub run: Handler,
    /// Whether it ends a block.
    pub ends: Ends,
}

/// Builds a group's table: `table!(Group::Integer; ADD_W => add_w, B => b, @ends; ...)`
/// where the left names are constants of the `la_arch::insn` module in scope as
/// `enc`.
#[macro_export]
macro_rules! insn_table {
    ($group:expr; $($enc:ident => $run:expr $(, @$ends:ident)?;)*) => {
        /// The group's instructions.
        pub(crate) const TABLE: &[$crate::isa::Insn] = &[
            $($crate::isa::Insn {
                encoding: &enc::$enc,
                group: $group,
                run: $run,
                ends: $crate::insn_table!(@ends $($ends)?),
            }),*
        ];
    };
    (@ends) => { $crate::isa::Ends::No };
    (@ends ends) => { $crate::isa::Ends::Yes };
}

/// Every instruction that this simulator implements.
pub fn all() -> impl Iterator<Item = &'static Insn> {
    TABLES.iter().flat_map(|table| table.iter())
}

/// One table a file.
const TABLES: &[&[Insn]] = &[
    alu::TABLE,
    atomic::TABLE,
    bits::TABLE,
    bound::TABLE,
    branch::TABLE,
    crc::TABLE,
    load_store::TABLE,
    misc::TABLE,
    muldiv::TABLE,
    shift::TABLE,
    privileged::TABLE,
    lvz::TABLE,
    fp_arith::TABLE,
    fp_bound::TABLE,
    fp_compare::TABLE,
    fp_convert::TABLE,
    fp_memory::TABLE,
    fp_move::TABLE,
    lsx::arithmetic::TABLE,
    lsx::bits::TABLE,
    lsx::compare::TABLE,
    lsx::float::TABLE,
    lsx::float_compare::TABLE,
    lsx::float_convert::TABLE,
    lsx::memory::TABLE,
    lsx::narrow::TABLE,
    lsx::shift::TABLE,
    lsx::shuffle::TABLE,
    lsx::transfer::TABLE,
    lsx::widen::TABLE,
];
