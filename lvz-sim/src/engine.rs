// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The engine: decoded blocks, the loop that executes them, the compiler of hot
//! ones, and the round robin of CPUs.

mod code;
mod execute;
mod jit;
mod machine;

pub use jit::JitError;
pub use machine::{Machine, RunEnd};

/// How instructions are executed. Which one it is cannot be seen from inside the
/// machine, nor in the figures of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// By the interpreter, one by one.
    Interpreter,
    /// The same, and blocks that were interpreted this often by machine code.
    Jit(u16),
}

/// Executions after which compiling a block takes less time than it saves.
pub const HOT: u16 = 16_000;
