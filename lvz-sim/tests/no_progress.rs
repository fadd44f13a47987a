// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Lints of hypervisors under which a guest makes no progress, and of such under which it does.

#![allow(clippy::unwrap_used)]

#[path = "assembler/mod.rs"]
#[allow(dead_code)]
mod assembler;

use assembler::*;
use lvz_sim::la_arch::csr::{Crmd, Dmw, Prmd, Pwch, Pwcl, Tcfg, TlbElo, number as n};
use lvz_sim::la_arch::insn::integer as i;
use lvz_sim::la_arch::insn::lvz::HVCL;
use lvz_sim::la_arch::insn::privileged as p;
use lvz_sim::la_arch::lvz::{Gstat, Gtlbc};
use lvz_sim::la_arch::page_table::{PRESENT, WRITE};
use lvz_sim::{Finding, Rule, Simulation};

/// Where the hypervisor is, the handlers of exits and refills, and the guest's two pages.
const BASE: u64 = 0x20_0000;
const EXIT: usize = 0x1000;
const REFILL: usize = 0x2000;
const CODE: usize = 0x3000;
/// Where exits lead, in a direct mapping window.
const HANDLER: u64 = 0x9000_0000_0000_0000 + BASE + EXIT as u64;
/// The guest-physical address of its code; its data are in the next page.
const GUEST: u64 = 0x1_0000;

const ERTN: u32 = plain(&p::ERTN, 0);
const CPUCFG: u32 = word(&i::CPUCFG, A0, A1, 0, 0);
/// A store into the page of data, the address of which is in $t0.
const STORE: u32 = word(&i::ST_D, A0, T0, 0, 0);
const GUESTS_DATA: u32 = lu12i_w(T0, 0x11);

/// Goes on behind the instruction that left.
const GO_ON: [u32; 4] = [
    csrrd(T1, n::ERA),
    addi_d(T1, T1, 4),
    csrwr(T1, n::ERA),
    ERTN,
];
/// Takes the entry of the page of data from the TLB.
const FLUSH: [u32; 4] = [
    lu12i_w(T1, 0x10),
    lu12i_w(T2, 0x11),
    word(&p::INVTLB, 0, T1, T2, 0x16),
    ERTN,
];

const VALID: i32 = TlbElo(0).with_v(true).0 as i32;
const WRITABLE: i32 = TlbElo(0).with_v(true).with_d(true).0 as i32;

/// Fills the guest's two pages, the second with these flags.
const fn fill(flags: i32) -> [u32; 11] {
    [
        csrrd(T1, n::TLBREHI),
        ori(T1, T1, 12),
        csrwr(T1, n::TLBREHI),
        lu12i_w(T1, 0x203),
        ori(T1, T1, WRITABLE),
        csrwr(T1, n::TLBRELO0),
        lu12i_w(T1, 0x204),
        ori(T1, T1, flags),
        csrwr(T1, n::TLBRELO1),
        plain(&p::TLBFILL, 0),
        ERTN,
    ]
}

/// A machine with a hypervisor of these handlers, which enters a guest that has no page yet.
fn machine(exit: &[u32], refill: &[u32], guest: &[u32]) -> Simulation {
    machine_of("la464", exit, refill, guest)
}

fn machine_of(model: &str, exit: &[u32], refill: &[u32], guest: &[u32]) -> Simulation {
    let parts = [
        (0, &[ERTN][..]),
        (EXIT, exit),
        (REFILL, refill),
        (CODE, guest),
    ];
    let builder = Simulation::builder().memory(16 << 20).lints();
    let builder = builder.cpu(model.parse().unwrap());
    let mut machine = builder.program(BASE, image(&parts)).build().unwrap();
    for (number, value) in [
        // Behind a refill root is in mapped mode.
        (n::DMW0, Dmw(0).with_plv(1).with_vseg(9).0),
        (n::EENTRY, HANDLER),
        (n::TLBRENTRY, BASE + REFILL as u64),
        (n::GTLBC, Gtlbc(0).with_usetgid(true).with_tgid(1).0),
        (n::GSTAT, Gstat(0).with_pgm(true).with_gid(1).0),
        (n::PRMD, Prmd(0).with_pie(true).0),
        (n::ERA, GUEST),
    ] {
        machine.set_csr(0, number, value).unwrap();
    }
    let direct = Crmd(0).with_da(true).0;
    machine.set_guest_csr(0, n::CRMD, direct).unwrap();
    machine
}

fn findings(mut machine: Simulation) -> Vec<Finding> {
    machine.run(50_000);
    machine.findings()
}

#[test]
fn an_instruction_that_never_completes() {
    // The handler forgets to go on behind the instruction.
    for (instruction, name) in [
        (CPUCFG, "`cpucfg $a0, $a1`"),
        (plain(&HVCL, 0), "`hvcl 0x0`"),
    ] {
        let found = findings(machine(&[ERTN], &fill(WRITABLE), &[instruction]));
        let [finding] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(finding.rule, Rule::ExitLoop);
        assert_eq!(finding.place, Some((0, GUEST)));
        let line = finding.to_string();
        assert!(line.contains(name) && line.contains("200 exits"), "{line}");
    }
}

