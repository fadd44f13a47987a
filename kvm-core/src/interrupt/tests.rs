// SPDX-License-Identifier: GPL-2.0

//! Interrupt queues against a model, and the register arithmetic.

use super::*;
use crate::csr::GINTC_LINES;
use proptest::prelude::*;

/// The interrupts that KVM can give a guest.
const INJECTED: u64 = ESTAT_DIRECT | ESTAT_LINES;

fn seen(estat: u64, gintc: u64) -> u64 {
    get_estat(Status { estat, gintc }) & INJECTED
}

#[test]
fn the_ioctl_is_validated() {
    assert_eq!(Request::from_ioctl(2, false), Ok(Request::Raise(2)));
    assert_eq!(Request::from_ioctl(-12, false), Ok(Request::Lower(12)));
    assert_eq!(Request::from_ioctl(14, true), Ok(Request::Raise(14)));
    for irq in [0, 14, -14, 15, -15, i32::MAX, i32::MIN] {
        assert_eq!(Request::from_ioctl(irq, false), Err(BadInterrupt), "{irq}");
    }
    assert_eq!(Request::from_ioctl(15, true), Err(BadInterrupt));
    assert_eq!(BadInterrupt.errno(), 22);
}

#[test]
fn numbers_out_of_range_are_ignored() {
    let pending = Pending::new();
    for number in [15, 31, 32, 63, 64, u32::MAX] {
        pending.raise(number);
        pending.lower(number);
    }
    assert!(pending.take().is_empty());
}

#[test]
fn nmi_is_taken_but_not_injected() {
    let pending = Pending::new();
    pending.raise(13);
    assert_eq!(pending.take().delivery(), Delivery::default());
}

#[test]
fn reset_forgets() {
    let pending = Pending::new();
    pending.raise(3);
    pending.reset();
    assert!(pending.peek().is_empty() && pending.take().is_empty());
}

#[test]
fn racing_requests_leave_one_of_them() {
    let pending = Pending::new();
    for _ in 0..200 {
        std::thread::scope(|scope| {
            scope.spawn(|| pending.raise(5));
            scope.spawn(|| pending.lower(5));
            scope.spawn(|| pending.raise(12));
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
        let raiser = scope.spawn(|| (0..INT_COUNT).for_each(|number| pending.raise(number)));
        while !raiser.is_finished() {
            seen |= pending.take().raised();
        }
        seen |= pending.take().raised();
    });
    assert_eq!(seen, (1 << INT_COUNT) - 1);
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
    let ti = 1 << line::TI;
    // In the register, no longer queued.
    assert!(wakes(ti, 0, none, ti));
    assert!(!wakes(ti, 0, none, 1 << line::IPI));
    assert!(wakes(0, 1 << 3, none, 1 << 5));
    assert!(!wakes(1 << 5, 0, none, 1 << 5), "lines count through VIP");
    let pending = Pending::new();
    pending.raise(line::IPI);
    assert!(wakes(0, 0, pending.peek(), 0x1fff));
    assert!(!wakes(0, 0, pending.peek(), ti));
    pending.lower(line::IPI);
    pending.lower(line::HWI0 + 3);
    assert!(!wakes(1 << line::IPI, 1 << 3, pending.peek(), 0x1fff));
    // Exception code and VS are no interrupts.
    assert!(!wakes(0x3f_0000, 0, none, 0x7_0000));
}

#[test]
fn avec_is_announced() {
    let pending = Pending::new();
    pending.raise(line::AVEC);
    assert!(pending.take().delivery().raises_avec());
    pending.lower(line::AVEC);
    assert!(!pending.take().delivery().raises_avec());
}

proptest! {
    /// Requests in any order, taken at any point, leave the registers as
    /// applying each request at once would.
    #[test]
    fn queueing_equals_applying_at_once(
        steps in prop::collection::vec((0u32..INT_COUNT, any::<bool>(), any::<bool>()), 0..60),
        mut estat in any::<u64>(),
        mut gintc in any::<u64>(),
    ) {
        estat &= !ESTAT_LINES;
        let other = (estat & !ESTAT_DIRECT, gintc & !GINTC_LINES);
        let mut model = seen(estat, gintc);
        let pending = Pending::new();
        for (number, raise, take) in steps {
            if number != 13 {
                let bit = 1u64 << number;
                model = if raise { model | bit } else { model & !bit };
            }
            pending.queue(if raise { Request::Raise(number) } else { Request::Lower(number) });
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
