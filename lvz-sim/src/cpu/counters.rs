// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Performance counters (Volume 1, 7.7; Linux: `perf_event.c`; lending to a guest:
//! `docs/lvz.md` 10.3). A counter is a view of what the CPU has done anyway (`tally`):
//! it is computed when it is read, and an overflow is a deadline like a timer's.

use super::csr_numbers::COUNTERS;
use super::tally::{LEVELS, PLVS};
use super::{Counters, Cpu, Events, Reading};
use crate::world::World;
use la_arch::Interrupt;
use la_arch::csr::{PerfCtrl, number};

/// A counter that reaches it has overflown.
const OVERFLOW: u64 = 1 << 63;

/// An event that can be counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Event {
    Cycles,
    Instructions,
    Branches,
    Mispredicted,
    Accesses,
    FetchRefills,
    DataRefills,
}

impl Event {
    /// The event of a number of PERFCTRL (Linux: `loongson_event_map`,
    /// `loongson_cache_map`). Of those that are none here some never happen, as the
    /// misses of caches, and others have no public name.
    fn of(control: PerfCtrl) -> Option<Self> {
        Some(match control.event() {
            0x00 => Event::Cycles,
            // Each instruction is one access of the instruction cache.
            0x01 | 0x06 => Event::Instructions,
            0x02 => Event::Branches,
            0x03 => Event::Mispredicted,
            0x04 | 0x08 => Event::Accesses,
            0x3b => Event::FetchRefills,
            0x3c => Event::DataRefills,
            _ => return None,
        })
    }

    fn count(self, events: &Events) -> u64 {
        match self {
            Event::Cycles => events.ended,
            Event::Instructions => events.retired(),
            Event::Branches => events.branches,
            Event::Mispredicted => events.mispredicted,
            Event::Accesses => events.accesses,
            Event::FetchRefills => events.fetch_refills,
            Event::DataRefills => events.data_refills,
        }
    }

    /// Whether instructions have to be looked at one by one to count it.
    fn of_each(self) -> bool {
        matches!(
            self,
            Event::Branches | Event::Mispredicted | Event::Accesses
        )
    }
}

/// The counter of a register, and whether the register is its control.
fn place(number: u16) -> (usize, bool) {
    let at = number - number::PERFCTRL0;
    (usize::from(at / 2), at.is_multiple_of(2))
}

impl Cpu {
    /// How many counters the guest has.
    pub(super) fn lent_counters(&self) -> usize {
        (self.root().gcfg().gpmnum() as usize).min(COUNTERS)
    }

    /// Whether a register of a counter is the guest's.
    pub(super) fn lent_to_guest(&self, number: u16) -> bool {
        place(number).0 < self.lent_counters()
    }

    /// Whose counter it is.
    fn owner(&self, i: usize) -> World {
        World::of_vm(i < self.lent_counters())
    }

    /// The levels at which a counter counts, a bit each. One of root's counts in guest
    /// mode too, the guest's only there.
    fn counted_levels(&self, i: usize) -> u64 {
        let plvs = PerfCtrl(self.counters.all[i].control).plv();
        let (root, guest) = match self.owner(i) {
            World::Root => (true, !self.reads(Reading::RootCounter)),
            World::Guest => (self.reads(Reading::LentCounter), true),
        };
        let levels = |counts: bool, world: World| match counts {
            true => plvs << (PLVS * world.index()),
            false => 0,
        };
        levels(root, World::Root) | levels(guest, World::Guest)
    }

    /// What a counter counts, from the beginning of the CPU's time.
    fn events_counted(&self, i: usize) -> u64 {
        let Some(event) = Event::of(PerfCtrl(self.counters.all[i].control)) else {
            return 0;
        };
        let (levels, at) = (self.counted_levels(i), self.ended());
        (0..LEVELS)
            .filter(|level| levels >> level & 1 != 0)
            .map(|level| event.count(&self.tally.events(level, at)))
            .sum()
    }

    fn counter_value(&self, i: usize) -> u64 {
        let counter = self.counters.all[i];
        let counted = self.events_counted(i).wrapping_sub(counter.origin);
        counter.value.wrapping_add(counted)
    }

