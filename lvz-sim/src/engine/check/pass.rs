// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The interpreter's notes of a pass.

use super::super::code::BlockId;
use super::finding::{Finding, Place};
use super::registers::Registers;
use crate::cpu::{Cpu, Op, Step, VReg};
use crate::mem::Ram;
use crate::mem::ram::Written;
use std::ops::Range;

/// Where between two blocks.
#[derive(Clone, Copy, Default)]
pub(super) struct Point {
    pub(super) pc: u64,
    pub(super) icount: u64,
}

impl Point {
    fn of(cpu: &Cpu) -> Self {
        Point {
            pc: cpu.pc,
            icount: cpu.icount,
        }
    }
}

/// A block that was executed.
#[derive(Clone)]
pub(super) struct Executed {
    pub(super) id: BlockId,
    pub(super) before: Point,
    pub(super) after: Point,
    /// Its instructions, by their numbers in the pass.
    pub(super) ops: Range<usize>,
}

/// An instruction that was executed, and what it left in the registers that it names.
struct Note {
    op: Op,
    how: Step,
    gpr: [u64; 5],
    vr: VReg,
    fcc: u8,
    fcsr: u32,
    /// Writes to memory of all instructions up to and with it.
    writes: usize,
}

/// The general registers that an instruction can write: those of its fields, and that
/// of `bl`.
fn named(op: &Op) -> [u8; 5] {
    [op.rd, op.rj, op.rk, op.ra, 1]
}

/// What the interpreter did.
#[derive(Default)]
pub(super) struct Pass {
    pub(super) before: Registers,
    after: Registers,
    pub(super) blocks: Vec<Executed>,
    notes: Vec<Note>,
    writes: Vec<Written>,
}

impl Pass {
    pub(super) fn begin(&mut self, cpu: &Cpu) {
        self.before = Registers::of(cpu);
        self.blocks.clear();
        self.notes.clear();
    }

    pub(super) fn block_begins(&mut self, id: BlockId, cpu: &Cpu) {
        self.blocks.push(Executed {
            id,
            before: Point::of(cpu),
            after: Point::default(),
            ops: self.notes.len()..self.notes.len(),
        });
    }

    pub(super) fn executed(&mut self, op: &Op, how: Step, cpu: &Cpu, writes: usize) {
        self.notes.push(Note {
            op: *op,
            how,
            gpr: named(op).map(|r| cpu.get(r)),
            vr: cpu.vr[usize::from(op.rd & 31)],
            fcc: cpu.fcc,
            fcsr: cpu.fcsr,
            writes,
        });
    }

    pub(super) fn block_ends(&mut self, cpu: &Cpu) {
        if let Some(block) = self.blocks.last_mut() {
            block.after = Point::of(cpu);
            block.ops.end = self.notes.len();
        }
    }

    pub(super) fn end(&mut self, cpu: &Cpu, writes: Vec<Written>) {
        self.after = Registers::of(cpu);
        self.writes = writes;
    }

    /// Goes back to where the pass began.
    pub(super) fn rewind(&self, cpu: &mut Cpu, ram: &mut Ram) {
        self.before.put(cpu);
        for written in self.writes.iter().rev() {
            ram.write_wide(written.offset, written.size, written.old);
        }
    }

    /// Goes to where the pass ended.
    pub(super) fn restore(&self, cpu: &mut Cpu, ram: &mut Ram) {
        self.after.put(cpu);
        for written in &self.writes {
            ram.write_wide(written.offset, written.size, written.new);
        }
    }

    /// The block that begins at an instruction count.
    pub(super) fn block_at(&self, icount: u64) -> Option<&Executed> {
        let at = self
            .blocks
            .binary_search_by_key(&icount, |b| b.before.icount);
        self.blocks.get(at.ok()?)
    }

    /// The block of an instruction.
    pub(super) fn block_of(&self, number: usize) -> Option<&Executed> {
        let at = self.blocks.partition_point(|b| b.ops.end <= number);
        self.blocks.get(at)
    }

    pub(super) fn op(&self, number: usize) -> Option<&Op> {
        self.notes.get(number).map(|note| &note.op)
    }

    /// Whether that instruction was `op`.
    pub(super) fn is(&self, number: usize, op: &Op) -> bool {
        self.op(number)
            .is_some_and(|o| (o.insn, o.idx) == (op.insn, op.idx))
    }

    /// Whether the next instruction followed.
    pub(super) fn goes_on(&self, number: usize) -> bool {
        self.notes.get(number).is_some_and(|note| note.how.is_ok())
    }

    /// Does to registers what an instruction did.
    pub(super) fn effect(&self, number: usize, registers: &mut Registers) {
        let Some(note) = self.notes.get(number) else {
            return;
        };
        for (r, value) in named(&note.op).into_iter().zip(note.gpr) {
            registers.gpr[usize::from(r & 31)] = value;
        }
        registers.vr[usize::from(note.op.rd & 31)] = note.vr;
        (registers.fcc, registers.fcsr) = (note.fcc, note.fcsr);
    }

    fn writes_before(&self, number: usize) -> usize {
        let last = number.checked_sub(1).and_then(|n| self.notes.get(n));
        last.map_or(0, |note| note.writes)
    }

    /// Does to memory what an instruction did.
    pub(super) fn redo(&self, number: usize, ram: &mut Ram) {
        let writes = self.writes_before(number)..self.writes_before(number + 1);
        for written in self.writes.get(writes).unwrap_or(&[]) {
            ram.write_wide(written.offset, written.size, written.new);
        }
    }

    /// The instruction that wrote to memory.
    fn writer(&self, write: usize) -> usize {
        self.notes.partition_point(|note| note.writes <= write)
    }

    /// What memory has otherwise than the interpreter wrote with the first `end`
    /// instructions; it is put right.
    pub(super) fn memory_differences(&self, end: usize, ram: &mut Ram) -> Vec<Finding> {
        let writes = &self.writes[..self.writes_before(end).min(self.writes.len())];
        let read = |ram: &Ram, w: &Written| ram.read_wide(w.offset, w.size);
        let compiled: Vec<u128> = writes.iter().map(|w| read(ram, w)).collect();
        for written in writes {
            ram.write_wide(written.offset, written.size, written.new);
        }
        let differ = (0..writes.len()).filter(|&i| read(ram, &writes[i]) != compiled[i]);
        differ
            .map(|i| Finding {
                place: Place::Memory(ram.address(writes[i].offset)),
                end: self.writer(i) + 1,
                interpreted: read(ram, &writes[i]),
                compiled: compiled[i],
            })
            .collect()
    }

    /// The last instruction of `ops` that changed what is at `place`.
    pub(super) fn changed_last(&self, ops: Range<usize>, place: Place) -> Option<usize> {
        let mut registers = self.before.clone();
        for number in 0..ops.start {
            self.effect(number, &mut registers);
        }
        let mut last = None;
        for number in ops {
            let before = registers.value(place);
            self.effect(number, &mut registers);
            if registers.value(place) != before {
                last = Some(number);
            }
        }
        last
    }
}
