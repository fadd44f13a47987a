// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The jump cache: blocks by program counter and context.

use super::code::{BlockId, CodeCache, Ops};
use super::jit::memory::Code;
use crate::cpu::{Cpu, Step};
use crate::isa::Decoder;
use crate::mem::Bus;
use crate::mmu::Access;
use la_arch::Exception;

/// Entries of a jump cache, a power of two: enough for what a host and its guest execute
/// by turns.
pub(super) const JUMPS: usize = 32_768;

/// A block by the address and context that led to it.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Jump {
    pub(super) pc: u64,
    pub(super) key: u64,
    /// Zero for compiled code if there is none.
    pub(super) code: Option<Code>,
    pub(super) block: BlockId,
    pub(super) ops: Ops,
}

impl Jump {
    /// The entry for block `id`, which is at `cpu.pc`.
    fn to(id: BlockId, cpu: &Cpu, code: &CodeCache) -> Self {
        let block = code.block(id);
        Jump {
            pc: cpu.pc,
            key: key(cpu, code),
            // Compiled code computes with all bits of the program counter.
            code: block
                .and_then(|b| b.code)
                .filter(|_| cpu.pc_mask == u64::MAX),
            block: id,
            ops: block.map_or(Ops::default(), |b| b.ops),
        }
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
                    ops: Ops::default(),
                }; JUMPS],
            ),
        }
    }

    /// The block at `cpu.pc`, if it is here.
    pub(super) fn known(&self, cpu: &Cpu, code: &CodeCache) -> Option<BlockId> {
        let jump = &self.jumps[index(cpu)];
        (jump.pc == cpu.pc && jump.key == key(cpu, code)).then_some(jump.block)
    }

    /// Has an entry for block `id`, which is at `cpu.pc`.
    pub(super) fn put(&mut self, cpu: &Cpu, code: &CodeCache, id: BlockId) {
        self.jumps[index(cpu)] = Jump::to(id, cpu, code);
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

/// The block at `cpu.pc`, decoded now if it is not known.
#[inline(always)]
pub(super) fn find<'j>(
    cpu: &mut Cpu,
    bus: &mut Bus,
    code: &mut CodeCache,
    jumps: &'j mut JumpCache,
    decoder: &Decoder,
) -> Step<&'j Jump> {
    let pc = cpu.pc;
    let jump = &mut jumps.jumps[index(cpu)];
    if jump.pc == pc && jump.key == key(cpu, code) {
        return Ok(jump);
    }
    find_slow(cpu, bus, code, jump, decoder)?;
    Ok(jump)
}

/// Fills an entry, which may have the block already, found at another time.
#[cold]
#[inline(never)]
fn find_slow(
    cpu: &mut Cpu,
    bus: &mut Bus,
    code: &mut CodeCache,
    jump: &mut Jump,
    decoder: &Decoder,
) -> Step {
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
    let guess = (jump.pc == pc).then_some(jump.block);
    let (id, new_page) = code.find(&mut bus.ram, decoder, offset, guess);
    if new_page {
        cpu.soft.drop_writes(offset);
        bus.new_code.push(offset);
    }
    // Decoding may have thrown other blocks away.
    *jump = Jump::to(id, cpu, code);
    Ok(())
}
