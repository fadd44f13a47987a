// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Loads and stores.

use super::lane::{Lane, build, read, write};
use crate::cpu::{Cpu, Op, Step};
use crate::mem::Bus;
use crate::mem::Value;

lsx_table! {
    [u128] vld: VLD;
    [u128] vst: VST;
    [u128] vldx: VLDX;
    [u128] vstx: VSTX;
    [u8 u16 u32 u64] vldrepl: VLDREPL_B VLDREPL_H VLDREPL_W VLDREPL_D;
    [u8 u16 u32 u64] vstelm: VSTELM_B VSTELM_H VSTELM_W VSTELM_D;
}

/// rj plus the immediate in units of `unit` bytes.
#[inline(always)]
fn displaced(cpu: &Cpu, op: &Op, unit: u8) -> u64 {
    let offset = i64::from(op.imm) * i64::from(unit);
    cpu.get(op.rj).wrapping_add_signed(offset)
}

/// rj plus rk.
#[inline(always)]
fn indexed(cpu: &Cpu, op: &Op) -> u64 {
    cpu.get(op.rj).wrapping_add(cpu.get(op.rk))
}

#[inline(always)]
fn load<T: Lane + Value>(cpu: &mut Cpu, bus: &mut Bus, op: &Op, va: u64) -> Step {
    let value = cpu.load::<T>(bus, va)?;
    write::<T>(cpu, op.rd, build::<T>(|_| value));
    Ok(())
}

#[inline(always)]
fn vld<T: Lane + Value>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    cpu.require_lsx()?;
    load::<T>(cpu, bus, op, displaced(cpu, op, 1))
}

#[inline(always)]
fn vldx<T: Lane + Value>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    cpu.require_lsx()?;
    load::<T>(cpu, bus, op, indexed(cpu, op))
}

#[inline(always)]
fn vst<T: Lane + Value>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    cpu.require_lsx()?;
    let value = read::<T>(cpu, op.rd).as_ref()[0];
    cpu.store(bus, displaced(cpu, op, 1), value)
}

#[inline(always)]
fn vstx<T: Lane + Value>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    cpu.require_lsx()?;
    let value = read::<T>(cpu, op.rd).as_ref()[0];
    cpu.store(bus, indexed(cpu, op), value)
}

/// Loads an element into every place; the offset counts elements.
#[inline(always)]
fn vldrepl<T: Lane + Value>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    cpu.require_lsx()?;
    load::<T>(cpu, bus, op, displaced(cpu, op, T::SIZE))
}

/// Stores the element that the second immediate selects; the offset counts
/// elements.
#[inline(always)]
fn vstelm<T: Lane + Value>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    cpu.require_lsx()?;
    let d = read::<T>(cpu, op.rd);
    let value = d.as_ref()[op.imm2 as usize & (d.as_ref().len() - 1)];
    cpu.store(bus, displaced(cpu, op, T::SIZE), value)
}
