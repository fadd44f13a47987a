// SPDX-License-Identifier: GPL-2.0

//! Interrupt queues against a model, and the register arithmetic.

use super::*;
use crate::csr::GINTC_LINES;
use proptest::prelude::*;

/// The interrupts that KVM can give a guest.
const INJECTED: u64 = ESTAT_DIRECT | ESTAT_LINES;

/// All interrupts.
fn all() -> impl Iterator<Item = Interrupt> {
    (0..Interrupt::COUNT).filter_map(Interrupt::new)
}

fn seen(estat: u64, gintc: u64) -> u64 {
    get_estat(Status { estat, gintc }) & INJECTED
}

#[test]
fn the_ioctl_is_validated() {
    assert_eq!(
        Request::from_ioctl(2, false),
        Ok(Request::Raise(Interrupt::HWI0))
    );
    assert_eq!(
        Request::from_ioctl(-12, false),
        Ok(Request::Lower(Interrupt::IPI))
    );
    assert_eq!(
        Request::from_ioctl(14, true),
        Ok(Request::Raise(Interrupt::AVEC))
    );
    for irq in [0, 14, -14, 15, -15, i32::MAX, i32::MIN] {
        assert_eq!(Request::from_ioctl(irq, false), Err(BadInterrupt), "{irq}");
    }
    assert_eq!(Request::from_ioctl(15, true), Err(BadInterrupt));
    assert_eq!(BadInterrupt.errno(), 22);
}

#[test]
fn nmi_is_taken_but_not_injected() {
    let pending = Pending::new();
    pending.raise(Interrupt::NMI);
    assert_eq!(pending.take().delivery(), Delivery::default());
}

#[test]
fn reset_forgets() {
    let pending = Pending::new();
    pending.raise(Interrupt::hwi(1));
    pending.reset();
    assert!(pending.peek().is_empty() && pending.take().is_empty());
}

#[test]
fn racing_requests_leave_one_of_them() {
    let pending = Pending::new();
    for _ in 0..200 {
        std::thread::scope(|scope| {
            scope.spawn(|| pending.raise(Interrupt::hwi(3)));
            scope.spawn(|| pending.lower(Interrupt::hwi(3)));
            scope.spawn(|| pending.raise(Interrupt::IPI));
        });
        let taken = pending.take();
        assert_eq!(taken.raised() & 1 << 5 == 0, taken.lowered() & 1 << 5 != 0);
        assert_ne!(taken.raised() & 1 << 12, 0);
    }
}

#[test]
fn nothing_raised_is_lost_while_the_vcpu_takes() {
    let pending = Pending::new();
    let mut seen = 0;
    std::thread::scope(|scope| {
        let raiser = scope.spawn(|| all().for_each(|interrupt| pending.raise(interrupt)));
        while !raiser.is_finished() {
            seen |= pending.take().raised();
        }
        seen |= pending.take().raised();
    });
    assert_eq!(seen, Interrupt::ALL);
}

#[test]
fn the_timer_race_is_seen() {
    assert!(!timer_raced(100, 100));
    assert!(!timer_raced(100, 90));
    // Reload of a periodic timer, wrap of a one-shot one.
    assert!(timer_raced(3, 1000));
    assert!(timer_raced(0, crate::timer::TVAL_MASK));
}

#[test]
fn halted_guests_wake_for_enabled_interrupts_only() {
    let none = Taken::default();
    let ti = Interrupt::TI.mask();
    // In the register, no longer queued.
    assert!(wakes(ti, 0, none, ti));
    assert!(!wakes(ti, 0, none, Interrupt::IPI.mask()));
    assert!(wakes(0, 1 << 3, none, 1 << 5));
    assert!(!wakes(1 << 5, 0, none, 1 << 5), "lines count through VIP");
    let pending = Pending::new();
    pending.raise(Interrupt::IPI);
    assert!(wakes(0, 0, pending.peek(), 0x1fff));
    assert!(!wakes(0, 0, pending.peek(), ti));
    pending.lower(Interrupt::IPI);
    pending.lower(Interrupt::hwi(3));
    assert!(!wakes(
        Interrupt::IPI.mask(),
        1 << 3,
        pending.peek(),
        0x1fff
    ));
    // Exception code and VS are no interrupts.
    assert!(!wakes(0x3f_0000, 0, none, 0x7_0000));
}

#[test]
fn avec_is_announced() {
    let pending = Pending::new();
    pending.raise(Interrupt::AVEC);
    assert!(pending.take().delivery().raises_avec());
    pending.lower(Interrupt::AVEC);
    assert!(!pending.take().delivery().raises_avec());
}

proptest! {
    /// Requests in any order, taken at any point, leave the registers as
    /// applying each request at once would.
    #[test]
    fn queueing_equals_applying_at_once(
        steps in prop::collection::vec((prop::sample::select(all().collect::<Vec<_>>()), any::<bool>(), any::<bool>()), 0..60),
        mut estat in any::<u64>(),
        mut gintc in any::<u64>(),
    ) {
        estat &= !ESTAT_LINES;
        let other = (estat & !ESTAT_DIRECT, gintc & !GINTC_LINES);
        let mut model = seen(estat, gintc);
        let pending = Pending::new();
        for (interrupt, raise, take) in steps {
            if interrupt != Interrupt::NMI {
                let bit = interrupt.mask();
                model = if raise { model | bit } else { model & !bit };
            }
            pending.queue(if raise { Request::Raise(interrupt) } else { Request::Lower(interrupt) });
            prop_assert_eq!(
                pending_view(estat, gintc, pending.peek()) & INJECTED,
                model
            );
            if take {
                let delivery = pending.take().delivery();
                estat = delivery.estat(estat);
                gintc = delivery.gintc(gintc);
                prop_assert_eq!(seen(estat, gintc), model);
            }
        }
        prop_assert_eq!((estat & !ESTAT_DIRECT, gintc & !GINTC_LINES), other);
    }
}
