// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What compiled code calls: handlers of the interpreter.

use super::super::block_end::{completed, stopped};
use super::error::JitError;
use super::frame::Frame;
use crate::cpu::{Cpu, Op};
use crate::mem::Bus;

/// The instruction has ended like any other.
const WENT_ON: u64 = 0;
/// The instruction has ended its block: an exception was delivered, or it jumped.
const STOPPED: u64 = 1;

/// Addresses of functions.
#[derive(Clone, Copy)]
pub(super) struct Helpers {
    /// [`step`].
    pub(super) step: usize,
    /// [`end`].
    pub(super) end: usize,
    /// [`light`].
    pub(super) light: usize,
    /// [`step`], called aside ([`Compiler::aside`](super::compiler::Compiler::aside)).
    pub(super) step_aside: usize,
    /// The compiled function that goes on at `cpu.pc`.
    pub(super) dispatch: usize,
}

impl Helpers {
    /// Those that execute handlers, or repeat what the interpreter did; `dispatch` is kept,
    /// and `aside` makes the function that calls another aside.
    pub(super) fn new(
        checked: bool,
        dispatch: *const u8,
        aside: impl FnOnce(usize) -> Result<*const u8, JitError>,
    ) -> Result<Self, JitError> {
        let [step, end] = match checked {
            false => [step as *const (), end as *const ()],
            true => [check_step as *const (), check_end as *const ()],
        };
        Ok(Helpers {
            step: step as usize,
            end: end as usize,
            light: light as *const () as usize,
            step_aside: aside(step as usize)? as usize,
            dispatch: dispatch as usize,
        })
    }
}

/// What [`step`] and [`end`] are given.
///
/// # Safety
///
/// `frame` and its pointers are valid, as is `op`, and nothing else refers to the
/// CPU or the bus while the result is in use.
unsafe fn parts<'a>(
    frame: *mut Frame,
    op: *const Op,
) -> (&'a mut u64, &'a mut Cpu, &'a mut Bus, &'a Op) {
    // SAFETY: By this function's contract.
    let frame = unsafe { &mut *frame };
    // SAFETY: As above.
    let cpu = unsafe { &mut *frame.cpu };
    // SAFETY: As above.
    let bus = unsafe { &mut *frame.bus };
    // SAFETY: As above.
    (&mut frame.bounds.stop, cpu, bus, unsafe { &*op })
}

/// Executes an instruction in the middle of a block.
///
/// # Safety
///
/// As for [`parts`]; compiled code calls it.
unsafe extern "C" fn step(frame: *mut Frame, op: *const Op) -> u64 {
    // SAFETY: By this function's contract.
    let (stop, cpu, bus, op) = unsafe { parts(frame, op) };
    let generation = cpu.soft.fetch_generation;
    match (op.run)(cpu, bus, op) {
        Ok(()) => {
            if cpu.attention || cpu.soft.fetch_generation != generation {
                // The engine has to look before the next block.
                *stop = 0;
            }
            WENT_ON
        }
        Err(why) => {
            stopped(cpu, bus, op, why);
            STOPPED
        }
    }
}

/// Executes the instruction that ends a block.
///
/// # Safety
///
/// As for [`parts`]; compiled code calls it.
unsafe extern "C" fn end(frame: *mut Frame, op: *const Op) -> u64 {
    // SAFETY: By this function's contract.
    let (_, cpu, bus, op) = unsafe { parts(frame, op) };
    match (op.run)(cpu, bus, op) {
        Ok(()) => {
            completed(cpu, u64::from(op.idx) + 1);
            WENT_ON
        }
        Err(why) => {
            stopped(cpu, bus, op, why);
            STOPPED
        }
    }
}

/// Executes an instruction that works on registers alone, without knowing where it is.
/// If it traps, nothing has changed: it is then executed by [`step`].
///
/// # Safety
///
/// As for [`parts`]; compiled code calls it.
unsafe extern "C" fn light(frame: *mut Frame, op: *const Op) -> u64 {
    // SAFETY: By this function's contract.
    let (_, cpu, bus, op) = unsafe { parts(frame, op) };
    let fcsr = cpu.fcsr;
    match (op.run)(cpu, bus, op) {
        Ok(()) => WENT_ON,
        Err(_) => {
            cpu.fcsr = fcsr;
            STOPPED
        }
    }
}

/// Instead of [`step`] in a checked run.
///
/// # Safety
///
/// As for [`check`].
unsafe extern "C" fn check_step(frame: *mut Frame, op: *const Op) -> u64 {
    // SAFETY: By this function's contract.
    unsafe { check(frame, op, false) }
}

/// Instead of [`end`] in a checked run.
///
/// # Safety
///
/// As for [`check`].
unsafe extern "C" fn check_end(frame: *mut Frame, op: *const Op) -> u64 {
    // SAFETY: By this function's contract.
    unsafe { check(frame, op, true) }
}

/// Does what the interpreter's notes say of an instruction.
///
/// # Safety
///
/// As for [`parts`], and the frame's replay is valid too; compiled code calls it.
unsafe fn check(frame: *mut Frame, op: *const Op, ends: bool) -> u64 {
    // SAFETY: By this function's contract.
    let replay = unsafe { (*frame).replay };
    // SAFETY: As above: a frame of a checked run has one.
    let replay = unsafe { &mut *replay };
    // SAFETY: As above.
    let (stop, cpu, bus, op) = unsafe { parts(frame, op) };
    match replay.handle(cpu, bus, op, ends) {
        Some(true) => WENT_ON,
        Some(false) => STOPPED,
        None => {
            *stop = 0;
            STOPPED
        }
    }
}
