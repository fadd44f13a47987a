// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The timers' registers, reached when a timer is due and the engine has not yet expired
//! it: in the block in which the count ends.

use super::testing::{In, Machine, RJ};
use crate::cpu::{Model, NS_PER_TICK, Stop, Via};
use crate::world::World;
use la_arch::Interrupt;
use la_arch::csr::{Tcfg, number as n};
use la_arch::insn::privileged as p;

/// Ticks of a count.
const COUNT: u64 = 0x400;
const TI: u64 = Interrupt::TI.mask();
/// TVAL behind a one-shot of root's.
const ENDED: u64 = (1 << 48) - 1;
const BOTH: [Via; 2] = [Via::Csr, Via::Gcsr];

fn one_shot() -> Tcfg {
    Tcfg(0).with_en(true).with_initval(COUNT / 4)
}

impl Machine {
    fn pass(&mut self, ticks: u64) {
        self.cpu.time_offset += ticks * NS_PER_TICK;
    }

    /// Whether ESTAT as the engine would find it has TI.
    fn has_ti(&mut self, via: Via) -> bool {
        self.cpu.expire_timers(&mut self.bus);
        self.read(via, n::ESTAT) & TI != 0
    }
}

/// A machine whose timer has been due for `late` ticks.
fn due(via: Via, cfg: Tcfg, late: u64) -> Machine {
    let mut machine = Machine::new();
    machine.write(via, n::TCFG, cfg.0);
    machine.pass(COUNT + late);
    machine
}

#[test]
fn a_periodic_timer_is_reloaded_when_its_count_ends() {
    for via in BOTH {
        for late in 0..3 {
            let mut machine = due(via, one_shot().with_periodic(true), late);
            assert_eq!(machine.read(via, n::TVAL), COUNT - late, "{via:?}");
            assert!(machine.has_ti(via), "{via:?}");
        }
    }
}

#[test]
fn a_one_shot_that_has_ended_shows_in_both_registers() {
    for via in BOTH {
        let mut machine = due(via, one_shot(), 0);
        assert_eq!(machine.read(via, n::ESTAT) & TI, TI, "{via:?}");
        let mut machine = due(via, one_shot(), 0);
        assert_eq!(machine.read(via, n::TVAL), ENDED, "{via:?}");
    }
}

#[test]
fn stopping_or_loading_a_timer_keeps_an_interrupt_that_is_due() {
    for via in BOTH {
        for cfg in [Tcfg(0), one_shot()] {
            let mut machine = due(via, one_shot(), 1);
            machine.write(via, n::TCFG, cfg.0);
            assert!(machine.has_ti(via), "{via:?} {cfg:?}");
        }
    }
    let mut machine = due(Via::Gcsr, one_shot(), 1);
    machine.write(Via::Gcsr, n::TVAL, 2 * COUNT);
    assert!(machine.has_ti(Via::Gcsr));
}

#[test]
fn an_interrupt_that_is_due_can_be_cleared() {
    for via in BOTH {
        let mut machine = due(via, one_shot(), 1);
        machine.write(via, n::TICLR, 1);
        assert!(!machine.has_ti(via), "{via:?}");
    }
    // Root writes the guest's TI.
    let mut machine = due(Via::Gcsr, one_shot(), 1);
    machine.write(Via::Gcsr, n::ESTAT, 0);
    assert!(!machine.has_ti(Via::Gcsr));
}

/// with a race the interrupt of a timer that is due at the exchange is lost.
#[test]
fn an_exchange_of_the_guests_estat_is_atomic_in_one_reading() {
    for (reading, kept) in [("atomic", true), ("lossy", false)] {
        let readings = format!("estat-exchange={reading}").parse();
        let model = Model::default().with_readings(readings.expect("a reading"));
        let mut machine = Machine::of(model);
        machine.write(Via::Gcsr, n::TCFG, one_shot().0);
        machine.pass(COUNT);
        let ipi = Interrupt::IPI.mask();
        machine.exchange(Via::Gcsr, n::ESTAT, RJ, ipi, ipi);
        assert_eq!(machine.has_ti(Via::Gcsr), kept, "{reading}");
    }
}

/// Q-30, read so that a guest's `idle` has nothing to wait for.
#[test]
fn idle_in_a_guest_finds_an_interrupt_that_is_due() {
    let readings = "guest-idle=unless-pending".parse();
    let model = Model::default().with_readings(readings.expect("a reading"));
    let mut machine = Machine::of(model);
    machine.write(Via::Gcsr, n::ECFG, TI);
    machine.write(Via::Gcsr, n::TCFG, one_shot().0);
    machine.pass(COUNT);
    machine.cpu.switch_to(World::Guest);
    machine.cpu.settle();
    assert_eq!(machine.exec(&p::IDLE, In::default()), Err(Stop::Jump));
}