#[test]
fn interrupts_in_between_are_no_progress() {
    let mut machine = machine(&[ERTN], &fill(WRITABLE), &[CPUCFG]);
    // Root's timer interrupts each 400 instructions; nothing acknowledges it.
    machine.set_csr(0, n::ECFG, 1 << 11).unwrap();
    let timer = Tcfg(0).with_en(true).with_periodic(true);
    machine.set_csr(0, n::TCFG, timer.0 | 40).unwrap();
    let handler = [ori(T0, ZERO, 1), csrwr(T0, n::TICLR), ERTN];
    machine
        .write_memory(BASE + EXIT as u64, &image(&[(0, &handler)]))
        .unwrap();
    let found = findings(machine);
    let rules: Vec<Rule> = found.iter().map(|finding| finding.rule).collect();
    assert_eq!(rules, [Rule::ExitLoop], "{found:?}");
}

#[test]
fn a_refill_that_fills_nothing() {
    let found = findings(machine(&[ERTN], &[ERTN], &[CPUCFG]));
    let [finding] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(
        (finding.rule, finding.place),
        (Rule::ExitLoop, Some((0, GUEST)))
    );
    let line = finding.to_string();
    for part in ["PIF (refill) exit", "badv=0x10000"] {
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn a_store_to_an_entry_that_nothing_took_away() {
    let guest = [GUESTS_DATA, STORE, b(-1)];
    let store = Some((0, GUEST + 4));
    let ertn = Some((0, HANDLER));
    let rules = |exit: &[u32], flags| {
        let found = findings(machine(exit, &fill(flags), &guest));
        found.iter().map(|f| (f.rule, f.place)).collect::<Vec<_>>()
    };
    let lasting = [(Rule::StaleEntry, ertn), (Rule::ExitLoop, store)];
    assert_eq!(rules(&[ERTN], VALID), lasting, "D=0");
    assert_eq!(rules(&[ERTN], 0), lasting, "V=0");
    // Flushed, and filled with the same again.
    for flags in [VALID, 0] {
        assert_eq!(rules(&FLUSH, flags), [(Rule::ExitLoop, store)]);
    }
    // Emulated: the entry may stay as it is.
    assert_eq!(rules(&GO_ON, VALID), []);
}

#[test]
fn a_store_that_is_mended() {
    let mut machine = machine(&FLUSH, &fill(VALID), &[GUESTS_DATA, STORE, b(-1)]);
    while machine.pc(0) != Some(HANDLER) {
        assert_eq!(machine.step(0), None);
    }
    // What is filled after the flush has D set.
    let flags = fill(WRITABLE);
    let refill = BASE + REFILL as u64;
    machine
        .write_memory(refill, &image(&[(0, &flags)]))
        .unwrap();
    assert_eq!(findings(machine), []);
}

#[test]
fn guests_that_make_progress() {
    // One instruction is emulated again and again.
    let cpucfg = [CPUCFG, b(-1)];
    assert_eq!(findings(machine(&GO_ON, &fill(WRITABLE), &cpucfg)), []);
    let mmio = [GUESTS_DATA, STORE, b(-1)];
    assert_eq!(findings(machine(&GO_ON, &fill(0), &mmio)), []);
    // The guest waits for an interrupt, and the hypervisor enters it again until one comes.
    let idle = [plain(&p::IDLE, 0)];
    assert_eq!(findings(machine(&[ERTN], &fill(WRITABLE), &idle)), []);
}

/// The walker looks into the tables again where V is clear, so that the entry may stay.
#[test]
fn entries_that_the_hardware_walks_again() {
    const TABLE: u64 = 0x20_5000;
    let guest = [GUESTS_DATA, STORE];
    let mut machine = machine_of("la664", &[ERTN], &[], &guest);
    // One table, with the page of code alone: the other page of the pair has V=0 in the TLB.
    let page = (BASE + CODE as u64) | WRITABLE as u64 | PRESENT | WRITE;
    machine
        .write_memory(TABLE + 8 * (GUEST >> 12), &page.to_le_bytes())
        .unwrap();
    for (number, value) in [
        (n::PGDL, TABLE),
        (n::PWCL, Pwcl(0).with_pt_base(12).with_pt_width(9).0),
        (n::PWCH, Pwch(0).with_hptw_en(true).0),
    ] {
        machine.set_csr(0, number, value).unwrap();
    }
    let found = findings(machine);
    let rules: Vec<_> = found.iter().map(|f| (f.rule, f.place)).collect();
    assert_eq!(rules, [(Rule::ExitLoop, Some((0, GUEST + 4)))], "{found:?}");
}
