// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The engine: decoded blocks, the loop that executes them, the compiler of hot
//! ones, its check, and the round robin of CPUs.

mod block_end;
pub(crate) mod breakpoints;
mod check;
mod code;
pub(crate) mod debug;
mod execute;
mod jit;
mod jumps;
mod machine;

pub use check::Difference;
pub(crate) use debug::SavedRest;
pub use jit::{JitError, JitOptions, without_form};
pub(crate) use machine::{END_OF_TIME, Turn};
pub use machine::{Machine, RunEnd};

/// How instructions are executed. Which one it is cannot be seen from inside the
/// machine, nor in the figures of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// By the interpreter, one by one.
    Interpreter,
    /// The same, and hot blocks by machine code.
    Jit(JitOptions),
    /// What is compiled is interpreted too, and the results are compared.
    Check(JitOptions),
}
