// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The check of compiled code by the interpreter.
//!
//! A *pass* is a stretch of blocks that begins with a compiled one. The interpreter
//! executes it and notes what each instruction did. Then registers and memory are put
//! back, and compiled code runs to the same instruction count; what handlers
//! did it gets from the notes, so that a device sees each access once. If the end is not
//! the same, the pass is repeated with one block, with two and so on. The machine goes
//! on with the interpreter's state.

mod difference;
mod finding;
mod pass;
mod registers;
pub(super) mod replay;
#[cfg(test)]
mod tests;

pub use difference::Difference;
use finding::{Finding, Place};
use replay::Replay;

use super::block_end::{completed, stopped};
use super::code::{BlockId, CodeCache};
use super::jit::{Bounds, Jit};
use super::jumps::JumpCache;
use crate::cpu::{Cpu, Group, Op, Stop};
use crate::isa::Decoder;
use crate::mem::Bus;

/// Blocks of a pass.
const MAX_BLOCKS: usize = 64;

/// What a pass works on.
pub(super) struct Work<'a> {
    pub(super) cpu: &'a mut Cpu,
    pub(super) bus: &'a mut Bus,
    pub(super) code: &'a mut CodeCache,
    pub(super) jumps: &'a mut JumpCache,
    pub(super) decoder: &'a Decoder,
    pub(super) jit: &'a mut Jit,
}

/// The check of a CPU's passes, one after the other.
#[derive(Default)]
pub(super) struct Check {
    replay: Replay,
    /// What differed first.
    pub(super) difference: Option<Difference>,
}

impl Check {
    /// Executes blocks from `cpu.pc` on, the first of which is compiled, until
    /// something is due; false if compiled code does not do the same.
    pub(super) fn pass(&mut self, work: &mut Work<'_>, stop: u64) -> bool {
        let basis = work.cpu.basis();
        self.interpret(work, stop);
        if work.bus.platform.has_dma() || work.bus.table_written {
            // Memory is not what the blocks before the last one saw: compiled code
            // finds the TLB as the interpreter left it, and walks no table.
            return true;
        }
        let after = work.cpu.basis();
        let attention = std::mem::replace(&mut work.cpu.attention, false);
        work.cpu.set_basis(basis);
        let mut cold = Vec::new();
        let blocks = self.replay.pass.blocks.len();
        if !self.replay(work, blocks, &mut cold).is_empty() {
            let first = (1..=blocks).find_map(|until| {
                let findings = self.replay(work, until, &mut Vec::new());
                (!findings.is_empty()).then_some((until, findings))
            });
            self.difference = first.map(|(until, findings)| {
                Difference::first(
                    &self.replay.pass,
                    until,
                    &findings,
                    work.cpu.id,
                    work.decoder,
                )
            });
        }
        work.cpu.set_basis(after);
        self.replay.pass.restore(work.cpu, &mut work.bus.ram);
        work.cpu.attention = attention;
        for id in cold {
            // The interpreter alone has executed it.
            work.jit.warm(id, work.code, work.decoder);
        }
        self.difference.is_none()
    }

    /// Executes the blocks of a pass by the interpreter.
    fn interpret(&mut self, work: &mut Work<'_>, stop: u64) {
        let basis = work.cpu.basis();
        self.replay.pass.begin(work.cpu);
        work.bus.table_written = false;
        work.bus.ram.record_writes();
        while self.replay.pass.blocks.len() < MAX_BLOCKS
            && work.cpu.icount < stop
            && !work.cpu.attention
            && work.cpu.basis() == basis
        {
            let Some(id) = work.jumps.known(work.cpu, work.code) else {
                break;
            };
            if !self.interpret_block(work, id) {
                break;
            }
        }
        self.replay.pass.end(work.cpu, work.bus.ram.take_writes());
    }

    /// Executes a block by the interpreter; false if the pass ends with it.
    fn interpret_block(&mut self, work: &mut Work<'_>, id: BlockId) -> bool {
        let (cpu, bus) = (&mut *work.cpu, &mut *work.bus);
        let ops = work.code.ops_of(id);
        self.replay.pass.block_begins(id, cpu);
        let mut how = Ok(());
        for op in ops {
            how = (op.run)(cpu, bus, op);
            self.replay.pass.executed(op, how, cpu, bus.ram.writes());
            if let Err(stop) = how {
                stopped(cpu, bus, op, stop);
                break;
            }
        }
        if how.is_ok() {
            completed(cpu, ops.len() as u64);
        }
        self.replay.pass.block_ends(cpu);
        // What others change may be what blocks are found by.
        let ordinary = |op: &Op| {
            let insn = work.decoder.find(op.insn);
            insn.is_some_and(|i| !matches!(i.group, Group::Privileged | Group::Lvz))
        };
        how != Err(Stop::Trap) && ops.last().is_some_and(ordinary)
    }

    /// Has compiled code do the first `until` blocks of the pass; what is different
    /// then. Blocks without code are put into `cold`.
    fn replay(
        &mut self,
        work: &mut Work<'_>,
        until: usize,
        cold: &mut Vec<BlockId>,
    ) -> Vec<Finding> {
        self.replay.begin(work.cpu, &mut work.bus.ram);
        let Some(last) = until
            .checked_sub(1)
            .and_then(|i| self.replay.pass.blocks.get(i))
        else {
            return Vec::new();
        };
        let (after, end) = (last.after, last.ops.end);
        while work.cpu.icount < after.icount {
            let at = work.cpu.icount;
            let Some(block) = self.replay.pass.block_at(at) else {
                return vec![Finding::new(Place::Count, end, after.icount, at)];
            };
            if block.before.pc != work.cpu.pc {
                let (start, pc) = (block.ops.start, block.before.pc);
                return vec![Finding::new(Place::Pc, start, pc, work.cpu.pc)];
            }
            let (id, ops, ended) = (block.id, block.ops.clone(), block.after);
            match work.code.block(id).and_then(|b| b.code) {
                Some(code) => {
                    let bounds = Bounds {
                        generation: work.code.generation,
                        stop: after.icount,
                    };
                    let (cpu, bus) = (&mut *work.cpu, &mut *work.bus);
                    let replay = Some(&mut self.replay);
                    work.jit.enter(code, cpu, bus, work.jumps, bounds, replay);
                }
                None => {
                    cold.push(id);
                    for number in ops {
                        self.replay.apply(number, work.cpu, work.bus);
                    }
                    (work.cpu.pc, work.cpu.icount) = (ended.pc, ended.icount);
                }
            }
            if !self.replay.found.is_empty() {
                return std::mem::take(&mut self.replay.found);
            }
            if work.cpu.icount <= at {
                return vec![Finding::new(Place::Count, end, after.icount, at)];
            }
        }
        self.replay.end(end, after, work.cpu, &mut work.bus.ram)
    }
}
