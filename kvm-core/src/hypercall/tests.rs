// SPDX-License-Identifier: GPL-2.0

use super::*;
use proptest::prelude::*;

const ALL: u64 = PvFeatures::ALL as u64;

fn pv(bits: u64) -> PvFeatures {
    PvFeatures::new(false).set(bits).unwrap()
}

fn hvcl(code: u16) -> u32 {
    HVCL.bits | u32::from(code)
}

fn call(a: [u64; 4], bits: u64) -> Hypercall {
    let mut gprs: Gprs = [0; 32];
    gprs[4..8].copy_from_slice(&a);
    decode(hvcl(hypercall::SERVICE), 0, &gprs, pv(bits), false)
}

#[test]
fn only_kernel_mode_is_served() {
    let gprs: Gprs = [1; 32];
    for plv in 1..4 {
        for code in [
            hypercall::SERVICE,
            hypercall::USER_SERVICE,
            0x7fff,
            hypercall::SWDBG,
        ] {
            let got = decode(hvcl(code), plv, &gprs, pv(ALL), false);
            assert_eq!(got, Hypercall::Privilege);
        }
        // A breakpoint in a program of the guest is the debugger's.
        let got = decode(BREAKPOINT_INSN, plv, &gprs, pv(ALL), true);
        assert_eq!(got, Hypercall::Breakpoint);
    }
}

#[test]
fn codes() {
    let mut gprs: Gprs = [0; 32];
    for (i, value) in gprs.iter_mut().enumerate() {
        *value = i as u64;
    }
    let refused = Hypercall::Refused(u64::MAX);
    let user = hvcl(hypercall::USER_SERVICE);
    let args = [4, 5, 6, 7, 8, 9];
    assert_eq!(
        decode(user, 0, &gprs, pv(ALL), false),
        Hypercall::User { args }
    );
    assert_eq!(decode(user, 0, &gprs, pv(0), false), refused);
    assert_eq!(decode(BREAKPOINT_INSN, 0, &gprs, pv(ALL), false), refused);
    assert_eq!(decode(hvcl(0x123), 0, &gprs, pv(ALL), true), refused);
    assert_eq!(BREAKPOINT_INSN, 0x002b_8101);
    resume(&mut gprs, 77);
    assert_eq!(gprs[4], 77);
}

#[test]
fn services() {
    let refused = Hypercall::Refused(hypercall::INVALID_CODE);
    assert_eq!(call([0, 0, 0, 0], ALL), refused);
    assert_eq!(call([1, 1, 0, 0], ALL & !2), refused);
    assert_eq!(call([2, 4, 0, 0], ALL & !4), refused);
    assert_eq!(call([2, 2, 0, 0], ALL), refused);
    assert_eq!(
        call([2, 4, 0x1002, 0], ALL),
        Hypercall::Refused(hypercall::INVALID_PARAMETER)
    );
    assert_eq!(
        call([2, 4, 0x1041, 0], ALL),
        Hypercall::StealTime(Some(0x1040))
    );
    assert_eq!(call([2, 4, 0x1040, 0], ALL), Hypercall::StealTime(None));
}

proptest! {
    #[test]
    fn interrupts_go_where_the_bits_say(low: u64, high: u64, first in 0u64..300) {
        let Hypercall::Ipi(targets) = call([1, low, high, first], ALL) else {
            panic!("not accepted")
        };
        let bits = u128::from(low) | u128::from(high) << 64;
        let want: Vec<u16> = (0..128)
            .filter(|bit| bits >> bit & 1 != 0)
            .map(|bit| bit + first)
            .filter(|&id| id < 256)
            .map(|id| id as u16)
            .collect();
        prop_assert_eq!(targets.collect::<Vec<_>>(), want);
    }

    #[test]
    fn no_target_wraps_around(low: u64, first in u64::MAX - 128..=u64::MAX) {
        let Hypercall::Ipi(targets) = call([1, low, low, first], ALL) else {
            panic!("not accepted")
        };
        prop_assert_eq!(targets.count(), 0);
    }
}
