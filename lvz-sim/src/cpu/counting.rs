// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Counts what a CPU does, into its [`Tally`](super::Tally).

use super::tally::PLVS;
use super::{Cpu, Op, Step, Stop, Trap};
use crate::isa::Decoder;
use la_arch::Exception;

/// A branch as its word says it, if it is one: opcodes 0x10 to 0x1b are nothing else.
struct Branch {
    conditional: bool,
}

impl Branch {
    fn of(insn: u32) -> Option<Self> {
        match insn >> 26 {
            0x13..=0x15 => Some(Branch { conditional: false }),
            // Bit 9 makes it `jiscr`.
            0x12 => Some(Branch {
                conditional: insn >> 9 & 1 == 0,
            }),
            0x10..=0x1b => Some(Branch { conditional: true }),
            _ => None,
        }
    }

    /// Whether it is taken, as a static predictor has it that knows every target: a
    /// conditional branch is if it goes back.
    fn predicted(&self, op: &Op) -> bool {
        !self.conditional || op.imm < 0
    }
}

impl Cpu {
    /// Instructions that have ended, the one that is being executed included if the
    /// engine knows it ([`Cpu::executing`]).
    pub(super) fn ended(&self) -> u64 {
        self.icount + self.inside
    }

    /// The level may have changed, or what is to be counted.
    pub(super) fn derive_tally(&mut self) {
        let level = PLVS * self.world().index() + usize::from(self.plv);
        if level != self.tally.level() {
            self.tally.enter(level, self.ended());
        }
        self.tally.each = self.tally.counts_always() || self.counts_each();
    }

    /// Counts an exception that is about to be delivered.
    pub(super) fn tally_exception(&mut self, trap: &Trap) {
        if trap.exception == Exception::INT {
            return;
        }
        let events = &mut self.tally.events[self.tally.level()];
        events.trapped += 1;
        if trap.refill && trap.exception == Exception::PIF {
            events.fetch_refills += 1;
        } else if trap.refill {
            events.data_refills += 1;
        }
    }

    /// An instruction has ended like this, and each is counted.
    #[cold]
    pub(crate) fn tally_instruction(&mut self, decoder: &Decoder, op: &Op, how: Step) {
        if how == Err(Stop::Trap) {
            return;
        }
        let events = &mut self.tally.events[self.tally.level()];
        if let Some(branch) = Branch::of(op.insn) {
            events.branches += 1;
            events.mispredicted += u64::from(branch.predicted(op) != how.is_err());
        } else {
            events.accesses += u64::from(decoder.accesses_memory(op.insn));
        }
    }
}
