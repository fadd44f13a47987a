// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `--trace`: what the simulator writes to standard error as it happens.

mod exceptions;
mod instruction;

use crate::cpu::Cpu;
use crate::world::World;
pub use instruction::Filter;
pub(crate) use instruction::Tracer;
use std::str::FromStr;

/// What is traced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Exceptions, interrupts among them.
    pub exceptions: bool,
    /// Guest exits and entries.
    pub guest: bool,
    /// Every instruction, with the registers that it changes.
    pub instructions: bool,
    /// What software does that hardware might not forgive, or ignores.
    pub lint: bool,
    /// Instructions only of the host, between guest exits at this program
    /// counter and the next entry.
    pub site: Option<u64>,
}

/// A `--trace` argument that is not known.
#[derive(Debug, thiserror::Error)]
#[error("unknown trace '{0}': known are exceptions, guest, insn, lint (comma-separated)")]
pub struct TraceError(String);

impl FromStr for Trace {
    type Err = TraceError;

    fn from_str(s: &str) -> Result<Self, TraceError> {
        let mut trace = Trace::default();
        for part in s.split(',') {
            match part {
                "exceptions" => trace.exceptions = true,
                "guest" => trace.guest = true,
                "insn" => trace.instructions = true,
                "lint" => trace.lint = true,
                _ => return Err(TraceError(part.to_owned())),
            }
        }
        Ok(trace)
    }
}

impl Cpu {
    /// ` <symbol+distance>` of the address `pc` in mode `world`, or nothing.
    pub(crate) fn named(&self, world: World, pc: u64) -> String {
        match self.symbols.find(world, self.file(world).direct(), pc) {
            Some((name, distance)) => format!(" <{name}+{distance:#x}>"),
            None => String::new(),
        }
    }
}
