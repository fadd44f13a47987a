// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Accounting of guest exits: what caused them and how many instructions the
//! KVM host ran until it entered the guest again.
//!
//! A *window* is open on a CPU from a guest exit to the next guest entry. All
//! instructions of that CPU are either the guest's, or of a window, or of
//! neither (before the first entry and after the last exit), so that the sums
//! add up to the total.

use crate::world::World;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Why the guest was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ExitCause {
    /// A root interrupt.
    Interrupt,
    /// Stage-2 TLB refill.
    Refill,
    /// Stage-2 page invalid or privileged: load.
    LoadFault,
    /// Stage-2 page invalid: store.
    StoreFault,
    /// Stage-2 page invalid: fetch.
    FetchFault,
    /// Stage-2 page not dirty.
    ModifyFault,
    /// `cpucfg`.
    Cpucfg,
    /// CSR access.
    Csr,
    /// `iocsrrd`, `iocsrwr`.
    Iocsr,
    /// `idle`.
    Idle,
    /// `cacop`.
    Cacop,
    /// `hvcl`.
    Hypercall,
    /// Floating point disabled by root.
    Fpu,
    /// LSX disabled by root.
    Lsx,
    /// Anything else.
    Other,
    /// LASX disabled by root.
    Lasx,
    /// Binary translation disabled by root.
    Lbt,
}

/// Instructions of the host by what they were for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Split {
    /// The kernel, for this exit.
    pub kernel: u64,
    /// User space.
    pub user: u64,
    /// Interrupts that came while the exit was handled, and what ran after
    /// them before they returned.
    pub interrupts: u64,
}

impl Split {
    fn add(&mut self, other: Self) {
        self.kernel += other.kernel;
        self.user += other.user;
        self.interrupts += other.interrupts;
    }
}

/// Exits of one cause.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExitRecord {
    /// Number of exits.
    pub count: u64,
    /// Host instructions until the next guest entry, by kind.
    pub host: Split,
    /// The windows of each length.
    pub lengths: BTreeMap<u64, Windows>,
}

/// Windows of one length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Windows {
    /// How many.
    pub times: u64,
    /// Their instructions by kind, all added up.
    pub host: Split,
}

impl ExitRecord {
    /// Adds another CPU's exits.
    pub(crate) fn merge(&mut self, other: &ExitRecord) {
        self.count += other.count;
        self.host.add(other.host);
        for (length, windows) in &other.lengths {
            let known = self.lengths.entry(*length).or_default();
            known.times += windows.times;
            known.host.add(windows.host);
        }
    }

    /// Adds a window that has ended.
    fn end(&mut self, length: u64, split: Split) {
        self.host.add(split);
        let windows = self.lengths.entry(length).or_default();
        windows.times += 1;
        windows.host.add(split);
    }

    /// Host instructions of all exits.
    pub(crate) fn total(&self) -> u64 {
        self.host.kernel + self.host.user + self.host.interrupts
    }

    /// The length that `percent` of the windows do not exceed.
    pub(crate) fn percentile(&self, percent: u64) -> u64 {
        let finished: u64 = self.lengths.values().map(|windows| windows.times).sum();
        let rank = (finished * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (length, windows) in &self.lengths {
            seen += windows.times;
            if seen >= rank {
                return *length;
            }
        }
        0
    }
}

/// Instructions of all of a machine's CPUs that had ended at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Executed {
    /// All.
    pub instructions: u64,
    /// Of these in guest mode.
    pub guest: u64,
}

impl std::ops::Add for Executed {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            instructions: self.instructions + other.instructions,
            guest: self.guest + other.guest,
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Window {
    cause: ExitCause,
    /// Where in the guest, if that is counted.
    site: Option<u64>,
    start: u64,
    /// Up to here `split` has counted.
    marked: u64,
    plv: u8,
    split: Split,
    /// An interrupt is being handled that returns to this address and level.
    interrupt: Option<(u64, u8)>,
}

/// What one CPU counts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct CpuStats {
    /// Instructions in guest mode.
    pub guest: u64,
    /// Guest entries.
    pub entries: u64,
    /// Instructions of root outside of any window.
    pub outside: u64,
    /// What the other CPUs have executed. It does not change while this one has
    /// its turn.
    pub others: Executed,
    /// What the machine had executed when this CPU first entered a guest.
    pub first_entry: Option<Executed>,
    /// The same when this CPU last left one.
    pub last_exit: Option<Executed>,
    entered: u64,
    left: u64,
    window: Option<Window>,
    /// Exits by cause.
    pub exits: BTreeMap<ExitCause, ExitRecord>,
    /// Exits by cause and guest program counter, if wanted.
    pub sites: Option<BTreeMap<(ExitCause, u64), ExitRecord>>,
}

impl CpuStats {
    /// Whether a CPU can have counted so when `at` instructions had ended.
    pub(crate) fn fits(&self, at: u64) -> bool {
        /// As many take centuries.
        const MOST: u64 = 1 << 60;
        let window = self.window.iter().flat_map(|w| [w.start, w.marked]);
        let counts = [self.entered, self.left, self.guest, self.outside];
        at < MOST && counts.into_iter().chain(window).all(|count| count <= at)
    }

