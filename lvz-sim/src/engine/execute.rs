// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Execution of one CPU.

use super::block_end::{completed, counted, stopped};
use super::check::{Check, Difference, Work};
use super::code::{BlockId, CodeCache, Way};
use super::jit::memory::Code;
use super::jit::{Bounds, Jit, JitError, JitOptions};
use super::jumps::{JumpCache, find};
use crate::cpu::{Cpu, Op, Step, Stop};
use crate::fp::Fcsr;
use crate::isa::{self, Decoder};
use crate::mem::Bus;
use crate::mmu::PAGE_MASK;
use la_arch::insn::RegFile;

/// The compiler, and the check of its code if that is wanted.
pub(super) struct Compilation {
    jit: Jit,
    check: Option<Box<Check>>,
}

impl Compilation {
    pub(super) fn new(options: JitOptions, checked: bool) -> Result<Self, JitError> {
        Ok(Compilation {
            jit: Jit::new(options, checked)?,
            check: checked.then(Box::default),
        })
    }

    /// Takes over what has been compiled beside.
    pub(super) fn collect(&mut self, code: &mut CodeCache) {
        self.jit.collect(code);
    }

    /// What compiled code did otherwise than the interpreter.
    pub(super) fn difference(&self) -> Option<&Difference> {
        self.check.as_ref()?.difference.as_ref()
    }
}

/// Why [`run`] came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    /// The time given is over.
    Time,
    /// Waiting in `idle` until then.
    Idle,
    /// The machine asks for power-off or reset.
    Power,
    /// Compiled code does not do what the interpreter does.
    Differs,
    /// A debugger wants it stopped.
    Halt,
}

/// Runs `cpu` until its time reaches `until`.
pub(super) fn run(
    cpu: &mut Cpu,
    bus: &mut Bus,
    code: &mut CodeCache,
    jumps: &mut JumpCache,
    decoder: &Decoder,
    compilation: &mut Option<Compilation>,
    until: u64,
) -> Pause {
    cpu.attention = true;
    // Instruction count at which to look at the time again.
    let mut stop = cpu.icount;
    loop {
        if cpu.attention || cpu.icount >= stop {
            if let Some(pause) = attend(cpu, bus, code, until) {
                return pause;
            }
            stop = next_look(cpu, until);
        }
        if cpu.watch.fetches && cpu.check_fetch().is_err() {
            not_fetched(cpu, bus);
            continue;
        }
        let Ok(jump) = find(cpu, bus, code, jumps, decoder) else {
            not_fetched(cpu, bus);
            continue;
        };
        if cpu.executes_alone() {
            let block = jump.block;
            step(cpu, bus, code, decoder, block);
            continue;
        }
        if cpu.tally.each {
            let block = jump.block;
            execute_counted(cpu, bus, code, decoder, block);
            continue;
        }
        let mut at = *jump;
        let generation = cpu.soft.fetch_generation;
        // Goes on to blocks of the same page while nothing else is to be looked at.
        loop {
            if let Some(Compilation { jit, check }) = compilation
                // Compiled code computes with all bits of the program counter.
                && cpu.pc_mask == u64::MAX
                && let Some(compiled) = at
                    .code
                    .or_else(|| warm(cpu, code, jumps, decoder, jit, at.block))
            {
                let Some(check) = check else {
                    let generation = code.generation;
                    jit.enter(compiled, cpu, bus, jumps, Bounds { generation, stop }, None);
                    break;
                };
                let mut work = Work {
                    cpu,
                    bus,
                    code,
                    jumps,
                    decoder,
                    jit,
                };
                if !check.pass(&mut work, stop) {
                    return Pause::Differs;
                }
                break;
            }
            let begin = cpu.pc;
            let Some(way) = execute(cpu, bus, code.ops(at.ops)) else {
                break;
            };
            if cpu.attention || cpu.icount >= stop || cpu.soft.fetch_generation != generation {
                break;
            }
            let Some((id, block)) = code.next(at.block, way) else {
                // Only blocks of one page are linked.
                if (begin ^ cpu.pc) & !PAGE_MASK == 0
                    && code.leads(at.block)
                    && let Some(to) = jumps.known(cpu, code)
                {
                    code.link(at.block, way, to, cpu.pc.wrapping_sub(begin));
                }
                break;
            };
            at.block = id;
            at.ops = block.ops;
            at.code = block.code;
        }
    }
}

/// The instruction count at which to look at the time again.
#[inline(always)]
pub(super) fn next_look(cpu: &Cpu, until: u64) -> u64 {
    let next = cpu.next_timer().unwrap_or(u64::MAX).min(until);
    let stop = cpu.icount + next.saturating_sub(cpu.now()).div_ceil(cpu.pace);
    stop.min(cpu.next_overflow())
}

