// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `--trace exceptions` and `--trace guest`.

use crate::cpu::{Cpu, Trap};
use crate::mem::Bus;
use crate::world::World;

impl Cpu {
    pub(crate) fn mode(&self) -> &'static str {
        if self.in_guest() { "guest" } else { "root" }
    }

    pub(crate) fn trace_exception(&mut self, bus: &Bus, pc: u64, insn: Option<u32>, trap: &Trap) {
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
            let word = insn.map(|i| format!(" insn={i:#010x}")).unwrap_or_default();
            crate::say!(
                "[{}] cpu{} {} plv{} {}{kind}{exit} pc={pc:#x}{}{badv}{word}",
                self.icount,
                self.id,
                self.mode(),
                self.plv,
                trap.exception.name,
                self.named(self.world(), pc),
            );
        }
        if self.trace.lint {
            self.lint_exception(bus, pc, insn, trap);
        }
    }

    /// After the `ertn` at `from` has entered the guest.
    pub(crate) fn trace_entry(&mut self, from: u64) {
        if self.trace.guest {
            crate::say!(
                "[{}] cpu{} enters guest at pc={:#x}{}",
                self.icount,
                self.id,
                self.pc,
                self.named(World::Guest, self.pc),
            );
        }
        if self.trace.lint {
            self.lint_entry(from);
        }
    }
}
