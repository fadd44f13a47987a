// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The lines of `--trace insn`, and which of them each filter leaves: a program on two CPUs
//! with user code and a guest.

#![allow(clippy::expect_used, clippy::panic)]

#[path = "assembler/mod.rs"]
#[allow(dead_code)]
mod assembler;

use assembler::*;
use lvz_sim::la_arch::csr::number as n;
use lvz_sim::la_arch::insn::integer as i;
use lvz_sim::la_arch::insn::lvz::HVCL;
use lvz_sim::la_arch::insn::privileged as p;
use std::process::Command;

const PAGE: usize = 0x1000;
/// A doubleword that starts CPU 1 at its program: its mailbox 0 (IOCSR MAIL_SEND).
const MAIL: [u32; 2] = [1 << 31 | 1 << 16, 0x20_0100];
const IDLE: u32 = plain(&p::IDLE, 0);
const ERTN: u32 = plain(&p::ERTN, 0);

/// CPU 0: starts CPU 1, waits for its interrupt, and goes to user code.
const BEGIN: [u32; 23] = [
    lu12i_w(T0, 0x200),
    word(&i::LD_D, T1, T0, 0, 0xf0),
    lu12i_w(T2, 1),
    ori(T2, T2, 0x48),
    word(&p::IOCSRWR_D, T1, T2, 0, 0),
    addi_d(T2, T2, -8),
    lu12i_w(T1, 0x80010 - (1 << 20)),
    word(&p::IOCSRWR_W, T1, T2, 0, 0),
    // The enable of its own interrupts between CPUs, in the controller and the CPU.
    lu12i_w(T1, 1),
    addi_d(T2, T1, 4),
    addi_d(A0, ZERO, -1),
    word(&p::IOCSRWR_W, A0, T2, 0, 0),
    csrwr(T1, n::ECFG),
    IDLE,
    csrwr(ZERO, n::ECFG),
    lu12i_w(T0, 0x201),
    csrwr(T0, n::EENTRY),
    addi_d(T0, ZERO, 3),
    csrwr(T0, n::PRMD),
    lu12i_w(T0, 0x200),
    ori(T0, T0, 0x200),
    csrwr(T0, n::ERA),
    ERTN,
];

/// CPU 1: interrupts CPU 0.
const OTHER: [u32; 6] = [
    csrwr(ZERO, n::ECFG),
    lu12i_w(T1, 0x80000 - (1 << 20)),
    lu12i_w(T2, 1),
    ori(T2, T2, 0x40),
    word(&p::IOCSRWR_W, T1, T2, 0, 0),
    IDLE,
];

const USER: [u32; 2] = [addi_d(A1, ZERO, 3), plain(&i::SYSCALL, 0)];

/// Maps the guest's page, and enters.
const ENTER: [u32; 27] = [
    lu12i_w(T0, 0x202),
    csrwr(T0, n::EENTRY),
    lu12i_w(T0, 0x11),
    csrwr(T0, n::GTLBC),
    lu12i_w(T0, 0xc000),
    csrwr(T0, n::TLBIDX),
    lu12i_w(T0, 0x10),
    csrwr(T0, n::TLBEHI),
    lu12i_w(T0, 0x203),
    ori(T0, T0, 0x13),
    csrwr(T0, n::TLBELO0),
    plain(&p::TLBFILL, 0),
    csrwr(ZERO, n::TLBELO0),
    plain(&p::TLBSRCH, 0),
    plain(&p::TLBRD, 0),
    addi_d(T0, ZERO, 8),
    gcsrwr(T0, n::CRMD),
    gcsrwr(ZERO, n::SAVE0),
    lu12i_w(T0, 0x10),
    ori(T0, T0, 2),
    csrwr(T0, n::GSTAT),
    addi_d(T0, ZERO, 4),
    csrwr(T0, n::PRMD),
    lu12i_w(T0, 0x10),
    csrwr(T0, n::ERA),
    csrrd(T0, n::ERA),
    ERTN,
];

/// Goes on behind the first `hvcl`, and powers off at the second.
const EXIT: [u32; 10] = {
    let [first, second, third] = power_off();
    [
        csrrd(T0, n::ERA),
        addi_d(T0, T0, 4),
        csrwr(T0, n::ERA),
        // That of the `hvcl`.
        word(&i::ANDI, T1, T0, 0, 4),
        word(&i::BEQZ, 0, T1, 0, 5),
        first,
        second,
        third,
        b(0),
        ERTN,
    ]
};

const GUEST: [u32; 4] = [
    addi_d(T0, ZERO, 42),
    csrwr(T0, n::SAVE0),
    plain(&HVCL, 0),
    plain(&HVCL, 1),
];

