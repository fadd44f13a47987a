// SPDX-License-Identifier: GPL-2.0

use super::*;
use crate::cpucfg::Host;
use proptest::prelude::*;
use std::collections::HashSet;

fn guest(lbt: bool, counters: u64, msgint: bool) -> GuestCpucfg {
    let mut host = Host::from_words([!0; CPUCFG_WORDS]);
    host.words[6] = 0x7ff1;
    let mut guest = GuestCpucfg::default();
    guest.set(&host, 1, u64::from(msgint) << 26).unwrap();
    guest.set(&host, 2, 1 << 14 | u64::from(lbt) << 18).unwrap();
    if counters > 0 {
        let word = 0x7f01 | (counters - 1) << 4;
        guest.set(&host, 6, word).unwrap();
    }
    guest
}

#[test]
fn ids_are_those_of_the_header() {
    for (reg, id) in [
        (OneReg::Csr(0), 0x9030_0000_0001_0000),
        (OneReg::Csr(0x502), 0x9030_0000_0001_2810),
        (OneReg::Cpucfg(2), 0x9030_0000_0004_0010),
        (OneReg::Counter, 0x9030_0000_0002_0001),
        (OneReg::VcpuReset, 0x9030_0000_0002_0002),
        (OneReg::DebugInst, 0x9030_0000_0002_0003),
        (OneReg::Lbt(Lbt::Scr(0)), 0x9030_0000_0005_0001),
        (OneReg::Lbt(Lbt::Scr(1)), 0x9030_0000_0005_0002),
        (OneReg::Lbt(Lbt::Scr(2)), 0x9030_0000_0005_0003),
        (OneReg::Lbt(Lbt::Scr(3)), 0x9030_0000_0005_0004),
        (OneReg::Lbt(Lbt::Eflags), 0x9030_0000_0005_0005),
        (OneReg::Lbt(Lbt::Ftop), 0x9030_0000_0005_0006),
    ] {
        assert_eq!(reg.id(), id);
        assert_eq!(OneReg::from_id(id), Ok(reg));
    }
    assert_eq!(debug_inst(), 0x002b_8101);
}

#[test]
fn refusals() {
    let csr = OneReg::Csr(0).id();
    let unknown = Err(OneRegError::Unknown);
    // 32 bits; the sets without registers; numbers too large; reserved bits.
    assert_eq!(OneReg::from_id(csr ^ 0x10 << 48), Err(OneRegError::Size));
    for id in [
        csr ^ 0x1_0000,
        csr ^ 0x2_0000,
        id::csr(0x800),
        id::csr(0xfff),
        id::cpucfg(21),
        csr | 1,
        csr | 1 << 15,
        csr | 1 << 19,
        csr | 1 << 32,
        csr ^ 0x1000_0000_0000_0000,
        OneReg::Counter.id() ^ 5,
        OneReg::Lbt(Lbt::Ftop).id() + 1,
    ] {
        assert_eq!(OneReg::from_id(id), unknown, "{id:#x}");
    }
}

#[test]
fn opening() {
    let (with, without) = (guest(true, 0, false), guest(false, 0, false));
    let ftop = OneReg::Lbt(Lbt::Ftop);
    let absent = Err(OneRegError::Absent);
    assert_eq!(OneReg::open(ftop.id(), Intent::Get, &with), Ok(ftop));
    assert_eq!(OneReg::open(ftop.id(), Intent::Get, &without), absent);
    assert_eq!(OneReg::open(ftop.id() + 9, Intent::Set, &without), absent);
    let direction = Err(OneRegError::Direction);
    let reset = OneReg::VcpuReset;
    let debug = OneReg::DebugInst;
    assert_eq!(OneReg::open(reset.id(), Intent::Get, &with), direction);
    assert_eq!(OneReg::open(reset.id(), Intent::Set, &with), Ok(reset));
    assert_eq!(OneReg::open(debug.id(), Intent::Set, &with), direction);
    assert_eq!(OneReg::open(debug.id(), Intent::Get, &with), Ok(debug));
    assert_eq!(OneRegError::Absent.errno(), 6);
    assert_eq!(OneRegError::Direction.errno(), 22);
}

#[test]
fn the_list_is_the_state() {
    let has = |guest: &GuestCpucfg, reg: OneReg| list(guest).any(|id| id == reg.id());
    let plain = guest(false, 0, false);
    for csr in [
        number::CRMD,
        number::ESTAT,
        number::CPUID,
        number::DMW0,
        0x313,
    ] {
        assert!(has(&plain, OneReg::Csr(csr)), "{csr:#x}");
    }
    for csr in [number::PGD, number::TICLR, number::GINTC, 0x200, 0xa0, 0x9] {
        assert!(!has(&plain, OneReg::Csr(csr)), "{csr:#x}");
    }
    assert!(has(&plain, OneReg::Counter) && has(&plain, OneReg::Cpucfg(20)));
    assert!(!has(&plain, OneReg::VcpuReset) && !has(&plain, OneReg::DebugInst));
    assert!(!has(&plain, OneReg::Lbt(Lbt::Scr(0))));
    assert_eq!(
        list(&guest(true, 0, false)).count(),
        list(&plain).count() + 6
    );
    assert_eq!(
        list(&guest(false, 3, false)).count(),
        list(&plain).count() + 6
    );
    assert_eq!(
        list(&guest(false, 0, true)).count(),
        list(&plain).count() + 5
    );
}

#[test]
fn whatever_is_listed_can_be_read_and_written() {
    let guest = guest(true, 4, true);
    let ids: HashSet<u64> = list(&guest).collect();
    assert_eq!(ids.len(), list(&guest).count());
    for id in ids {
        assert!(OneReg::open(id, Intent::Get, &guest).is_ok());
        assert!(OneReg::open(id, Intent::Set, &guest).is_ok());
    }
}

proptest! {
    #[test]
    fn an_id_is_unique(bits: u64) {
        for id in [bits, id::ARCH | id::SIZE_U64 | bits & 0x7_ffff] {
            if let Ok(reg) = OneReg::from_id(id) {
                prop_assert_eq!(reg.id(), id);
            }
        }
    }
}
