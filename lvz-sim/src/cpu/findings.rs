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

/// What the rules need to know of the past.
#[derive(Debug, Default)]
pub(crate) struct Lints {
    pub(crate) found: Findings,
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