    /// Whether a window is open: only then do the calls below matter.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.window.is_some()
    }

    /// The guest program counter of the exit that is being handled, if that is
    /// counted.
    pub(crate) fn site(&self) -> Option<u64> {
        self.window.as_ref()?.site
    }

    /// What this CPU had executed when `at` instructions had ended.
    pub(crate) fn executed(&self, at: u64, world: World) -> Executed {
        let running = match world {
            World::Guest => at - self.entered,
            World::Root => 0,
        };
        Executed {
            instructions: at,
            guest: self.guest + running,
        }
    }

    /// What the machine had executed when this CPU, in root mode, had ended `at`
    /// instructions.
    pub(crate) fn machine_executed(&self, at: u64) -> Executed {
        self.executed(at, World::Root) + self.others
    }

    /// The guest was entered when `at` instructions had ended.
    pub(crate) fn enter_guest(&mut self, at: u64) {
        if self.first_entry.is_none() {
            self.first_entry = Some(self.machine_executed(at));
        }
        self.entries += 1;
        self.entered = at;
        match self.window.take() {
            Some(mut window) => {
                window.mark(at);
                for record in self.records(&window) {
                    record.end(at - window.start, window.split);
                }
            }
            None => self.outside += at - self.left,
        }
    }

    /// The guest was left at program counter `pc`.
    pub(crate) fn leave_guest(&mut self, at: u64, cause: ExitCause, pc: u64) {
        self.guest += at - self.entered;
        self.left = at;
        self.last_exit = Some(self.machine_executed(at));
        let window = Window {
            cause,
            site: self.sites.is_some().then_some(pc),
            start: at,
            marked: at,
            plv: 0,
            split: Split::default(),
            interrupt: None,
        };
        for record in self.records(&window) {
            record.count += 1;
        }
        self.window = Some(window);
    }

    /// The records that an exit counts in.
    fn records(&mut self, window: &Window) -> impl Iterator<Item = &mut ExitRecord> {
        let site = window.site.and_then(|pc| {
            let sites = self.sites.as_mut()?;
            Some(sites.entry((window.cause, pc)).or_default())
        });
        std::iter::once(self.exits.entry(window.cause).or_default()).chain(site)
    }

    /// Root took an exception at level `from`; for an interrupt `era` is where
    /// it will return to.
    pub(crate) fn exception(&mut self, at: u64, from: u8, era: Option<u64>) {
        if let Some(window) = &mut self.window {
            window.mark(at);
            window.plv = 0;
            if let (Some(era), None) = (era, window.interrupt) {
                window.interrupt = Some((era, from));
            }
        }
    }

    /// Root returned from an exception to `pc` at level `plv`.
    pub(crate) fn returned(&mut self, at: u64, pc: u64, plv: u8) {
        if let Some(window) = &mut self.window {
            window.mark(at);
            window.plv = plv;
            if window.interrupt == Some((pc, plv)) {
                window.interrupt = None;
            }
        }
    }

    /// Closes the books when `at` instructions have ended. What came after the last
    /// exit is outside: no entry ended its window.
    pub(crate) fn finish(&mut self, at: u64, world: World) {
        if world == World::Guest {
            self.guest += at - self.entered;
            self.entered = at;
        } else {
            self.window = None;
            self.outside += at - self.left;
        }
        self.left = at;
    }
}

impl Window {
    fn mark(&mut self, at: u64) {
        let n = at - self.marked;
        self.marked = at;
        if self.interrupt.is_some() {
            self.split.interrupts += n;
        } else if self.plv == 0 {
            self.split.kernel += n;
        } else {
            self.split.user += n;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_tell_exits_of_one_cause_apart() {
        let mut stats = CpuStats {
            sites: Some(BTreeMap::new()),
            ..CpuStats::default()
        };
        stats.enter_guest(0);
        for (pc, length) in [(0x100, 7), (0x200, 20), (0x100, 9)] {
            let at = stats.entered + 5;
            stats.leave_guest(at, ExitCause::Iocsr, pc);
            stats.enter_guest(at + length);
        }
        assert_eq!(stats.exits[&ExitCause::Iocsr].total(), 36);
        let sites = stats.sites.take().unwrap_or_default();
        let of = |pc| &sites[&(ExitCause::Iocsr, pc)];
        assert_eq!((of(0x100).count, of(0x100).total()), (2, 16));
        assert_eq!((of(0x200).count, of(0x200).total()), (1, 20));
        assert_eq!(of(0x100).percentile(50), 7);
        assert_eq!(of(0x100).lengths[&7].host.kernel, 7);
    }

    #[test]
    fn what_follows_the_last_exit_is_of_no_window() {
        let mut stats = CpuStats {
            others: Executed {
                instructions: 1000,
                guest: 100,
            },
            ..CpuStats::default()
        };
        stats.enter_guest(10);
        stats.leave_guest(15, ExitCause::Idle, 0x100);
        stats.enter_guest(18);
        stats.leave_guest(20, ExitCause::Iocsr, 0x104);
        stats.finish(50, World::Root);
        assert_eq!(stats.exits[&ExitCause::Idle].total(), 3);
        let last = &stats.exits[&ExitCause::Iocsr];
        assert_eq!((last.count, last.total()), (1, 0));
        assert_eq!((stats.guest, stats.outside), (7, 40));
        let machine = |instructions, guest| {
            Some(Executed {
                instructions,
                guest,
            })
        };
        assert_eq!(stats.first_entry, machine(1010, 100));
        assert_eq!(stats.last_exit, machine(1020, 107));
    }

    #[test]
    fn sites_are_counted_only_if_wanted() {
        let mut stats = CpuStats::default();
        stats.enter_guest(0);
        stats.leave_guest(1, ExitCause::Idle, 0x100);
        stats.enter_guest(2);
        assert!(stats.sites.is_none());
        assert_eq!(stats.exits[&ExitCause::Idle].count, 1);
    }
}
