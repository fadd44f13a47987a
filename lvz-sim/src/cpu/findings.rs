// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What lints have found on a CPU (`lint`).

use crate::finding::{Findings, Rule};
use crate::world::World;
use rustc_hash::FxHashSet;

/// The exception that came last, interrupts and guest exits left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Last {
    pub(super) world: World,
    pub(super) pc: u64,
    pub(super) badv: Option<u64>,
    /// Page faults and the refills before them are one thing.
    pub(super) code: Option<(u8, u16)>,
}

/// An instruction of a guest that leads to root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exit {
    pub(super) gid: u64,
    pub(super) pc: u64,
}

/// A guest's access that an entry of stage 2 does not allow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    pub(super) pc: u64,
    /// Its guest physical address.
    pub(super) gpa: u64,
    /// It is a store that met D=0.
    pub(super) dirty: bool,
}

/// What the rules need to know of the past.
#[derive(Debug, Default)]
pub(crate) struct Lints {
    pub(crate) found: Findings,
    pub(super) reported: FxHashSet<(Rule, u64)>,
    pub(super) last: Option<Last>,
    pub(super) times: u32,
    pub(super) times_without_return: u32,
    /// The instruction of the guest that made it leave last.
    pub(super) exit: Option<Exit>,
    /// Exits of it without progress.
    pub(super) exits: u32,
    /// Instructions that had ended when the guest was entered.
    pub(super) entered: u64,
    /// Whether the guest has executed instructions since `exit`.
    pub(super) progress: bool,
    /// What made the guest leave, until it is entered again.
    pub(super) refused: Option<Refused>,
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
