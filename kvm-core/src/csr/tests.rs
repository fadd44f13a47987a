// SPDX-License-Identifier: GPL-2.0

use super::table::{DB0ADDR, IB0ADDR};
use super::*;
use crate::decode::{csr_access, CsrAccess, CsrOp, Gpr, Gprs};
use la_arch::csr::number as n;
use proptest::prelude::*;

const PLAIN: CsrFeatures = CsrFeatures {
    msgint: false,
    counters: 0,
};

fn run(file: &mut CsrFile, op: CsrOp, number: u16, gprs: &mut Gprs, f: CsrFeatures) -> Emulated {
    let rd = Gpr::new(4);
    emulate(file, CsrAccess { op, number, rd }, gprs, f)
}

/// The short way does what the long one does, or nothing.
#[test]
fn the_short_way_is_the_long_one() {
    let gprs: Gprs = core::array::from_fn(|i| (i as u64).wrapping_mul(0x0123_4567_89ab_cdef));
    let filled = {
        let mut file = CsrFile::new(3);
        for number in 0..0x800 {
            file.set(number, !u64::from(number));
        }
        file
    };
    // rj is 0 for a read, 1 for a write; else it is the mask.
    for (number, rj, rd) in (0..0x4000u16).flat_map(|number| {
        [
            (number, 0, 4),
            (number, 1, 4),
            (number, 1, 0),
            (number, 9, 9),
        ]
    }) {
        let word = 0x0400_0000 | u32::from(number) << 10 | rj << 5 | rd;
        let (mut file, mut after) = (filled.clone(), gprs);
        let access = csr_access(word).unwrap();
        let done = emulate_in_memory(&mut file, access, &mut after);
        let (mut long_file, mut long_after) = (filled.clone(), gprs);
        let counter = (0x200..=0x207).contains(&number);
        assert_eq!(
            done,
            classify(number, PLAIN) == Class::Software && !counter,
            "{number:#x}"
        );
        if done {
            emulate(&mut long_file, access, &mut long_after, PLAIN);
        }
        assert_eq!(after, long_after, "{number:#x}");
        assert!(
            (0..0x800).all(|n| file.get(n) == long_file.get(n)),
            "{number:#x}"
        );
    }
    // cpucfg, iocsrrd.w, idle, none at all.
    for word in [0x6c00, 0x0648_0800, 0x0648_8000, 0, u32::MAX] {
        assert_eq!(csr_access(word), None, "{word:#x}");
    }
}

#[test]
fn classes_are_those_of_linux() {
    // kvm/main.c kvm_init_gcsr_flag without and with cpu_has_msgint.
    let hardware: Vec<u16> = (0..=8)
        .chain([0xc])
        .chain(0x10..=0x13)
        .chain(0x18..=0x23)
        .chain(0x30..=0x37)
        .chain(0x40..=0x44)
        .chain([0x60])
        .chain(0x88..=0x8f)
        .chain(0x180..=0x183)
        .collect();
    let mut software: Vec<u16> = [0x80, 0x81, 0x98, 0x300, 0x301, 0x380, 0x381].into();
    software.extend((0x90..=0x95).chain(0x200..=0x207).chain(0x500..=0x502));
    for base in [DB0ADDR, IB0ADDR] {
        software.extend((0..8).flat_map(|i| (0..4).map(move |j| base + 8 * i + j)));
    }
    let root = [0x15, 0x16, 0x50, 0x51, 0x52, 0x53];
    let msg = [0xa0, 0xa1, 0xa2, 0xa3, 0xa5];
    let msgint = CsrFeatures {
        msgint: true,
        ..PLAIN
    };
    for number in 0..=0x3fff {
        let want = if hardware.contains(&number) {
            Class::Hardware
        } else if software.contains(&number) {
            Class::Software
        } else if root.contains(&number) {
            Class::Root
        } else if number < 0x800 {
            Class::Undefined
        } else {
            Class::Invalid
        };
        assert_eq!(classify(number, PLAIN), want, "{number:#x}");
        let with = if msg.contains(&number) {
            Class::Hardware
        } else {
            want
        };
        assert_eq!(classify(number, msgint), with, "{number:#x}");
        // Whatever has a value has a place for it.
        if matches!(with, Class::Hardware | Class::Software) {
            assert!(CsrFile::slot(number).is_some(), "{number:#x}");
        }
        // Only software copies are written by emulation.
        let rule = write_rule(number);
        assert!(
            want == Class::Software || rule == WriteRule { write: 0, clear: 0 },
            "{number:#x}"
        );
    }
}

