// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `--trace`: what the simulator writes to standard error as it happens.

mod instruction;

use crate::cpu::{Cpu, Trap};
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
    pub(crate) fn mode(&self) -> &'static str {
        if self.in_guest() { "guest" } else { "root" }
    }

    pub(crate) fn trace_exception(&mut self, pc: u64, insn: Option<u32>, trap: &Trap) {
        if self.trace.exceptions || self.trace.guest && self.in_guest() && trap.to_root {
            let kind = match (trap.refill, trap.machine_error) {
                (true, _) => " refill",
                (_, true) => " as a machine error",
                _ => "",
            };
            let exit = if self.in_guest() && trap.to_root {
                " exit"
            } else {
                ""
            };
            let badv = trap
                .badv
                .map(|b| format!(" badv={b:#x}"))
                .unwrap_or_default();
            let insn = insn.map(|i| format!(" insn={i:#010x}")).unwrap_or_default();
            eprintln!(
                "[{}] cpu{} {} plv{} {}{kind}{exit} pc={pc:#x}{badv}{insn}",
                self.icount,
                self.id,
                self.mode(),
                self.plv,
                trap.exception.name,
            );
        }
        if self.trace.lint {
            self.lint_exception(pc, trap);
        }
    }

    /// After the `ertn` at `from` has entered the guest.
    pub(crate) fn trace_entry(&mut self, from: u64) {
        if self.trace.guest {
            eprintln!(
                "[{}] cpu{} enters guest at pc={:#x}",
                self.icount, self.id, self.pc
            );
        }
        if self.trace.lint {
            self.lint_entry(from);
        }
    }
}
