// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Execution of one CPU.

use super::check::Work;
use super::code::{BlockId, CodeCache};
use super::jit::{Bounds, Code, Jit};
use crate::cpu::{Cpu, Op, Step, Stop};
use crate::fp::Fcsr;
use crate::isa::Decoder;
use crate::mem::Bus;
use crate::mmu::Access;
use la_arch::Exception;
use la_arch::insn::RegFile;

/// Entries of a jump cache, a power of two: enough for what a host and its guest execute
/// by turns.
pub(super) const JUMPS: usize = 32_768;

/// A block by the address and context that led to it.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Jump {
    pub(super) pc: u64,
    pub(super) key: u64,
    pub(super) code: Option<Code>,
    block: BlockId,
}

impl Jump {
    pub(super) fn block(&self) -> BlockId {
        self.block
    }
}

/// What no context of any generation has: numbers of contexts are smaller in the
/// twelve bits that hold them.
const NO_KEY: u64 = u64::MAX;

/// Where the blocks of a CPU's recent program counters are.
pub(super) struct JumpCache {
    jumps: Box<[Jump; JUMPS]>,
}

impl JumpCache {
    pub(super) fn new() -> Self {
        JumpCache {
            jumps: Box::new(
                [Jump {
                    pc: 0,
                    key: NO_KEY,
                    code: None,
                    block: BlockId::default(),
                }; JUMPS],
            ),
        }
    }

    /// The block at `cpu.pc`, if it is here.
    pub(super) fn known(&self, cpu: &Cpu, code: &CodeCache) -> Option<BlockId> {
        let jump = &self.jumps[index(cpu)];
        (jump.pc == cpu.pc && jump.key == key(cpu, code)).then_some(jump.block)
    }

    /// The first entry.
    pub(super) fn first(&self) -> *const Jump {
        self.jumps.as_ptr()
    }
}

/// How far a context is shifted to choose among entries: a host and a guest with the same
/// kernel execute the same addresses by turns.
pub(super) const CONTEXT_SHIFT: u32 = 6;

/// The entry for the address where a CPU is.
#[inline(always)]
fn index(cpu: &Cpu) -> usize {
    (cpu.pc >> 2 ^ cpu.soft_context() << CONTEXT_SHIFT) as usize % JUMPS
}

/// What blocks are known by beside their address.
#[inline(always)]
fn key(cpu: &Cpu, code: &CodeCache) -> u64 {
    (code.generation + cpu.soft.fetch_generation) << 12 | cpu.soft_context()
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
    jit: &mut Option<Jit>,
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
        if let Some(jit) = jit
            && let Some(compiled) = jump.code.or_else(|| warm(cpu, code, decoder, jit, jump))
        {
            let Some(mut check) = jit.check.take() else {
                let generation = code.generation;
                jit.enter(compiled, cpu, bus, jumps, Bounds { generation, stop }, None);
                continue;
            };
            let mut work = Work {
                cpu,
                bus,
                code,
                jumps,
                decoder,
                jit,
            };
            let same = check.pass(&mut work, stop);
            jit.check = Some(check);
            if !same {
                return Pause::Differs;
            }
            continue;
        }
        let block = jump.block;
        execute(cpu, bus, code, block);
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
    decoder: &Decoder,
    jit: &mut Jit,
    jump: &mut Jump,
) -> Option<Code> {
    // Compiled code computes with all bits of the program counter.
    if cpu.pc_mask != u64::MAX {
        return None;
    }
    jump.code = jit.warm(jump.block, code, decoder);
    jump.code
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
    let Some(op) = code.block(id).and_then(|block| code.ops(block).first()) else {
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
        cpu.tally.instruction(decoder, op, how);
    }
    how
}

