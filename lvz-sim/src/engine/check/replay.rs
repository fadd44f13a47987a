// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A pass as compiled code does it again, with what handlers did from the notes.

use super::finding::{Finding, Place};
use super::pass::{Pass, Point};
use super::registers::Registers;
use crate::cpu::{Cpu, Op};
use crate::mem::{Bus, Ram};

/// The notes of a pass, and how far compiled code has come in it.
#[derive(Default)]
pub(in super::super) struct Replay {
    pub(super) pass: Pass,
    /// The interpreter's registers before instruction `next` of the pass.
    expected: Registers,
    next: usize,
    /// What differed where a handler was called.
    pub(super) found: Vec<Finding>,
}

impl Replay {
    /// Goes back to where the pass began.
    pub(super) fn begin(&mut self, cpu: &mut Cpu, ram: &mut Ram) {
        self.pass.rewind(cpu, ram);
        self.expected = self.pass.before.clone();
        self.next = 0;
        self.found.clear();
    }

    /// What is different after the first `end` instructions, which led to `after`.
    pub(super) fn end(
        &mut self,
        end: usize,
        after: Point,
        cpu: &Cpu,
        ram: &mut Ram,
    ) -> Vec<Finding> {
        self.advance(end);
        (self.expected.pc, self.expected.icount) = (after.pc, after.icount);
        let mut findings = self.expected.differences(&Registers::of(cpu), end);
        findings.extend(self.pass.memory_differences(end, ram));
        findings
    }

    /// Has `expected` follow the interpreter up to an instruction.
    fn advance(&mut self, to: usize) {
        for number in self.next..to {
            self.pass.effect(number, &mut self.expected);
        }
        self.next = self.next.max(to);
    }

    /// Does what the interpreter did for an instruction.
    pub(super) fn apply(&self, number: usize, cpu: &mut Cpu, bus: &mut Bus) {
        let mut registers = Registers::of(cpu);
        self.pass.effect(number, &mut registers);
        registers.put(cpu);
        self.pass.redo(number, &mut bus.ram);
    }

    /// Compiled code hands an instruction to its handler, which may be one that
    /// ends its block. Whether the next one follows; `None` if the
    /// state is not the interpreter's.
    pub(in super::super) fn handle(
        &mut self,
        cpu: &mut Cpu,
        bus: &mut Bus,
        op: &Op,
        ends: bool,
    ) -> Option<bool> {
        let before = self.pass.before.icount;
        let number = cpu.icount.wrapping_sub(before) as usize + usize::from(op.idx);
        let block = self.pass.block_of(number).cloned();
        let Some(block) = block.filter(|_| self.next <= number && self.pass.is(number, op)) else {
            self.found
                .push(Finding::new(Place::Count, self.next, before, cpu.icount));
            return None;
        };
        self.advance(number);
        let mut expected = self.expected.clone();
        (expected.pc, expected.icount) = (block.before.pc, block.before.icount);
        let findings = expected.differences(&Registers::of(cpu), number);
        if !findings.is_empty() {
            self.found = findings;
            return None;
        }
        self.apply(number, cpu, bus);
        let goes_on = self.pass.goes_on(number);
        if ends || !goes_on {
            (cpu.pc, cpu.icount) = (block.after.pc, block.after.icount);
        }
        Some(goes_on)
    }
}
