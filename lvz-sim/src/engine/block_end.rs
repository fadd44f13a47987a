// SPDX-License-Identifier: Apache-2.0 OR MIT

//! How a block ends.

use crate::cpu::{Cpu, Op, Step, Stop};
use crate::mem::Bus;

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
