// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Execution under a debugger: the same machine, which can be stopped between any two
//! instructions.
//!
//! A stop inside a block is no end of it: interrupts are looked at where they would be
//! without the stop. So what a debugger sees is what happens without one, bit for bit.

use super::block_end::{completed, counted, ended};
use super::breakpoints::Breakpoints;
use super::code::{BlockId, CodeCache, MAX_LEN};
use super::execute::{Pause, alone, attend, next_look, not_fetched, perform};
use super::jumps::{JumpCache, find};
use crate::cpu::{Cpu, Place, Stop, WatchHit};
use crate::isa::Decoder;
use crate::mem::Bus;
use crate::trace::Tracer;
use serde::{Deserialize, Serialize};

/// At which of the two moments between instructions `n` and `n + 1` of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Moment {
    /// Instruction `n` has ended, nothing else has happened.
    After,
    /// Instruction `n + 1` is the next thing that happens: interrupts before it have been
    /// taken.
    Before,
}

/// A point of a run, which is the same in each run of the machine: the number of instructions
/// that have ended on all CPUs together, and the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Point {
    pub(crate) count: u64,
    pub(crate) moment: Moment,
}

/// Why the machine is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// The CPU has executed the instruction that was asked for.
    Stepped,
    /// The point that was asked for.
    Reached,
    /// A breakpoint is at the next instruction.
    Breakpoint(Place),
    /// The next instruction would access what is watched.
    Watchpoint(WatchHit),
    /// The debugger asked for it.
    Interrupted,
}

/// A stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Halt {
    pub(crate) cpu: usize,
    pub(crate) why: Why,
    pub(crate) point: Point,
}

/// The part of a block that a stopped CPU has still to execute.
#[derive(Clone, Copy)]
struct Rest {
    block: BlockId,
    /// Instructions of it that have ended.
    done: usize,
    /// The address of the next one.
    pc: u64,
    /// [`Cpu::now`] is of the last of them that has called [`Cpu::executing`].
    inside: u64,
}

/// A [`Rest`] that a snapshot has. The block is there as it was decoded: memory may have changed
/// since.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SavedRest {
    offset: usize,
    words: Vec<u32>,
    done: usize,
    inside: u64,
}

impl SavedRest {
    /// What is left of a block for `cpu`, which is stopped.
    pub(super) fn of(debug: &Debug, code: &CodeCache, cpu: &Cpu) -> Option<Self> {
        let rest = debug.rests.get(cpu.id)?.filter(|rest| rest.pc == cpu.pc)?;
        let block = code.block(rest.block)?;
        Some(Self {
            offset: block.offset,
            words: code.ops(block.ops).iter().map(|op| op.insn).collect(),
            done: rest.done,
            inside: rest.inside,
        })
    }

    /// Whether a machine with so much memory can have it, for a CPU that has executed so much.
    pub(crate) fn is_of(&self, memory: usize, executed: u64) -> bool {
        let length = self.words.len();
        self.offset < memory
            && length <= MAX_LEN
            && self.done < length
            && self.done as u64 <= executed
            && self.inside <= self.done as u64
    }

    /// Has `cpu` go on with it.
    pub(super) fn resume(
        &self,
        debug: &mut Debug,
        code: &mut CodeCache,
        decoder: &Decoder,
        cpu: &Cpu,
    ) {
        let rest = Rest {
            block: code.detached(decoder, self.offset, &self.words),
            done: self.done,
            pc: cpu.pc,
            inside: self.inside,
        };
        debug.put_rest(cpu, rest);
    }
}

/// What a debugger has asked for.
#[derive(Default)]
pub(crate) struct Debug {
    pub(crate) breakpoints: Breakpoints,
    /// Something is watched ([`Cpu::watched`]).
    pub(crate) watching: bool,
    /// Stop when this CPU has executed an instruction.
    pub(crate) step: Option<usize>,
    /// Stop at this point.
    pub(crate) until: Option<Point>,
    /// Stop before the next instruction.
    pub(crate) interrupt: bool,
    /// Shows instructions as they end.
    pub(crate) tracer: Option<Tracer>,
    /// The last stop.
    pub(crate) halt: Option<Halt>,
    /// The CPU whose last instruction is noted, and how many of the machine's had ended before
    /// it.
    followed: Option<(usize, Option<u64>)>,
    /// Where a CPU's instruction count must be for `step`.
    stepped: u64,
    /// The instruction, by CPU, count and address, at which nothing stops again.
    passed: Option<(usize, u64, u64)>,
    rests: Vec<Option<Rest>>,
}

impl Debug {
    /// Whether instructions must be looked at in a round that begins after `count` of the
    /// machine's and has at most `most`.
    pub(super) fn active(&self, count: u64, most: u64) -> bool {
        let near = |point: Point| point.count <= count + most;
        !self.breakpoints.is_empty()
            || self.watching
            || self.step.is_some()
            || self.until.is_some_and(near)
            || self.interrupt
            || self.followed.is_some()
            || self.tracer.is_some()
            || self.rests.iter().any(Option::is_some)
    }