#[test]
fn slots_are_dense_and_distinct() {
    let slots: Vec<_> = CsrFile::numbers().filter_map(CsrFile::slot).collect();
    assert_eq!(slots, (0..CsrFile::SLOTS).collect::<Vec<_>>());
    assert_eq!(core::mem::size_of::<CsrFile>(), 8 * CsrFile::SLOTS);
    let mut file = CsrFile::new(0);
    file.set(0x7ff, 1);
    file.set(u16::MAX, 1);
    assert_eq!((file.get(0x7ff), file.get(u16::MAX)), (0, 0));
}

#[test]
fn a_new_vcpu_and_a_reset_one() {
    let mut file = CsrFile::new(3);
    for number in CsrFile::numbers() {
        let want = match number {
            n::CRMD => 8,
            n::TID => 3,
            n::CPUID => 256,
            _ => 0,
        };
        assert_eq!(file.get(number), want, "{number:#x}");
        file.set(number, !0);
    }
    file.set(n::CPUID, 7);
    file.reset(3);
    // All is as in a new one, but the vCPU keeps its name and the CPU's
    // constants: a timer left on or an old LLBCTL is what made guests hang
    // when they rebooted.
    for number in CsrFile::numbers() {
        let want = match number {
            n::CRMD => 8,
            n::TID => 3,
            n::CPUID => 7,
            n::PRCFG1 | n::PRCFG2 | n::PRCFG3 => !0,
            _ => 0,
        };
        assert_eq!(file.get(number), want, "{number:#x}");
    }
}

#[test]
fn csrxchg_returns_the_whole_old_value() {
    let mut file = CsrFile::new(0);
    file.set(n::IMPCTL1, 0x1234_5678);
    let mut gprs: Gprs = [0; 32];
    gprs[4] = 0xffff_ffff;
    gprs[5] = 0xff;
    let op = CsrOp::Exchange { mask: Gpr::new(5) };
    assert_eq!(
        run(&mut file, op, n::IMPCTL1, &mut gprs, PLAIN),
        Emulated::Done
    );
    assert_eq!((gprs[4], gprs[5]), (0x1234_5678, 0xff));
    assert_eq!(file.get(n::IMPCTL1), 0x1234_56ff);
    // csrxchg with one register as both: value and mask are read before.
    let op = CsrOp::Exchange { mask: Gpr::new(4) };
    gprs[4] = 0xf000_0000;
    run(&mut file, op, n::IMPCTL1, &mut gprs, PLAIN);
    assert_eq!((gprs[4], file.get(n::IMPCTL1)), (0x1234_56ff, 0xf234_56ff));
}

#[test]
fn counters_are_lent_to_who_has_them() {
    let mut file = CsrFile::new(0);
    let mut gprs: Gprs = [5; 32];
    for counters in 0..=9u8 {
        let features = CsrFeatures { counters, ..PLAIN };
        for number in n::PERFCTRL0..n::PERFCTRL0 + 0x20 {
            let lent = number < n::PERFCTRL0 + 2 * u16::from(counters.min(4));
            gprs[4] = 5;
            let done = run(&mut file, CsrOp::Read, number, &mut gprs, features);
            assert_eq!(done == Emulated::LendCounters, lent, "{number:#x}");
            assert_eq!(gprs[4], if lent { 5 } else { 0 });
        }
    }
}