/// Executes a block whose branches and accesses are counted.
#[cold]
fn execute_counted(cpu: &mut Cpu, bus: &mut Bus, code: &CodeCache, decoder: &Decoder, id: BlockId) {
    let ops = code.block(id).map_or(&[][..], |block| code.ops(block));
    for op in ops {
        let how = perform(cpu, bus, decoder, op);
        if how.is_err() || usize::from(op.idx) + 1 == ops.len() {
            counted(cpu, bus, op, how);
            return;
        }
    }
}

/// Ends a block behind `op`, after which a counter of branches or accesses may have
/// overflown.
pub(super) fn counted(cpu: &mut Cpu, bus: &mut Bus, op: &Op, how: Step) {
    ended(cpu, bus, op, how);
    cpu.attention |= cpu.any_overflown();
}

/// Ends a block behind `op`.
pub(super) fn ended(cpu: &mut Cpu, bus: &mut Bus, op: &Op, how: Step) {
    match how {
        Ok(()) => completed(cpu, u64::from(op.idx) + 1),
        Err(stop) => stopped(cpu, bus, op, stop),
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

#[inline(always)]
fn execute(cpu: &mut Cpu, bus: &mut Bus, code: &CodeCache, id: BlockId) {
    let ops = code.block(id).map_or(&[][..], |block| code.ops(block));
    for op in ops {
        if let Err(stop) = (op.run)(cpu, bus, op) {
            stopped(cpu, bus, op, stop);
            return;
        }
    }
    completed(cpu, ops.len() as u64);
}

/// Ends a block in which `op` did not simply go on.
#[inline(always)]
pub(super) fn stopped(cpu: &mut Cpu, bus: &mut Bus, op: &Op, stop: Stop) {
    cpu.icount += u64::from(op.idx) + 1;
    cpu.inside = 0;
    if stop == Stop::Trap {
        cpu.deliver(bus, cpu.pc_of(op), Some(op.insn));
    }
}

/// Ends a block of `len` instructions that all went on.
#[inline(always)]
pub(super) fn completed(cpu: &mut Cpu, len: u64) {
    cpu.icount += len;
    cpu.inside = 0;
    cpu.pc = cpu.pc.wrapping_add(4 * len) & cpu.pc_mask;
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
                let next = cpu.next_timer().unwrap_or(u64::MAX);
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

#[inline(always)]
pub(super) fn find<'j>(
    cpu: &mut Cpu,
    bus: &mut Bus,
    code: &mut CodeCache,
    jumps: &'j mut JumpCache,
    decoder: &Decoder,
) -> Step<&'j mut Jump> {
    let pc = cpu.pc;
    let jump = &mut jumps.jumps[index(cpu)];
    if jump.pc == pc && jump.key == key(cpu, code) {
        return Ok(jump);
    }
    let block = find_slow(cpu, bus, code, decoder)?;
    let compiled = code.block(block).and_then(|block| block.code);
    *jump = Jump {
        pc,
        // Decoding may have thrown other blocks away.
        key: key(cpu, code),
        code: compiled.filter(|_| cpu.pc_mask == u64::MAX),
        block,
    };
    Ok(jump)
}

#[cold]
fn find_slow(
    cpu: &mut Cpu,
    bus: &mut Bus,
    code: &mut CodeCache,
    decoder: &Decoder,
) -> Step<BlockId> {
    let pc = cpu.pc;
    if pc & 3 != 0 {
        return Err(cpu.raise_at(Exception::ADEF, pc));
    }
    let offset = match cpu.soft.find_fetch(pc, cpu.soft_context()) {
        Some(offset) => offset,
        None => {
            let mapping = cpu.translate(bus, pc, Access::Fetch)?;
            let Some(offset) = bus.ram.offset(mapping.pa) else {
                return Err(cpu.raise_at(Exception::ADEF, pc));
            };
            cpu.check_memory(bus, offset)?;
            cpu.remember(bus, pc, &mapping);
            offset
        }
    };
    let (block, new_page) = code.find(&mut bus.ram, decoder, offset);
    if new_page {
        cpu.soft.drop_writes(offset);
        bus.new_code.push(offset);
    }
    Ok(block)
}