    /// The counters with what they have counted until now as their values.
    pub(crate) fn shown_counters(&self) -> Counters {
        let mut shown = self.counters;
        for (i, counter) in shown.all.iter_mut().enumerate() {
            (counter.value, counter.origin) = (self.counter_value(i), 0);
        }
        shown
    }

    /// Changes something on which counters depend.
    pub(super) fn change_counters(&mut self, change: impl FnOnce(&mut Self)) {
        for i in 0..COUNTERS {
            self.counters.all[i].value = self.counter_value(i);
        }
        change(self);
        for i in 0..COUNTERS {
            self.counters.all[i].origin = self.events_counted(i);
        }
        self.derive_tally();
        self.attention = true;
    }

    /// A register of a counter as `world` reads it: zero if it has none.
    pub(super) fn read_counter(&self, world: World, number: u16) -> u64 {
        let (i, control) = place(number);
        if world == World::Guest && self.owner(i) == World::Root {
            return 0;
        }
        match control {
            true => self.counters.all[i].control,
            false => self.counter_value(i),
        }
    }

    /// Writes a register of a counter, if `world` has it.
    pub(super) fn write_counter(&mut self, world: World, number: u16, value: u64) {
        let (i, control) = place(number);
        let absent = world == World::Guest && self.owner(i) == World::Root;
        if absent || !self.model.has_counters() {
            return;
        }
        self.change_counters(|cpu| match control {
            true => cpu.counters.all[i].control = value & PerfCtrl::FIELDS,
            false => cpu.counters.all[i].value = value,
        });
    }

    /// Whether the privilege level in force, which is not PLV0, may read the register:
    /// MISC.RPCNTL lets it read counters, not their controls.
    #[inline(always)]
    pub(crate) fn user_reads_counter(&self, number: u16) -> bool {
        self.plv != 0 && self.user_may_read(number)
    }

    #[cold]
    fn user_may_read(&self, number: u16) -> bool {
        let last = number::PERFCTRL0 + 2 * COUNTERS as u16;
        (number::PERFCTRL0..last).contains(&number)
            && !place(number).1
            && self.model.has_counters()
            && self.csr().misc().rpcntl() >> self.plv & 1 != 0
    }

    /// Whether a counter counts what takes a look at each instruction, at the level in
    /// force.
    pub(super) fn counts_each(&self) -> bool {
        (0..COUNTERS).any(|i| {
            let control = PerfCtrl(self.counters.all[i].control);
            control.plv() != 0
                && Event::of(control).is_some_and(Event::of_each)
                && self.counted_levels(i) >> self.tally.level() & 1 != 0
        })
    }

    /// The counters that raise an interrupt when they overflow.
    fn armed(&self) -> impl Iterator<Item = usize> {
        (0..COUNTERS).filter(|i| PerfCtrl(self.counters.all[*i].control).ie())
    }

    /// PMI in ESTAT.IS of `world`: it is there as long as a counter with its interrupt
    /// enabled has bit 63.
    pub(super) fn overflown(&self, world: World) -> u64 {
        let mut mine = self.armed().filter(|i| self.owner(*i) == world);
        match mine.any(|i| self.counter_value(i) & OVERFLOW != 0) {
            true => Interrupt::PMI.mask(),
            false => 0,
        }
    }

    /// Whether any counter has overflown, which the engine asks where instructions are
    /// looked at one by one.
    pub(crate) fn any_overflown(&self) -> bool {
        World::ALL.iter().any(|world| self.overflown(*world) != 0)
    }

    /// The count of instructions before which no counter of cycles or instructions
    /// overflows, if the level in force stays.
    pub(crate) fn next_overflow(&self) -> u64 {
        let running = self.armed().filter(|i| {
            let event = Event::of(PerfCtrl(self.counters.all[*i].control));
            matches!(event, Some(Event::Cycles | Event::Instructions))
                && self.counted_levels(*i) >> self.tally.level() & 1 != 0
        });
        let values = running.map(|i| self.counter_value(i));
        let left = values.filter_map(|value| OVERFLOW.checked_sub(value));
        let left = left.filter(|left| *left > 0).min();
        left.map_or(u64::MAX, |left| self.ended().saturating_add(left))
    }
}