/// Counts an interpreted block, and compiles it if it is hot; its code.
#[inline(always)]
fn warm(
    cpu: &Cpu,
    code: &mut CodeCache,
    jumps: &mut JumpCache,
    decoder: &Decoder,
    jit: &mut Jit,
    block: BlockId,
) -> Option<Code> {
    let compiled = jit.warm(block, code, decoder)?;
    jumps.put(cpu, code, block);
    Some(compiled)
}

/// Delivers the exception of an instruction that was not fetched.
#[cold]
pub(super) fn not_fetched(cpu: &mut Cpu, bus: &mut Bus) {
    cpu.icount += 1;
    cpu.deliver(bus, cpu.pc, None);
}

/// Executes the first instruction of a block alone: fetches are watched, or it is the
/// x87 stack mode of binary translation, for which blocks have the wrong registers.
#[cold]
fn step(cpu: &mut Cpu, bus: &mut Bus, code: &CodeCache, decoder: &Decoder, id: BlockId) {
    let Some(op) = code.ops_of(id).first() else {
        return;
    };
    let op = alone(cpu, decoder, op);
    let how = perform(cpu, bus, decoder, &op);
    counted(cpu, bus, &op, how);
}

/// Executes an instruction, and counts it if each is counted.
#[inline(always)]
pub(super) fn perform(cpu: &mut Cpu, bus: &mut Bus, decoder: &Decoder, op: &Op) -> Step {
    let how = (op.run)(cpu, bus, op);
    if cpu.tally.each {
        cpu.tally_instruction(decoder, op, how);
    }
    how
}

/// Executes a block whose branches and accesses are counted.
#[cold]
fn execute_counted(cpu: &mut Cpu, bus: &mut Bus, code: &CodeCache, decoder: &Decoder, id: BlockId) {
    let ops = code.ops_of(id);
    for op in ops {
        let how = perform(cpu, bus, decoder, op);
        if how.is_err() || usize::from(op.idx) + 1 == ops.len() {
            counted(cpu, bus, op, how);
            return;
        }
    }
}

/// An instruction as it is executed alone ([`Cpu::executes_alone`]).
#[cold]
pub(super) fn alone(cpu: &Cpu, decoder: &Decoder, op: &Op) -> Op {
    if !Fcsr::from_bits(cpu.fcsr).stack_mode() {
        return *op;
    }
    let insn = decoder.find(op.insn);
    let registers = insn.map_or([RegFile::None; 4], |i| i.encoding.format.regs);
    cpu.in_stack_mode(op, registers)
}

/// Executes a block; how control left it, if no exception did.
#[inline(always)]
fn execute(cpu: &mut Cpu, bus: &mut Bus, ops: &[Op]) -> Option<Way> {
    match execute_ops(cpu, bus, ops) {
        Ok(()) => {
            completed(cpu, ops.len() as u64);
            Some(Way::On)
        }
        Err((op, stop)) => {
            stopped(cpu, bus, op, stop);
            (stop == Stop::Jump).then_some(Way::Jump)
        }
    }
}

/// Executes a block's instructions up to the first that does not simply go on.
#[inline(always)]
fn execute_ops<'o>(cpu: &mut Cpu, bus: &mut Bus, ops: &'o [Op]) -> Result<(), (&'o Op, Stop)> {
    let Some((last, others)) = ops.split_last() else {
        return Ok(());
    };
    for op in others {
        isa::execute(cpu, bus, op).map_err(|stop| (op, stop))?;
    }
    isa::execute_last(cpu, bus, last).map_err(|stop| (last, stop))
}

/// What is due between blocks; says when the CPU has to pause.
#[cold]
pub(super) fn attend(
    cpu: &mut Cpu,
    bus: &mut Bus,
    code: &mut CodeCache,
    until: u64,
) -> Option<Pause> {
    loop {
        cpu.attention = false;
        cpu.settle();
        if bus.device_accessed {
            bus.device_accessed = false;
            if bus.platform.take_dma() {
                bus.notice_device_writes();
            }
            if bus.platform.power_event().is_some() {
                return Some(Pause::Power);
            }
        }
        while let Some(offset) = bus.written_code.pop() {
            code.drop_page(offset);
        }
        cpu.sample_interrupts(bus);
        cpu.expire_timers(bus);
        if cpu.idle {
            if !cpu.wakes() {
                // Timers that wake nothing expire when time has passed.
                let next = cpu.next_waking_timer().unwrap_or(u64::MAX);
                let to = next.min(until);
                cpu.time_offset += to.saturating_sub(cpu.now());
                if next > until || cpu.now() >= until {
                    return Some(Pause::Idle);
                }
                continue;
            }
            cpu.idle = false;
        }
        cpu.take_interrupt(bus);
        cpu.settle();
        cpu.attention = false;
        return (cpu.now() >= until).then_some(Pause::Time);
    }
}
