// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What `--trace lint` has found (`lint`).

use crate::world::World;
use rustc_hash::FxHashSet;

/// What a finding is against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Rule {
    DroppedBits,
    EntryAlignment,
    NoGuestRegister,
    RootException,
    EntryInterruptsOff,
    RootLookup,
    InvtlbGid,
    StaleEntry,
    WalkBase,
    HandlerFaults,
    Unmended,
}

impl Rule {
    pub(super) fn text(self) -> &'static str {
        match self {
            Rule::DroppedBits => {
                "a register keeps only the bits that it has (Volume 1, chapter 7; docs/lvz.md 2)"
            }
            Rule::EntryAlignment => "an entry address is a multiple of 4 KiB (Volume 1, 7.4.10)",
            Rule::NoGuestRegister => "the guest has no such register (docs/lvz.md 3.1)",
            Rule::RootException => {
                "with GSTAT.PGM set the handler's ertn enters the guest (docs/lvz.md 5.3)"
            }
            Rule::EntryInterruptsOff => {
                "in guest mode root's CRMD.IE lets root's interrupts in (docs/lvz.md 8.1)"
            }
            Rule::RootLookup => {
                "which GID such an access uses is open: have TGID zero (docs/lvz.md Q-5)"
            }
            Rule::InvtlbGid => {
                "GID 0 is the host's, so that nothing of a guest goes (docs/lvz.md 4.5)"
            }
            Rule::StaleEntry => {
                "an entry with V=0 faults again until invtlb takes it (docs/lvz.md M-24)"
            }
            Rule::WalkBase => {
                "which bits below its page are part of a table's address is open (docs/lvz.md Q-31)"
            }
            Rule::HandlerFaults => {
                "the handler causes the exception itself, and the CPU makes no progress"
            }
            Rule::Unmended => {
                "the handler returns and mends nothing, and the CPU makes no progress"
            }
        }
    }
}

/// The exception that came last, interrupts and guest exits left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Last {
    pub(super) world: World,
    pub(super) pc: u64,
    pub(super) badv: Option<u64>,
    /// Page faults and the refills before them are one thing.
    pub(super) code: Option<(u8, u16)>,
}

/// What the rules need to know of the past.
#[derive(Debug, Default)]
pub(crate) struct Lints {
    pub(super) reported: FxHashSet<(Rule, u64)>,
    pub(super) last: Option<Last>,
    pub(super) times: u32,
    pub(super) times_without_return: u32,
    /// Program counter and guest physical address of a guest's access that met an
    /// invalid entry of stage 2, until the guest is entered again.
    pub(super) invalid: Option<(u64, u64)>,
}

#[cfg(test)]
impl Lints {
    /// The rules that were found broken, which are forgotten then.
    pub(crate) fn take_reported(&mut self) -> Vec<Rule> {
        self.reported.drain().map(|(rule, _)| rule).collect()
    }

    /// Number of findings.
    pub(crate) fn count(&self) -> usize {
        self.reported.len()
    }
}
