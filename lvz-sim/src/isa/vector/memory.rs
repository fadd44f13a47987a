// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Loads and stores.

use super::lane::{Lane, build, elements, read_all};
use super::shape::halves;
use super::width::Width;
use crate::cpu::{Check, Cpu, Op, Step};
use crate::mem::Bus;
use crate::mem::Value;

vector_table! {
    [u128] vld(|cpu, op| displaced(cpu, op, 1)): VLD;
    [u128] vst(|cpu, op| displaced(cpu, op, 1)): VST;
    [u128] vld(indexed): VLDX;
    [u128] vst(indexed): VSTX;
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

/// All of Vd ← memory.
#[inline(always)]
fn vld<V: Width, T: Lane<Lanes = [u128; 1]>>(
    cpu: &mut Cpu,
    bus: &mut Bus,
    op: &Op,
    address: impl Fn(&Cpu, &Op) -> u64,
) -> Step {
    V::require(cpu)?;
    let mut loaded = [0; 2];
    let va = address(cpu, op);
    cpu.load_vector(bus, va, &mut loaded[..V::HALVES])?;
    halves::<V, T>(cpu, op, |_, half| [loaded[half]])
}

/// Memory ← all of Vd.
#[inline(always)]
fn vst<V: Width, T: Lane<Lanes = [u128; 1]>>(
    cpu: &mut Cpu,
    bus: &mut Bus,
    op: &Op,
    address: impl Fn(&Cpu, &Op) -> u64,
) -> Step {
    V::require(cpu)?;
    let d = read_all::<u128>(cpu, op.rd);
    let va = address(cpu, op);
    cpu.store_vector(bus, va, elements::<V, u128>(&d))
}

/// Loads an element into every place; the offset counts elements.
#[inline(always)]
fn vldrepl<V: Width, T: Lane + Value>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    V::require(cpu)?;
    let value = cpu.load_as::<T>(bus, displaced(cpu, op, T::SIZE), Check::Vector)?;
    halves::<V, T>(cpu, op, |_, _| build::<T>(|_| value))
}

/// Stores the element that the second immediate selects; the offset counts
/// elements.
#[inline(always)]
fn vstelm<V: Width, T: Lane + Value>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    V::require(cpu)?;
    let d = read_all::<T>(cpu, op.rd);
    let d = elements::<V, T>(&d);
    let value = d[op.imm2 as usize & (d.len() - 1)];
    cpu.store_as(bus, displaced(cpu, op, T::SIZE), value, Check::Vector)
}
