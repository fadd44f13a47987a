//! Ordinary loads and stores and prefetches (Volume 1, 2.2.5).

use super::operand::{Datum, load, offset, store};
use super::{Group, Op, Step};
use crate::cpu::Cpu;
use crate::mem::Bus;
use la_arch::insn::integer as enc;

/// `rj + si12`.
#[inline(always)]
fn displaced(cpu: &Cpu, op: &Op) -> u64 {
    cpu.get(op.rj).wrapping_add(i64::from(op.imm) as u64)
}

/// `rj + rk`.
#[inline(always)]
fn indexed(cpu: &Cpu, op: &Op) -> u64 {
    cpu.get(op.rj).wrapping_add(cpu.get(op.rk))
}

/// `rj + (si14 << 2)`.
#[inline(always)]
fn scaled(cpu: &Cpu, op: &Op) -> u64 {
    cpu.get(op.rj).wrapping_add(offset(op))
}

fn ld<T: Datum>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    load::<T>(cpu, bus, op, displaced(cpu, op))
}

fn st<T: Datum>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    store::<T>(cpu, bus, op, displaced(cpu, op))
}

fn ldx<T: Datum>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    load::<T>(cpu, bus, op, indexed(cpu, op))
}

fn stx<T: Datum>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    store::<T>(cpu, bus, op, indexed(cpu, op))
}

fn ldptr<T: Datum>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    load::<T>(cpu, bus, op, scaled(cpu, op))
}

fn stptr<T: Datum>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    store::<T>(cpu, bus, op, scaled(cpu, op))
}

/// Prefetches never trap and there is no cache to fill.
fn prefetch(_cpu: &mut Cpu, _bus: &mut Bus, _op: &Op) -> Step {
    Ok(())
}

crate::insn_table! { Group::Integer;
    LD_B => ld::<i8>;
    LD_H => ld::<i16>;
    LD_W => ld::<i32>;
    LD_D => ld::<u64>;
    LD_BU => ld::<u8>;
    LD_HU => ld::<u16>;
    LD_WU => ld::<u32>;
    ST_B => st::<u8>;
    ST_H => st::<u16>;
    ST_W => st::<u32>;
    ST_D => st::<u64>;
    LDX_B => ldx::<i8>;
    LDX_H => ldx::<i16>;
    LDX_W => ldx::<i32>;
    LDX_D => ldx::<u64>;
    LDX_BU => ldx::<u8>;
    LDX_HU => ldx::<u16>;
    LDX_WU => ldx::<u32>;
    STX_B => stx::<u8>;
    STX_H => stx::<u16>;
    STX_W => stx::<u32>;
    STX_D => stx::<u64>;
    LDPTR_W => ldptr::<i32>;
    LDPTR_D => ldptr::<u64>;
    STPTR_W => stptr::<u32>;
    STPTR_D => stptr::<u64>;
    PRELD => prefetch;
    PRELDX => prefetch;
}