    /// Has a stopped machine go on: where it is stopped, nothing stops it again.
    pub(crate) fn go_on(&mut self, cpus: &[Cpu]) {
        self.passed = self.halt.take().and_then(|halt| {
            let cpu = cpus.get(halt.cpu)?;
            (halt.point.moment == Moment::Before).then_some((cpu.id, cpu.icount, cpu.pc))
        });
        if let Some(cpu) = self.step.and_then(|step| cpus.get(step)) {
            self.stepped = cpu.icount + 1;
        }
    }

    /// Follows a CPU from now on, or none; the instructions of the machine that had ended before
    /// the last one of the CPU that was followed.
    pub(crate) fn follow(&mut self, cpu: Option<usize>) -> Option<u64> {
        let before = std::mem::replace(&mut self.followed, cpu.map(|cpu| (cpu, None)));
        before.and_then(|(_, last)| last)
    }

    fn executed(&mut self, cpu: &Cpu, count: u64) {
        if let Some((followed, last)) = &mut self.followed
            && *followed == cpu.id
        {
            *last = Some(count);
        }
    }

    /// The debugger is gone. What is left of blocks stays to be executed.
    pub(crate) fn leave(&mut self) {
        *self = Debug {
            rests: std::mem::take(&mut self.rests),
            tracer: self.tracer.take(),
            ..Debug::default()
        };
    }

    /// Forgets what is left of blocks: registers, memory or decoded code have changed.
    pub(crate) fn forget_rests(&mut self) {
        self.rests.clear();
    }

    fn take_rest(&mut self, cpu: &Cpu) -> Option<Rest> {
        let rest = self.rests.get_mut(cpu.id)?.take()?;
        (rest.pc == cpu.pc).then_some(rest)
    }

    fn put_rest(&mut self, cpu: &Cpu, rest: Rest) {
        if self.rests.len() <= cpu.id {
            self.rests.resize(cpu.id + 1, None);
        }
        self.rests[cpu.id] = Some(rest);
    }

    fn halts(&mut self, cpu: &Cpu, others: u64, why: Why, moment: Moment) -> Pause {
        let count = others + cpu.icount;
        self.halt = Some(Halt {
            cpu: cpu.id,
            why,
            point: Point { count, moment },
        });
        Pause::Halt
    }

    /// Why the CPU stops as soon as its last instruction has ended.
    fn after(&self, cpu: &Cpu, others: u64) -> Option<Why> {
        if self.step == Some(cpu.id) && cpu.icount >= self.stepped {
            return Some(Why::Stepped);
        }
        let point = self.until.filter(|point| point.moment == Moment::After)?;
        (others + cpu.icount >= point.count).then_some(Why::Reached)
    }

    /// Whether nothing stops a CPU, or is to be noted, in `length` instructions from `place` on,
    /// after `count` of the machine's.
    fn is_quiet(&self, place: (u64, u64), length: u64, count: u64) -> bool {
        let far = |point: Point| point.count > count + length;
        let (pc, pa) = place;
        !self.interrupt
            && self.step.is_none()
            && self.followed.is_none()
            && self.passed.is_none()
            && self.until.is_none_or(far)
            && !self.breakpoints.any_in(pc, pa, 4 * length)
    }

    /// Why the CPU stops before the instruction at `pc`, physical address `pa`, if `icount`
    /// of its instructions and `count` of the machine's have ended; `inside` a block,
    /// where the moments are one.
    fn before(
        &self,
        cpu: &Cpu,
        place: (u64, u64),
        icount: u64,
        count: u64,
        inside: bool,
    ) -> Option<Why> {
        let (pc, pa) = place;
        if self.interrupt {
            return Some(Why::Interrupted);
        }
        if inside && self.step == Some(cpu.id) && icount >= self.stepped {
            return Some(Why::Stepped);
        }
        let reached =
            |point: Point| count >= point.count && (inside || point.moment == Moment::Before);
        if self.until.is_some_and(reached) {
            return Some(Why::Reached);
        }
        if self.passed == Some((cpu.id, icount, pc)) {
            return None;
        }
        self.breakpoints
            .at(pc, pa, cpu.world())
            .map(Why::Breakpoint)
    }
}

/// What [`run_debugged`] works on.
pub(super) struct Engine<'a> {
    pub(super) bus: &'a mut Bus,
    pub(super) code: &'a mut CodeCache,
    pub(super) jumps: &'a mut JumpCache,
    pub(super) decoder: &'a Decoder,
    pub(super) debug: &'a mut Debug,
    /// Instructions that ended on all other CPUs.
    pub(super) others: u64,
}

