// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Execution of one CPU.

use super::code::{Block, CodeCache};
use crate::cpu::{Cpu, Step, Stop};
use crate::isa::Decoder;
use crate::mem::Bus;
use crate::mmu::Access;
use la_arch::Exception;

/// Entries of a jump cache, a power of two.
const JUMPS: usize = 4096;

/// A block by the address and context that led to it.
#[derive(Clone, Copy, Default)]
struct Jump {
    pc: u64,
    key: u64,
    block: Block,
}

/// Where the blocks of a CPU's recent program counters are.
pub(super) struct JumpCache {
    jumps: Box<[Jump; JUMPS]>,
}

impl JumpCache {
    pub(super) fn new() -> Self {
        JumpCache {
            jumps: Box::new([Jump::default(); JUMPS]),
        }
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
}

/// Runs `cpu` until its time reaches `until`.
pub(super) fn run(
    cpu: &mut Cpu,
    bus: &mut Bus,
    code: &mut CodeCache,
    jumps: &mut JumpCache,
    decoder: &Decoder,
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
            let next = cpu.next_timer().unwrap_or(u64::MAX).min(until);
            stop = cpu.icount + next.saturating_sub(cpu.now());
        }
        let block = match find(cpu, bus, code, jumps, decoder) {
            Ok(block) => block,
            Err(_) => {
                cpu.icount += 1;
                cpu.deliver(bus, cpu.pc, None);
                continue;
            }
        };
        if cpu.trace.instructions {
            trace(cpu, code, decoder, block);
        }
        execute(cpu, bus, code, block);
    }
}

/// Shows the block that comes next, with the registers' values before it.
#[cold]
fn trace(cpu: &Cpu, code: &CodeCache, decoder: &Decoder, block: Block) {
    for op in code.ops(block) {
        let name = decoder
            .find(op.insn)
            .map_or("nonexistent", |i| i.encoding.name);
        cpu.trace_instruction(op, name);
    }
}

#[inline(always)]
fn execute(cpu: &mut Cpu, bus: &mut Bus, code: &CodeCache, block: Block) {
    let ops = code.ops(block);
    for op in ops {
        if let Err(stop) = (op.run)(cpu, bus, op) {
            cpu.icount += u64::from(op.idx) + 1;
            cpu.inside = 0;
            if stop == Stop::Trap {
                cpu.deliver(bus, cpu.pc_of(op), Some(op.insn));
            }
            return;
        }
    }
    cpu.icount += ops.len() as u64;
    cpu.inside = 0;
    cpu.pc = cpu.pc.wrapping_add(4 * ops.len() as u64) & cpu.pc_mask;
}

/// What is due between blocks; says when the CPU has to pause.
#[cold]
fn attend(cpu: &mut Cpu, bus: &mut Bus, code: &mut CodeCache, until: u64) -> Option<Pause> {
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
        cpu.set_lines(bus.platform.lines(cpu.id));
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
fn find(
    cpu: &mut Cpu,
    bus: &mut Bus,
    code: &mut CodeCache,
    jumps: &mut JumpCache,
    decoder: &Decoder,
) -> Step<Block> {
    let pc = cpu.pc;
    let key = (code.generation + cpu.soft.fetch_generation) << 12 | cpu.soft_context();
    let jump = &mut jumps.jumps[(pc >> 2) as usize % JUMPS];
    if jump.pc == pc && jump.key == key && !code.ops(jump.block).is_empty() {
        return Ok(jump.block);
    }
    let block = find_slow(cpu, bus, code, decoder)?;
    // Decoding may have thrown other blocks away.
    let key = (code.generation + cpu.soft.fetch_generation) << 12 | cpu.soft_context();
    *jump = Jump { pc, key, block };
    Ok(block)
}

#[cold]
fn find_slow(cpu: &mut Cpu, bus: &mut Bus, code: &mut CodeCache, decoder: &Decoder) -> Step<Block> {
    let pc = cpu.pc;
    if pc & 3 != 0 {
        return Err(cpu.raise_at(Exception::ADEF, pc));
    }
    let offset = match cpu.soft.find_fetch(pc, cpu.soft_context()) {
        Some(offset) => offset,
        None => {
            let mapping = cpu.translate(pc, Access::Fetch)?;
            let Some(offset) = bus.ram.offset(mapping.pa) else {
                return Err(cpu.raise_at(Exception::ADEF, pc));
            };
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
