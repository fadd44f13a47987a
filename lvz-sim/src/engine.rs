// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The engine: decoded blocks, the loop that executes them, and the round
//! robin of CPUs.

mod code;
mod execute;
mod jit;
mod machine;

pub use machine::{Machine, RunEnd};
