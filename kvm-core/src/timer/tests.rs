// SPDX-License-Identifier: GPL-2.0

//! The timer against a model that counts real time.

use super::*;
use proptest::prelude::*;

const EN: u64 = 1;
const PERIODIC: u64 = 2;

fn mhz(n: u64) -> Frequency {
    Frequency::new(n * 1_000_000).unwrap()
}

#[test]
fn frequencies_are_bounded() {
    assert_eq!(Frequency::new(0), None);
    assert_eq!(Frequency::new(Frequency::MAX_HZ + 1), None);
    let second = Frequency::new(100).unwrap().ticks_to_ns(100);
    assert_eq!(second, 1_000_000_000);
}

#[test]
fn conversion_is_exact_and_saturates() {
    let f = mhz(100);
    assert_eq!(f.ticks_to_ns(0), 0);
    assert_eq!(f.ticks_to_ns(7), 70);
    assert_eq!(f.ns_to_ticks(70), 7);
    assert_eq!(f.ns_to_ticks(71), 8);
    assert_eq!(f.ticks_to_ns(TVAL_MASK), TVAL_MASK * 10);
    assert_eq!(f.ticks_to_ns(u64::MAX), u64::MAX);
    let fast = Frequency::new(Frequency::MAX_HZ).unwrap();
    assert_eq!(fast.ns_to_ticks(u64::MAX), u64::MAX);
    assert_eq!(Frequency::new(1).unwrap().ticks_to_ns(3), 3_000_000_000);
}

#[test]
fn a_disabled_timer_keeps_its_value() {
    let mut timer = Timer::default();
    timer.save(mhz(100), 5, 0x1000, 77);
    let restore = timer.restore(mhz(100), 1 << 40, TI | 3);
    assert_eq!(
        (restore.tcfg, restore.tval, restore.estat),
        (0x1000, 77, TI | 3)
    );
    assert!(!restore.clear_ti);
    assert_eq!(timer.deadline(TI), None);
}

#[test]
fn what_remains_is_of_a_timer_that_will_interrupt() {
    let (one_shot, periodic) = (0x1000 | EN, 0x1000 | EN | PERIODIC);
    assert_eq!(remaining(one_shot, 0xfff, TI), Some(0xfff));
    assert_eq!(remaining(periodic, 0, TI), Some(0));
    // Expired; the register's upper bits are none of TVAL's.
    assert_eq!(remaining(one_shot, u64::MAX - 50, TI), None);
    assert_eq!(remaining(one_shot, 5 | 1 << 48, TI), Some(5));
    // Off, or masked.
    assert_eq!(remaining(0x1000, 77, TI), None);
    assert_eq!(remaining(periodic, 77, !TI), None);
}

#[test]
fn an_acknowledged_one_shot_does_not_fire_again() {
    let mut timer = Timer::new();
    timer.save(mhz(100), 0, 0x1000 | EN, TVAL_MASK - 50);
    assert_eq!(timer.deadline(TI), None);
    let restore = timer.restore(mhz(100), 1 << 50, 0);
    assert_eq!((restore.estat, restore.tval), (0, TVAL_MASK - 50));
    assert!(!restore.clear_ti);
    // Writing a short TCFG may expire before TVAL is written: taken back.
    timer.save(mhz(100), 0, 4 | EN, TVAL_MASK);
    assert!(timer.restore(mhz(100), 9, 0).clear_ti);
    // Unless the interrupt is wanted.
    assert!(!timer.restore(mhz(100), 9, TI).clear_ti);
    assert_eq!(timer.restore(mhz(100), 9, TI).estat, TI);
}

#[test]
fn an_expiry_while_unloaded_is_injected_once() {
    let f = mhz(100);
    let mut timer = Timer::new();
    timer.save(f, 1000, 0x1000 | EN, 100);
    assert_eq!(timer.deadline(TI), Some(2000));
    let restore = timer.restore(f, 1999, 0);
    assert_eq!((restore.estat, restore.tval), (0, 1));
    let restore = timer.restore(f, 2000, 0x4);
    assert_eq!((restore.estat, restore.tval), (0x4 | TI, TVAL_MASK));
    // The guest acknowledges, the vCPU is put and loaded: silence.
    timer.save(f, 3000, restore.tcfg, restore.tval);
    assert_eq!(timer.restore(f, 1 << 60, 0).estat, 0);
}

#[test]
fn a_period_stays_in_phase() {
    let f = mhz(100);
    let mut timer = Timer::new();
    timer.save(f, 0, 1000 | EN | PERIODIC, 400);
    // Expired at 4 us and, had it run, at 14 and 24 us.
    let restore = timer.restore(f, 25_000, 0);
    assert_eq!((restore.estat, restore.tval), (TI, 900));
    let restore = timer.restore(f, 4_000, 0);
    assert_eq!((restore.estat, restore.tval), (TI, 1000));
}

/// The smallest period is one tick, as in Linux 7.3 (report 8).
#[test]
fn a_period_of_nothing_is_one_tick() {
    let f = mhz(100);
    for now in [0, 1, 10, 1_000_000, u64::MAX] {
        let mut timer = Timer::new();
        timer.save(f, 0, EN | PERIODIC, 0);
        let restore = timer.restore(f, now, 0);
        assert_eq!((restore.estat, restore.tval), (TI, 1), "at {now} ns");
        assert!(!restore.clear_ti);
    }
    // One that runs and has not expired keeps what is left of it.
    let mut timer = Timer::new();
    timer.save(f, 0, EN | PERIODIC, 5);
    assert_eq!(timer.restore(f, 10, 0).tval, 4);
}

