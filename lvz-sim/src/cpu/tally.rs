// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a CPU has done, by mode and privilege level: what `--stats` shows and
//! performance counters count. Instructions are counted where the level changes, so
//! that nothing is done for each (`counting`); branches and accesses, which compiled code
//! does not count, only while they are wanted.

use serde::{Deserialize, Serialize};

/// Privilege levels of a mode.
pub(crate) const PLVS: usize = 4;

/// Levels of both modes: root's PLV0 to PLV3, then the guest's.
pub(crate) const LEVELS: usize = 2 * PLVS;

/// The figures of a privilege level of one mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Events {
    /// Instructions that ended; each takes a cycle.
    pub(crate) ended: u64,
    /// Those of them that raised an exception and had no effect.
    pub(crate) trapped: u64,
    /// TLB refills of fetches.
    pub(crate) fetch_refills: u64,
    /// TLB refills of loads and stores.
    pub(crate) data_refills: u64,
    /// Branches and jumps.
    pub(crate) branches: u64,
    /// Those that went another way than a static predictor says.
    pub(crate) mispredicted: u64,
    /// Loads, stores and atomics.
    pub(crate) accesses: u64,
}

impl Events {
    /// Instructions that had their effect.
    pub(crate) fn retired(&self) -> u64 {
        self.ended - self.trapped
    }

    /// Whether a CPU can have done so at one level when `at` instructions had ended.
    fn fits(&self, at: u64) -> bool {
        // What an instruction does before it ends is counted then.
        let each = [
            self.fetch_refills,
            self.data_refills,
            self.branches,
            self.mispredicted,
            self.accesses,
        ];
        self.trapped <= self.ended && self.ended <= at && each.iter().all(|count| *count <= at + 1)
    }
}

/// The events of all levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) events: [Events; LEVELS],
    /// The level in force.
    #[serde(skip)]
    level: usize,
    /// The instruction count up to which `ended` is that of the level in force.
    #[serde(skip)]
    since: u64,
    /// Branches and accesses are counted at the level in force.
    #[serde(skip)]
    pub(crate) each: bool,
    /// They always are, for `--stats-events`.
    #[serde(skip)]
    always: bool,
}

impl Tally {
    /// The events of a level of a CPU whose count of instructions is `at`.
    pub(crate) fn events(&self, level: usize, at: u64) -> Events {
        let mut events = self.events[level];
        if level == self.level {
            events.ended += at - self.since;
        }
        events
    }

    /// Whether a CPU can have done so when `at` instructions had ended, fewer than 2^60.
    pub(crate) fn fits(&self, at: u64) -> bool {
        let ended = self.events.iter().map(|events| events.ended);
        self.events.iter().all(|events| events.fits(at)) && ended.sum::<u64>() <= at
    }

    /// The level in force.
    pub(super) fn level(&self) -> usize {
        self.level
    }

    /// Counts branches and accesses from now on, whatever the counters do.
    pub(crate) fn count_each(&mut self) {
        (self.each, self.always) = (true, true);
    }

    /// Whether it does so since the beginning of the run.
    pub(crate) fn counts_always(&self) -> bool {
        self.always
    }

    pub(super) fn enter(&mut self, level: usize, at: u64) {
        self.events[self.level].ended += at - self.since;
        self.since = at;
        self.level = level;
    }

    /// All that was done until the count of instructions is `at`, for a CPU that goes on
    /// from there, at whatever level: after a reset, or in a snapshot.
    #[must_use]
    pub(crate) fn until(mut self, at: u64) -> Self {
        self.enter(0, at);
        self.each = self.always;
        self
    }

    /// The same of a CPU that comes from a snapshot.
    #[must_use]
    pub(crate) fn resumed(self, at: u64) -> Self {
        Tally { since: at, ..self }
    }
}