/// The lines of a run with these options.
fn lines(options: &[&str]) -> Vec<String> {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("program");
    let parts = [
        (0, &BEGIN[..]),
        (0xf0, &MAIL),
        (0x100, &OTHER),
        (0x200, &USER),
        (PAGE, &ENTER),
        (2 * PAGE, &EXIT),
        (3 * PAGE, &GUEST),
    ];
    std::fs::write(&file, image(&parts)).expect("a file");
    let mut load = file.into_os_string();
    load.push("@0x200000");
    let output = Command::new(env!("CARGO_BIN_EXE_lvz-sim"))
        .args(["run", "--memory", "64M", "--smp", "2", "--load"])
        .arg(load)
        .args(options)
        .output()
        .expect("the simulator's output");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    let traced = text.lines().filter(|line| line.starts_with('['));
    traced.map(str::to_owned).collect()
}

/// The lines of the whole run, in the order in which they come.
const WHOLE: &str = include_str!("trace.txt");

#[test]
fn whole_lines() {
    let found = lines(&["--trace", "insn"]);
    for (found, expected) in found.iter().zip(WHOLE.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), WHOLE.lines().count());
}

/// Where lines of other traces come among those of instructions.
#[test]
fn exceptions_and_entries_have_their_places() {
    let all = lines(&["--trace", "insn,exceptions,guest"]);
    let is_instruction =
        |line: &&String| line.split(' ').nth(4).is_some_and(|at| at.ends_with(':'));
    let instructions: Vec<&str> = all
        .iter()
        .filter(is_instruction)
        .map(String::as_str)
        .collect();
    assert!(WHOLE.lines().eq(instructions.iter().copied()));
    let around = |what: &str, before: &str, behind: &str| {
        let found = all.windows(3).filter(|lines| lines[1].contains(what));
        let mut count = 0;
        for lines in found {
            assert!(lines[0].contains(before), "{lines:?}");
            assert!(lines[2].contains(behind), "{lines:?}");
            count += 1;
        }
        assert!(count > 0, "no {what}");
    };
    // Behind what raised it, and before the instruction that has the same number.
    around(
        "[25] cpu0 root plv3 SYS",
        "[24] cpu0 root plv3",
        "[25] cpu0 root plv0",
    );
    around(" HVC exit ", " hvcl ", " root plv0 0x202000: ");
    around(" enters guest ", " root plv0 ", " ertn ");
}

/// The words of a line up to the address: number, CPU, mode, level, address.
fn place(line: &str) -> (&str, &str, &str, u64) {
    let words: Vec<&str> = line.split([' ', ':']).collect();
    let [_, cpu, mode, level, address, ..] = words.as_slice() else {
        panic!("{line}");
    };
    let digits = address.strip_prefix("0x").expect("an address");
    let address = u64::from_str_radix(digits, 16).expect("an address");
    (cpu, mode, level, address)
}

#[test]
fn each_filter_leaves_its_lines() {
    type Wanted = fn((&str, &str, &str, u64)) -> bool;
    let filters: [(&str, Wanted); 7] = [
        ("cpu=1", |(cpu, ..)| cpu == "cpu1"),
        ("plv=3", |(_, _, level, _)| level == "plv3"),
        ("mode=host", |(_, mode, ..)| mode == "root"),
        ("mode=guest", |(_, mode, ..)| mode == "guest"),
        ("pc=200204-201004", |(.., at)| {
            (0x20_0204..=0x20_1004).contains(&at)
        }),
        ("cpu=0,plv=0,mode=guest,pc=10004-10008", |(.., at)| {
            matches!(at, 0x1_0004 | 0x1_0008)
        }),
        ("plv=3,mode=guest", |_| false),
    ];
    for (filter, wanted) in filters {
        let expected: Vec<&str> = WHOLE.lines().filter(|line| wanted(place(line))).collect();
        assert!(expected.len() < WHOLE.lines().count(), "{filter}");
        assert_eq!(lines(&["--trace-only", filter]), expected, "{filter}");
    }
}

#[test]
fn a_site_leaves_what_the_host_does_for_its_exits() {
    let directory = tempfile::tempdir().expect("a directory");
    let figures = directory.path().join("figures.json");
    let figures = figures.to_str().expect("a path of text");
    // From the first `hvcl` to the next entry, from the second to the end, and no exit.
    for (site, numbers) in [("10008", 55..61), ("1000c", 62..71), ("10004", 0..0)] {
        let wanted = |line: &&str| {
            let number = line.trim_start_matches('[').split(']').next();
            let number: u64 = number.and_then(|text| text.parse().ok()).expect("a number");
            line.contains(" cpu0 ") && numbers.contains(&number)
        };
        let expected: Vec<&str> = WHOLE.lines().filter(wanted).collect();
        assert_eq!(expected.len() as u64, numbers.end - numbers.start);
        let found = lines(&["--stats", figures, "--stats-sites", "--trace-site", site]);
        assert_eq!(found, expected, "{site}");
    }
}
