// SPDX-License-Identifier: GPL-2.0

use super::*;
use la_arch::csr::{Crmd, Prmd};
use proptest::prelude::*;

#[test]
fn every_code_has_its_reason() {
    for code in 0..64u8 {
        let want = match code {
            0 => Exit::Interrupt,
            1 => Exit::Load,
            2 => Exit::Store,
            3 => Exit::Fetch,
            4 => Exit::Modify,
            15 => Exit::FpDisabled,
            16 => Exit::LsxDisabled,
            17 => Exit::LasxDisabled,
            20 => Exit::LbtDisabled,
            22 => Exit::Sensitive,
            23 => Exit::Hypercall,
            other => Exit::Unexpected(other),
        };
        // Interrupts and the subcode do not matter.
        for rest in [0, 0x7fff, 0x1ff << 22, !(0x3f << 16)] {
            assert_eq!(classify(u64::from(code) << 16 | rest), want);
        }
        let write = match code {
            1 | 3 => Some(false),
            2 | 4 => Some(true),
            _ => None,
        };
        assert_eq!(want.is_write(), write);
    }
}

#[test]
fn the_code_is_put_into_its_field() {
    let state = ExceptionState {
        crmd: Crmd(0).with_plv(3).with_ie(true).with_pg(true).0,
        ecfg: 7 << 16 | 0x1fff,
        estat: 0x1801 | 11 << 16 | 1 << 22,
        badv: 0x55,
        eentry: 0x9000_0000_0000_1000,
        pc: 0x1234,
        ..ExceptionState::default()
    };
    let after = inject(state, &Fault::instruction_non_existent(0x0600_0000));
    // INE is 13: unshifted it would read as interrupts 0, 2 and 3.
    assert_eq!(after.estat, 0x1801 | 13 << 16);
    assert_eq!(after.pc, 0x9000_0000_0000_1000 + 13 * 512);
    assert_eq!(
        (after.era, after.badi, after.badv),
        (0x1234, 0x0600_0000, 0x55)
    );
    assert_eq!(after.crmd, Crmd(0).with_pg(true).0);
    assert_eq!(after.prmd, Prmd(0).with_pplv(3).with_pie(true).0);
    // One common entry.
    let common = ExceptionState { ecfg: 0, ..state };
    assert_eq!(
        inject(common, &Fault::instruction_privilege(0)).pc,
        state.eentry
    );
}

#[test]
fn direct_mode_is_not_taken_for_watchpoints() {
    let direct = ExceptionState {
        crmd: Crmd(0).with_da(true).0,
        ..ExceptionState::default()
    };
    assert_eq!(inject(direct, &Fault::fetch_address(0, 0)).prmd, 0);
    let watched = ExceptionState {
        crmd: Crmd(0).with_da(true).with_we(true).0,
        ..direct
    };
    let after = inject(watched, &Fault::fetch_address(0, 0));
    assert_eq!((after.prmd, after.crmd), (8, 8));
}

#[test]
fn address_errors_name_the_guest_s_address() {
    let mut gprs = [0; 32];
    gprs[5] = 0x8000_0000_1fe0_0000;
    let state = ExceptionState::default();
    // amadd.w $a0, $a2, $a1
    let atomic = la_arch::insn::atomic::AMADD_W.bits | 6 << 10 | 5 << 5 | 4;
    let after = inject(state, &Fault::refused_access(atomic, &gprs, 0x1fe0_0000));
    assert_eq!(after.badv, gprs[5]);
    assert_eq!(after.estat, 8 << 16 | 1 << 22);
    // Nothing is known of lddir's address but where it fell.
    let walk = la_arch::insn::privileged::LDDIR.bits;
    let after = inject(state, &Fault::refused_access(walk, &gprs, 0x1000));
    assert_eq!(after.badv, 0x1000);
    let after = inject(state, &Fault::fetch_address(0, 0x4000));
    assert_eq!((after.badv, after.estat), (0x4000, 8 << 16));
}

proptest! {
    #[test]
    fn injection_touches_nothing_else(
        crmd: u64, ecfg: u64, estat: u64, eentry: u64, pc: u64, which in 0usize..31,
    ) {
        let exception = la_arch::Exception::ALL[which % la_arch::Exception::ALL.len()];
        let fault = Fault { exception, badi: 1, badv: None };
        let state = ExceptionState { crmd, ecfg, estat, eentry, pc, ..Default::default() };
        let after = inject(state, &fault);
        prop_assert_eq!(after.crmd, crmd & !0x207);
        prop_assert_eq!(after.prmd, crmd & 7 | (crmd >> 9 & 1) << 3);
        prop_assert_eq!((after.estat ^ estat) & !0x7fff_0000, 0);
        prop_assert_eq!(after.estat >> 16 & 0x3f, u64::from(exception.code));
        prop_assert_eq!(after.estat >> 22 & 0x1ff, u64::from(exception.sub));
        prop_assert_eq!((after.ecfg, after.eentry, after.era), (ecfg, eentry, pc));
    }
}

#[test]
fn one_exception_waits() {
    let mut queue = ExceptionQueue::new();
    assert!(!queue.is_pending());
    assert!(queue.push(Fault::instruction_non_existent(1)));
    assert!(!queue.push(Fault::instruction_privilege(2)));
    assert!(queue.is_pending());
    assert_eq!(queue.take(), Some(Fault::instruction_non_existent(1)));
    assert_eq!(queue.take(), None);
}
