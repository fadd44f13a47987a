// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What compiled code is given.

use super::super::check::replay::Replay;
use super::super::jumps::Jump;
use crate::cpu::Cpu;
use crate::mem::Bus;

/// How far compiled code goes on.
#[derive(Clone, Copy)]
#[repr(C)]
pub(in super::super) struct Bounds {
    /// The generation of the decoded code.
    pub(in super::super) generation: u64,
    /// The instruction count at which the engine must look at the time.
    pub(in super::super) stop: u64,
}

/// What compiled code is given beside the CPU.
#[repr(C)]
pub(super) struct Frame {
    pub(super) bounds: Bounds,
    pub(super) ram: *mut u8,
    pub(super) jumps: *const Jump,
    pub(super) cpu: *mut Cpu,
    pub(super) bus: *mut Bus,
    /// Null where nothing is checked.
    pub(super) replay: *mut Replay,
    /// The result of a function that was called aside (`Compiler::aside`).
    pub(super) status: u64,
}