#[test]
fn a_very_late_one_shot_still_looks_expired() {
    let f = mhz(100);
    let mut timer = Timer::new();
    timer.save(f, 0, (TVAL_MASK >> 1 & !3) | EN, 0);
    let now = f.ticks_to_ns(TVAL_MASK - 5);
    let restore = timer.restore(f, now, 0);
    assert!(restore.tval > restore.tcfg);
    assert_eq!(restore.estat, TI);
}

#[test]
fn after_migration_the_count_goes_on() {
    let f = mhz(100);
    let mut timer = Timer::new();
    timer.set_tcfg(0x8000 | EN);
    timer.set_tval(0x500);
    // However long the host has been up.
    let restore = timer.restore(f, 1 << 61, 0);
    assert_eq!((restore.estat, restore.tval), (0, 0x500));
    // A one-shot timer that had expired at the source; TVAL as -1.
    timer.set_tval(u64::MAX);
    let restore = timer.restore(f, 1 << 61, TI);
    assert_eq!((restore.estat, restore.tval), (TI, TVAL_MASK));
    assert_eq!((timer.tcfg, timer.tval), (0x8000 | EN, TVAL_MASK));
}

#[test]
fn a_masked_timer_arms_nothing() {
    let mut timer = Timer::new();
    timer.save(mhz(100), 0, 1000 | EN | PERIODIC, 400);
    assert_eq!(timer.deadline(!TI), None);
    assert_eq!(timer.deadline(TI), Some(4000));
}

/// The guest's timer as hardware: ticks of real time, TI latched at expiry.
#[derive(Clone, Copy, Debug)]
struct Hardware {
    tcfg: u64,
    tval: u64,
    ti: bool,
}

impl Hardware {
    fn run(&mut self, ticks: u64) {
        if self.tcfg & EN == 0 {
            return;
        }
        let spent = self.tcfg & PERIODIC == 0 && self.tval > self.tcfg;
        if ticks < self.tval {
            self.tval -= ticks;
            return;
        }
        if spent {
            return;
        }
        self.ti = true;
        let over = ticks - self.tval;
        let period = self.tcfg & !3;
        self.tval = if self.tcfg & PERIODIC != 0 {
            period - over % period
        } else {
            TVAL_MASK - over
        };
    }
}

proptest! {
    #[test]
    fn conversion_agrees_with_wide_arithmetic(
        hz in 1..=Frequency::MAX_HZ,
        value in any::<u64>(),
    ) {
        let f = Frequency::new(hz).unwrap();
        let wide = |from: u64, to: u64| {
            let exact = (u128::from(value) * u128::from(to)).div_ceil(u128::from(from));
            u64::try_from(exact).unwrap_or(u64::MAX)
        };
        prop_assert_eq!(f.ticks_to_ns(value), wide(hz, NSEC_PER_SEC.get()));
        prop_assert_eq!(f.ns_to_ticks(value), wide(NSEC_PER_SEC.get(), hz));
    }

    /// A guest whose vCPU is put and loaded at any time gets the interrupts of
    /// one that runs all the time, up to a tick for each load.
    #[test]
    fn no_expiry_is_lost_or_made_up(
        hz in prop::sample::select(vec![25_000_000u64, 99_999_999, 100_000_000, 2_500_000_000]),
        initval in 2000u64..1_000_000,
        periodic in any::<bool>(),
        steps in prop::collection::vec((0u64..400_000, 0u64..400_000, any::<bool>()), 1..40),
    ) {
        let f = Frequency::new(hz).unwrap();
        let tcfg = initval & !3 | EN | if periodic { PERIODIC } else { 0 };
        let mut real = Hardware { tcfg, tval: initval & !3, ti: false };
        let mut ours = real;
        let mut timer = Timer::new();
        let mut now = 1 << 50;
        // How far the count may be off, in ticks.
        let mut drift = 0;
        for (inside, outside, acknowledge) in steps {
            for hardware in [&mut real, &mut ours] {
                hardware.run(inside);
            }
            timer.save(f, now, ours.tcfg, ours.tval);
            let ti = if ours.ti { TI } else { 0 };
            let before = ours;
            now += outside;
            let restore = timer.restore(f, now, ti);
            ours = Hardware { tcfg: restore.tcfg, tval: restore.tval, ti: restore.estat & TI != 0 };
            prop_assert!(!restore.clear_ti);
            let ticks = f.ns_to_ticks(outside);
            real.run(ticks);
            drift += 2;
            // It expired by then: injected, and never before.
            let mut alone = before;
            alone.run(ticks);
            if ours.ti != alone.ti {
                prop_assert!(before.tval.abs_diff(ticks) <= 2);
            }
            if let Some(at) = timer.deadline(TI) {
                prop_assert_eq!(ours.ti || before.ti, before.ti || at <= now);
            }
            // TI differs from uninterrupted running only within the drift of an
            // expiry.
            if ours.ti != real.ti {
                let near = |tval: u64| {
                    tval <= drift || tval.abs_diff(tcfg & !3) <= drift || TVAL_MASK - tval <= drift
                };
                prop_assert!(near(ours.tval) || near(real.tval), "{ours:?} {real:?}");
                // Step past the edge so that both agree again.
                real = ours;
                drift = 0;
            }
            // Not while one has expired once more and the other is about to: of the
            // two expiries only the later would be left.
            if acknowledge && ours.tval.abs_diff(real.tval) <= drift {
                real.ti = false;
                ours.ti = false;
            }
        }
    }
}

#[test]
fn host_time_in_ticks_is_not_converted() {
    for value in [0, 1, 999, u64::MAX] {
        assert_eq!(Frequency::TICKS.ticks_to_ns(value), value);
        assert_eq!(Frequency::TICKS.ns_to_ticks(value), value);
    }
}