proptest! {
    #[test]
    fn emulation_is_reading_and_masked_writing(
        number in 0u16..0x4000,
        old: u64, value: u64, mask: u64, which in 0u8..3,
    ) {
        let mut file = CsrFile::new(0);
        file.set(number, old);
        let before = file.get(number);
        let mut gprs: Gprs = [0; 32];
        gprs[4] = value;
        gprs[6] = mask;
        let (op, mask) = match which {
            0 => (CsrOp::Read, 0),
            1 => (CsrOp::Write, !0),
            _ => (CsrOp::Exchange { mask: Gpr::new(6) }, mask),
        };
        prop_assert_eq!(run(&mut file, op, number, &mut gprs, PLAIN), Emulated::Done);
        let rule = write_rule(number);
        let software = classify(number, PLAIN) == Class::Software;
        prop_assert_eq!(gprs[4], if software { before } else { 0 });
        let changed = before ^ file.get(number);
        prop_assert_eq!(changed & !(mask & (rule.write | rule.clear)), 0);
        prop_assert_eq!(file.get(number) & mask & rule.write, value & mask & rule.write);
        prop_assert_eq!(file.get(number) & mask & value & rule.clear, 0);
    }

    /// What user space reads it can write back; the lines are GINTC's, and
    /// GINTC's other fields are out of its reach.
    #[test]
    fn estat_and_gintc_merge(estat: u64, gintc: u64, value: u64, msgint: bool) {
        let before = Status { estat, gintc };
        let seen = get_estat(before);
        prop_assert_eq!(seen & ESTAT_LINES, (gintc & 0xff) << 2);
        prop_assert_eq!(seen & !ESTAT_LINES, estat & !ESTAT_LINES);

        let after = set_estat(before, value, msgint);
        let fields = 0x7fff_7fff & if msgint { !0 } else { !(1 << 14) };
        prop_assert_eq!(get_estat(after), value & fields);
        prop_assert_eq!(after.estat & ESTAT_LINES, 0);
        prop_assert_eq!(after.gintc & !0xff, gintc & !0xff);
        prop_assert_eq!(set_estat(after, get_estat(after), msgint), after);

        let lines = set_gintc(before, value);
        prop_assert_eq!(lines.gintc, gintc & !0xff | value & 0xff);
        prop_assert_eq!(lines.estat, before.estat);
        prop_assert_eq!(get_gintc(lines), value & 0xff);
    }
}

#[test]
fn masks_of_interrupts_are_linux_s() {
    assert_eq!(ESTAT_LINES, 0x3fc);
    assert_eq!(ESTAT_DIRECT, 0x5c03);
}

#[test]
fn user_space_reaches_what_is_the_guest_s() {
    let access = |number| user_access(number, PLAIN);
    assert_eq!(access(n::ESTAT), Ok(UserCsr::Estat));
    assert_eq!(access(n::CPUID), Ok(UserCsr::Cpuid));
    assert_eq!(access(n::CRMD), Ok(UserCsr::Plain(n::CRMD)));
    assert_eq!(access(0x207), Ok(UserCsr::Counter(0x207)));
    assert_eq!(access(n::GINTC), Ok(UserCsr::Gintc));
    for number in [n::GSTAT, n::GCFG, n::GCNTC, n::GTLBC, n::TRGP, 0x7ff] {
        assert_eq!(access(number), Ok(UserCsr::Ignored));
    }
    assert_eq!(access(0x800), Err(CsrError::Number));
    assert_eq!(CsrError::Number.errno(), 22);
}

#[test]
fn cpuid_is_unique_and_set_once() {
    use PhysIdOwner::{Nobody, Other, This};
    let set = |current, wanted, owner| set_cpuid(current, wanted, |_| owner);
    assert_eq!(set(None, 255, Nobody), Ok(CpuidChange::Assign(255)));
    assert_eq!(set(None, 0, Other), Err(CsrError::Cpuid));
    assert_eq!(set(None, 0, This), Ok(CpuidChange::Unchanged));
    assert_eq!(set(Some(4), 4, This), Ok(CpuidChange::Unchanged));
    assert_eq!(set(Some(4), 5, Nobody), Err(CsrError::Cpuid));
    // What a new vCPU reads.
    assert_eq!(set(None, 256, Nobody), Ok(CpuidChange::Unchanged));
    assert_eq!(set(Some(4), 256, Nobody), Err(CsrError::Cpuid));
    for wanted in [257, 1 << 16, 1 << 32, u64::MAX] {
        assert_eq!(set(None, wanted, Nobody), Err(CsrError::Cpuid));
    }
}

#[test]
fn the_short_test_for_software_csrs_agrees() {
    for features in [
        PLAIN,
        CsrFeatures {
            msgint: true,
            counters: 4,
        },
    ] {
        for number in 0..=u16::MAX {
            let software = classify(number, features) == Class::Software;
            assert_eq!(super::table::is_software(number), software, "{number:#x}");
        }
    }
}
