// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What compiled code calls: handlers of the interpreter.

use super::Frame;
use crate::cpu::{Cpu, Op, Step, Stop};
use crate::mem::Bus;

/// The instruction has ended like any other.
const WELL: u64 = 0;
/// The instruction has ended its block: an exception was delivered, or it jumped.
pub(super) const TRAPPED: u64 = 1;
/// The instruction has ended, but the engine has to look before the next block.
const LOOK: u64 = 2;

/// Addresses of functions.
pub(super) struct Helpers {
    /// [`step`].
    pub(super) step: usize,
    /// [`end`].
    pub(super) end: usize,
    /// The compiled function that goes on at `cpu.pc`.
    pub(super) dispatch: usize,
}

impl Helpers {
    pub(super) fn new() -> Self {
        Helpers {
            step: step as *const () as usize,
            end: end as *const () as usize,
            dispatch: 0,
        }
    }
}

/// Ends a block in which `op` did not simply go on.
fn stopped(cpu: &mut Cpu, bus: &mut Bus, op: &Op, stop: Stop) {
    cpu.icount += u64::from(op.idx) + 1;
    cpu.inside = 0;
    if stop == Stop::Trap {
        cpu.deliver(bus, cpu.pc_of(op), Some(op.insn));
    }
}

/// # Safety
///
/// `frame` and its pointers are valid, as is `op`, and nothing else refers to the
/// CPU or the bus.
unsafe fn run(
    frame: *mut Frame,
    op: *const Op,
    then: impl FnOnce(&mut Cpu, &mut Bus, &Op, Step) -> u64,
) -> u64 {
    // SAFETY: By this function's contract.
    let frame = unsafe { &mut *frame };
    // SAFETY: As above.
    let cpu = unsafe { &mut *frame.cpu };
    // SAFETY: As above.
    let bus = unsafe { &mut *frame.bus };
    // SAFETY: As above.
    let op = unsafe { &*op };
    let step = (op.run)(cpu, bus, op);
    then(cpu, bus, op, step)
}

/// Executes an instruction in the middle of a block.
///
/// # Safety
///
/// As for [`run`]; compiled code calls it.
unsafe extern "C" fn step(frame: *mut Frame, op: *const Op) -> u64 {
    // SAFETY: By this function's contract.
    let generation = unsafe { (*(*frame).cpu).soft.fetch_generation };
    let then = |cpu: &mut Cpu, bus: &mut Bus, op: &Op, step| match step {
        Ok(()) if cpu.attention || cpu.soft.fetch_generation != generation => LOOK,
        Ok(()) => WELL,
        Err(stop) => {
            stopped(cpu, bus, op, stop);
            TRAPPED
        }
    };
    // SAFETY: By this function's contract.
    unsafe { run(frame, op, then) }
}

/// Executes the instruction that ends a block.
///
/// # Safety
///
/// As for [`run`]; compiled code calls it.
unsafe extern "C" fn end(frame: *mut Frame, op: *const Op) -> u64 {
    let then = |cpu: &mut Cpu, bus: &mut Bus, op: &Op, step| {
        match step {
            Ok(()) => {
                let len = u64::from(op.idx) + 1;
                cpu.icount += len;
                cpu.inside = 0;
                cpu.pc = cpu.pc.wrapping_add(4 * len) & cpu.pc_mask;
            }
            Err(stop) => stopped(cpu, bus, op, stop),
        }
        WELL
    };
    // SAFETY: By this function's contract.
    unsafe { run(frame, op, then) }
}
