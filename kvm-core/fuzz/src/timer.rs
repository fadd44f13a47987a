// SPDX-License-Identifier: GPL-2.0

//! The timer of a vCPU that comes and goes.

use super::bytes::Bytes;
use kvm_core::timer::{Frequency, Timer, TI, TVAL_MASK};
use la_arch::csr::Tcfg;

/// Saves and restores with any registers at any times.
pub fn timer(data: &[u8]) {
    let mut bytes = Bytes(data);
    let frequency = match bytes.flag() {
        true => Frequency::new(bytes.long()),
        false => Frequency::new(100_000_000),
    };
    let Some(frequency) = frequency else {
        return;
    };
    let mut timer = Timer::new();
    let (mut tcfg, mut tval) = (0, 0);
    let mut now = bytes.word().into();
    while bytes.more() {
        let ticks = bytes.long() & TVAL_MASK;
        let ns = frequency.ticks_to_ns(ticks);
        // Rounded up: never early, and back again at least as much.
        assert!(ns == u64::MAX || frequency.ns_to_ticks(ns) >= ticks);
        match bytes.byte() % 4 {
            0 => {
                let value = bytes.long();
                timer.set_tcfg(value);
                tcfg = value & TVAL_MASK;
            }
            1 => {
                let value = bytes.long();
                timer.set_tval(value);
                tval = value & TVAL_MASK;
            }
            _ => {
                let value = bytes.long();
                (tcfg, tval) = (bytes.long() & Tcfg::FIELDS, value & TVAL_MASK);
                timer.save(frequency, now, tcfg, value);
                let spent = !Tcfg(tcfg).periodic() && tval > tcfg;
                let runs = Tcfg(tcfg).en() && !spent;
                assert_eq!(timer.deadline(TI).is_some(), runs);
                assert_eq!(timer.deadline(!TI), None);
            }
        }
        let before = now;
        now = now.saturating_add(bytes.long() >> (bytes.byte() & 63));
        let estat = bytes.long() & !TI;
        let restored = timer.restore(frequency, now, estat);
        assert_eq!(restored.estat & !TI, estat);
        assert_eq!(restored.tval & !TVAL_MASK, 0);
        assert_eq!(restored.tcfg, tcfg);
        let expired = timer.deadline(TI).is_some_and(|at| at <= now);
        assert_eq!(restored.estat & TI != 0, expired, "at {now} after {before}");
        // What comes back never takes longer than what was saved.
        if timer.deadline(TI).is_some() && !expired {
            assert!(restored.tval <= tval);
        }
        if expired && !Tcfg(restored.tcfg).periodic() {
            assert!(restored.tval > restored.tcfg || restored.tval == TVAL_MASK);
        }
    }
}