/// Runs `cpu` by the interpreter until its time reaches `until` or the debugger wants it
/// stopped.
pub(super) fn run_debugged(cpu: &mut Cpu, engine: &mut Engine<'_>, until: u64) -> Pause {
    cpu.attention = true;
    // Instruction count at which to look at the time again.
    let mut stop = cpu.icount;
    loop {
        if let Some(rest) = engine.debug.take_rest(cpu) {
            // Back to where the block began, as its instructions expect.
            let done = rest.done as u64;
            cpu.pc = cpu.pc.wrapping_sub(4 * done) & cpu.pc_mask;
            cpu.icount -= done;
            cpu.inside = rest.inside;
            if let Some(pause) = part(cpu, engine, rest.block, rest.done) {
                return pause;
            }
            continue;
        }
        if let Some(why) = engine.debug.after(cpu, engine.others) {
            return engine.debug.halts(cpu, engine.others, why, Moment::After);
        }
        if cpu.attention || cpu.icount >= stop {
            if let Some(pause) = attend(cpu, engine.bus, engine.code, until) {
                return pause;
            }
            stop = next_look(cpu, until);
        }
        if cpu.watch.fetches && cpu.check_fetch().is_err() {
            if let Some(pause) = not_found(cpu, engine) {
                return pause;
            }
            continue;
        }
        let found = find(cpu, engine.bus, engine.code, engine.jumps, engine.decoder);
        let Ok(block) = found.map(|jump| jump.block) else {
            if let Some(pause) = not_found(cpu, engine) {
                return pause;
            }
            continue;
        };
        if let Some(pause) = part(cpu, engine, block, 0) {
            return pause;
        }
    }
}

/// An instruction that is not fetched: it counts as one, but has no breakpoint.
fn not_found(cpu: &mut Cpu, engine: &mut Engine<'_>) -> Option<Pause> {
    let (debug, count) = (&mut *engine.debug, engine.others + cpu.icount);
    let reached = |point: Point| point.count <= count && point.moment == Moment::Before;
    let why = match debug.until {
        _ if debug.interrupt => Why::Interrupted,
        Some(point) if reached(point) => Why::Reached,
        _ => {
            debug.passed = None;
            debug.executed(cpu, count);
            not_fetched(cpu, engine.bus);
            return None;
        }
    };
    Some(debug.halts(cpu, engine.others, why, Moment::Before))
}

/// Executes a block from its instruction `from` on, at most to where the CPU stops.
fn part(cpu: &mut Cpu, engine: &mut Engine<'_>, id: BlockId, from: usize) -> Option<Pause> {
    let block = engine.code.block(id).copied()?;
    let (single, each) = (cpu.executes_alone(), cpu.tally.each);
    let len = if single {
        1
    } else {
        usize::from(block.ops.len)
    };
    let start = engine.bus.ram.address(block.offset);
    let count = engine.others + cpu.icount;
    let quiet = engine.debug.is_quiet((cpu.pc, start), len as u64, count);
    for index in from..len {
        let done = index as u64;
        let (icount, pc) = (cpu.icount + done, cpu.pc.wrapping_add(4 * done));
        let place = (pc, start + 4 * done);
        let debug = &mut *engine.debug;
        if !quiet {
            let why = debug.before(cpu, place, icount, count + done, index > from);
            if let Some(why) = why {
                return Some(halt_inside(cpu, engine, id, index, why));
            }
            // Where it goes on, nothing is watched.
            cpu.unwatched = debug.passed.take() == Some((cpu.id, icount, pc));
            debug.executed(cpu, count + done);
        }
        let Some(mut op) = engine.code.ops(block.ops).get(index).copied() else {
            break;
        };
        if single {
            op = alone(cpu, engine.decoder, &op);
        }
        let tracer = engine
            .debug
            .tracer
            .as_ref()
            .filter(|_| cpu.trace.instructions);
        let before = tracer.and_then(|tracer| tracer.before(cpu, &op, pc, icount));
        let how = perform(cpu, engine.bus, engine.decoder, &op);
        cpu.unwatched = false;
        if let Some(hit) = cpu.watch_hit.take()
            && how == Err(Stop::Trap)
        {
            let why = Why::Watchpoint(hit);
            return Some(halt_inside(cpu, engine, id, index, why));
        }
        if let (Some(tracer), Some(before)) = (&engine.debug.tracer, before) {
            tracer.show(cpu, engine.bus, engine.decoder, &op, &before, how);
        }
        if how.is_err() || index + 1 == len {
            let end = if single || each { counted } else { ended };
            end(cpu, engine.bus, &op, how);
            break;
        }
    }
    None
}

/// Stops before instruction `index` of a block.
fn halt_inside(
    cpu: &mut Cpu,
    engine: &mut Engine<'_>,
    block: BlockId,
    index: usize,
    why: Why,
) -> Pause {
    let inside = cpu.inside;
    completed(cpu, index as u64);
    let rest = Rest {
        block,
        done: index,
        pc: cpu.pc,
        inside,
    };
    engine.debug.put_rest(cpu, rest);
    let moment = match why {
        Why::Stepped => Moment::After,
        Why::Reached => match engine.debug.until {
            Some(point) => point.moment,
            None => Moment::Before,
        },
        _ => Moment::Before,
    };
    engine.debug.halts(cpu, engine.others, why, moment)
}
