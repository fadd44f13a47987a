// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The countdown timers and the stable counter (Volume 1, 7.6; for the
//! guest's `docs/lvz.md` 9).

use super::{Cpu, NS_PER_TICK, Op, Reading, Step, Timer, Via};
use crate::mem::Bus;
use crate::world::World;
use la_arch::csr::{Tcfg, number};
use la_arch::{Exception, Interrupt};

impl Cpu {
    /// The tick that the timers are at: the CPU's own, or a later one that it has
    /// read. A timer that expired only when the CPU's own time gets there would be
    /// late for software that looks at the counter.
    fn tick(&self) -> u64 {
        self.now().max(self.counter_seen) / NS_PER_TICK
    }

    /// The CPU looks at the stable counter, in nanoseconds, `ahead` of its own time.
    ///
    /// All CPUs read one counter. As they have their turns one after the other, a
    /// CPU may be behind what an earlier one has read in the same round: it reads
    /// that again, as time must not go back for a thread that moves.
    fn see_counter(&mut self, bus: &mut Bus, ahead: u64) -> u64 {
        let now = self.now().wrapping_add(ahead);
        bus.counter_read = bus.counter_read.max(now);
        if bus.counter_read > now {
            self.counter_seen = bus.counter_read;
            self.attention |= self.next_timer().is_some_and(|due| due <= bus.counter_read);
        }
        bus.counter_read
    }

    /// The tick at which a timer counts as loaded: not before what any CPU has read
    /// from the stable counter, or the timer would expire early by it.
    pub(super) fn tick_of_load(&mut self, bus: &Bus) -> u64 {
        self.counter_seen = self.counter_seen.max(bus.counter_read);
        self.tick()
    }

    /// Stores TCFG: loads and starts the timer as of `tick_of_load`, or stops it
    /// (`docs/lvz.md` T-4).
    pub(super) fn configure_timer(&mut self, world: World, cfg: Tcfg, tick_of_load: u64) {
        self.put_csr(world, Tcfg::NUMBER, cfg.0);
        let tick = self.tick();
        let counts_on = self.counts_on(world);
        let timer = &mut self.timers[world.index()];
        if cfg.en() {
            timer.running = true;
            timer.load(tick_of_load, cfg.initval() << 2);
        } else {
            timer.value = timer.remaining(tick, counts_on);
            timer.running = false;
        }
        self.attention = true;
    }

    /// TVAL, in ticks.
    pub(super) fn timer_value(&self, world: World) -> u64 {
        self.timers[world.index()].remaining(self.tick(), self.counts_on(world))
    }

    /// Whether TVAL counts on after a one-shot (`docs/lvz.md` T-6, Q-16).
    fn counts_on(&self, world: World) -> bool {
        world == World::Guest && !self.reads(Reading::ShotTval)
    }

    /// An instruction reaches register `number`: what shows or changes a timer finds one
    /// expired that is due, though the engine expires timers between blocks. An `exchange`
    /// that races with the timer does not.
    pub(crate) fn catch_up_timers(&mut self, bus: &mut Bus, via: Via, number: u16, exchange: bool) {
        let races = exchange && via == Via::Gcsr && self.reads(Reading::EstatExchange);
        match number {
            number::TCFG | number::TVAL | number::TICLR => self.expire_timers(bus),
            number::ESTAT if !races => self.expire_timers(bus),
            _ => {}
        }
    }

    /// In the reading of Q-15 that has a race: a timer that is due expires between the
    /// two halves of an exchange of the guest's ESTAT, so that what is written then does
    /// not have its TI.
    pub(crate) fn race_estat_exchange(&mut self, bus: &mut Bus) {
        if self.reads(Reading::EstatExchange) {
            self.expire_timers(bus);
        }
    }

    /// `gcsrwr TVAL`: the ticks that are left (`docs/lvz.md` T-8, T-10).
    pub(super) fn set_timer_value(&mut self, bus: &Bus, world: World, value: u64) {
        let tick = self.tick_of_load(bus);
        self.timers[world.index()].load(tick, value);
        self.attention = true;
    }

    /// Fires the timers that are due. From then on no CPU reads a time before the
    /// expiry, as it may act on it.
    pub(crate) fn expire_timers(&mut self, bus: &mut Bus) {
        let tick = self.tick();
        for world in World::ALL {
            let deadline = self.timers[world.index()].deadline();
            let Some(deadline) = deadline.filter(|&d| d <= tick) else {
                continue;
            };
            bus.counter_read = bus.counter_read.max(deadline * NS_PER_TICK);
            let cfg = self.file(world).tcfg();
            let timer = &mut self.timers[world.index()];
            // A period of zero would fire without end: one tick at least.
            let period = (cfg.initval() << 2).max(1);
            if cfg.periodic() {
                let missed = (tick - deadline) / period;
                timer.load(deadline + missed * period, period);
            } else {
                timer.fired = true;
            }
            self.latch_timer(world);
        }
    }

    /// Time in nanoseconds of the next expiry of either timer.
    pub(crate) fn next_timer(&self) -> Option<u64> {
        let next = self.timers.iter().filter_map(Timer::deadline).min()?;
        Some(next.saturating_mul(NS_PER_TICK))
    }

    /// The same of the timer that ends `idle`: that of the world the CPU is in, unless its
    /// interrupt is masked.
    pub(crate) fn next_waking_timer(&self) -> Option<u64> {
        let world = self.world();
        let unmasked = self.file(world).ecfg().lie() & Interrupt::TI.mask() != 0;
        let timer = self.timers[world.index()];
        let next = timer.deadline().filter(|_| unmasked)?;
        Some(next.saturating_mul(NS_PER_TICK))
    }

    /// The stable counter as `rdtime` reads it: the crystal's ticks, plus CNTC
    /// and in guest mode GCNTC and the guest's CNTC (`docs/lvz.md` T-1, Q-17).
    ///
    /// # Errors
    /// IPE if MISC.DRDTL forbids it at this privilege level; GSPR to root if
    /// GCFG.TOTI says so.
    pub(crate) fn stable_counter(&mut self, bus: &mut Bus, op: &Op) -> Step<u64> {
        if self.plv != 0 && self.csr().misc().drdtl() >> self.plv & 1 != 0 {
            return Err(self.raise(Exception::IPE));
        }
        if self.in_guest() && self.root().gcfg().toti() {
            return Err(self.raise_to_root(Exception::GSPR));
        }
        let ticks = self.see_counter(bus, u64::from(op.idx) * self.pace) / NS_PER_TICK;
        let root = match self.in_guest() && self.reads(Reading::RdtimeBase) {
            true => 0,
            false => self.root().raw(number::CNTC),
        };
        let mut counter = ticks.wrapping_add(root);
        if self.in_guest() {
            counter = counter
                .wrapping_add(self.root().raw(number::GCNTC))
                .wrapping_add(self.guest().raw(number::CNTC));
        }
        Ok(counter)
    }

    /// The counter's identity, `rdtime`'s second result.
    pub(crate) fn timer_id(&self) -> u64 {
        self.csr().raw(number::TID)
    }
}
