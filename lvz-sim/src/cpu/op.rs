// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What an instruction is to a CPU: its entry in a table, its decoded form, the
//! function that executes it and how that ends. The tables are in `isa`.

use super::Cpu;
use crate::mem::Bus;
use la_arch::insn::Encoding;

/// A decoded instruction, as the engine's blocks hold it.
#[derive(Clone, Copy)]
pub struct Op {
    /// The handler of its entry in the tables.
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
    /// Second immediate, of those few formats that have two.
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

/// What a handler returns: `Ok` goes on with the next instruction.
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
    Atomic,
    /// `crc.*` and `crcc.*`.
    Crc,
    /// Scalar floating point.
    Fp,
    /// 128-bit vectors.
    Lsx,
    /// 256-bit vectors.
    Lasx,
    /// Binary translation.
    Lbt,
    /// Privileged, and `cpucfg`, which a guest may not execute.
    Privileged,
    /// Virtualization: `hvcl` and what root does with a guest's CSRs and TLB.
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
    /// The feature that it belongs to.
    pub group: Group,
    /// Called for each execution, with the decoded operands.
    pub run: Handler,
    /// Whether the block ends behind it.
    pub ends: Ends,
}
