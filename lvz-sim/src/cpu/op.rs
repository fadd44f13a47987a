// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What an instruction is to a CPU: its entry in a table, its decoded form, the
//! function that executes it and how that ends. The tables are in `isa`.

use super::{Cpu, Group, Model};
use crate::mem::Bus;
use la_arch::insn::{Encoding, RegFile};

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

/// How an instruction ends a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// It does not: the next instruction follows in the same block.
    No,
    /// A branch to its own address plus an offset, or to the next instruction; it changes
    /// nothing else than a general register.
    Branch,
    /// Another control transfer, or it changes something that block selection,
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

impl Model {
    /// Whether the model has the instruction.
    pub fn implements(&self, insn: &Insn) -> bool {
        self.has_instructions(insn.group, insn.encoding.announced_by)
    }
}

impl Cpu {
    /// The same instruction where f0 to f7 are counted from the top of the x87 stack.
    pub(crate) fn in_stack_mode(&self, op: &Op, registers: [RegFile; 4]) -> Op {
        let mut op = *op;
        let fields = [&mut op.rd, &mut op.rj, &mut op.rk, &mut op.ra];
        for (field, file) in fields.into_iter().zip(registers) {
            if file == RegFile::Fpr && *field < 8 {
                *field = (*field + self.lbt.top) & 7;
            }
        }
        op
    }

    /// Address of the instruction `op`, which is being executed.
    #[inline(always)]
    pub(crate) fn pc_of(&self, op: &Op) -> u64 {
        // While a block runs, `pc` is the address of its first instruction.
        self.pc.wrapping_add(u64::from(op.idx) * 4)
    }

    /// Notes which instruction of the block is being executed.
    #[inline(always)]
    pub(crate) fn executing(&mut self, op: &Op) {
        self.inside = u64::from(op.idx) + 1;
    }

    /// Ends the block and continues at `target`: `return cpu.jump(target);`
    #[inline(always)]
    pub(crate) fn jump(&mut self, target: u64) -> Step {
        self.pc = target & self.pc_mask;
        Err(Stop::Jump)
    }
}
