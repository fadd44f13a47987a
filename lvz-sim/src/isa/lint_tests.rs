// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What `--trace lint` reports, and what it leaves alone.

use super::testing::{In, Machine, PC};
use crate::cpu::{Stop, Via};
use crate::finding::Rule;
use crate::trace::Trace;
use la_arch::Exception;
use la_arch::csr::{Crmd, Dmw, Prmd, Pwch, Pwcl, TlbEhi, TlbElo, TlbIdx, number as n};
use la_arch::insn::{Encoding, lvz, privileged as p};
use la_arch::lvz::{Gcfg, Gstat, Gtlbc};
use la_arch::page_table::{HUGE, PRESENT};

const VA: u64 = 0x10_0000;
const PA: u64 = 0x20_0000;
const GID: u64 = 1;
/// Tables of two levels, with pages of 4 KiB.
const PWCL: Pwcl = Pwcl(0)
    .with_pt_base(12)
    .with_pt_width(9)
    .with_dir1_base(21)
    .with_dir1_width(9);

fn machine() -> Machine {
    of("la464")
}

fn of(model: &str) -> Machine {
    let mut machine = Machine::of(model.parse().unwrap());
    machine.cpu.set_trace(Trace {
        lint: true,
        ..Trace::default()
    });
    machine
}

impl Machine {
    fn set(&mut self, number: u16, value: u64) {
        self.cpu.csr_write(&mut self.bus, Via::Csr, number, value);
    }

    fn ertn(&mut self) {
        assert_eq!(self.exec(&p::ERTN, In::default()), Err(Stop::Jump));
        self.cpu.settle();
    }

    fn invtlb(&mut self, op: u8, info: u64) {
        let input = In {
            rj: info,
            rk: VA,
            ..In::default()
        };
        let step = self.exec_with(&p::INVTLB, input, |fields| fields.rd = op);
        assert_eq!(step, Ok(()));
    }

    /// The instruction at `pc` causes an exception, as recorded.
    fn deliver(&mut self, pc: u64) {
        self.cpu.deliver(&mut self.bus, pc, None);
        self.cpu.settle();
    }

    /// Fills an entry for `VA`: the host's, or of stage 2 while GTLBC names a GID.
    fn map(&mut self, valid: bool) {
        let page = |pa: u64| TlbElo(0).with_v(valid).with_d(true).with_ppn(pa >> 12).0;
        for (number, value) in [
            (n::TLBIDX, TlbIdx(0).with_ps(14).0),
            (n::TLBEHI, TlbEhi(VA).0),
            (n::TLBELO0, page(PA)),
            (n::TLBELO1, page(PA + 0x4000)),
        ] {
            self.set(number, value);
        }
        self.cpu.tlb_fill(self.cpu.tlb_scope());
    }

    /// `tlbfill` or `tlbwr` of a pair of pages of 2^`ps` bytes.
    fn write_entry(&mut self, encoding: &Encoding, ps: u64, even: TlbElo, odd: TlbElo) {
        for (number, value) in [
            (n::TLBIDX, TlbIdx(0).with_ps(ps).0),
            (n::TLBEHI, TlbEhi(VA).0),
            (n::TLBELO0, even.0),
            (n::TLBELO1, odd.0),
        ] {
            self.set(number, value);
            self.cpu.csr_write(&mut self.bus, Via::Gcsr, number, value);
        }
        assert_eq!(self.exec(encoding, In::default()), Ok(()));
    }

    fn name_guest(&mut self) {
        self.set(n::GTLBC, Gtlbc(0).with_usetgid(true).with_tgid(GID).0);
    }

    /// What has been reported since the last call.
    fn found(&mut self) -> Vec<Rule> {
        self.cpu.lints.take_reported()
    }
}

#[test]
fn writes_of_bits_that_a_register_has_not() {
    let mut machine = machine();
    for (number, value, rule) in [
        // PRTOS's guest had its entry here.
        (n::EENTRY, 0xa00_66e0, Rule::EntryAlignment),
        (n::TLBRENTRY, 0x1234, Rule::EntryAlignment),
        (n::MERRENTRY, 0x10, Rule::EntryAlignment),
        (n::PRMD, 1 << 5, Rule::DroppedBits),
        (n::GCFG, Gcfg(0).with_topi(true).0, Rule::DroppedBits),
        (n::CPUID, 1, Rule::DroppedBits),
        (n::EUEN, 1 << 7, Rule::DroppedBits),
    ] {
        machine.write(Via::Csr, number, value);
        assert_eq!(machine.found(), [rule], "{number:#x}");
    }
    machine.write(Via::Gcsr, n::EENTRY, 4);
    assert_eq!(machine.found(), [Rule::EntryAlignment]);
    for (number, value) in [
        (n::EENTRY, 0x9000_0000_0020_0000),
        (n::TLBRENTRY, 0x9000_0000_0020_0000),
        // One clears, and reads zero.
        (n::TICLR, 1),
        // Page table entries have bits of software.
        (n::TLBELO0, 0xfff),
        // Read-only fields written with zero.
        (n::ASID, 5),
        // Sign-extended on reading.
        (n::TLBEHI, 0xffff_8000_0000_0000),
    ] {
        machine.write(Via::Csr, number, value);
        assert_eq!(machine.found(), [], "{number:#x}");
    }
}

#[test]
fn a_place_is_reported_once() {
    let mut machine = machine();
    let mut count = 0;
    for _ in 0..3 {
        machine.write(Via::Csr, n::EENTRY, 4);
        count += machine.cpu.lints.count();
    }
    assert_eq!(count, 3, "the same one");
}

#[test]
fn registers_that_a_guest_has_not() {
    let mut machine = machine();
    machine.write(Via::Gcsr, n::DSAVE, 0);
    assert_eq!(machine.found(), [Rule::NoGuestRegister]);
    for number in [n::CRMD, n::SAVE0 + 7, n::TICLR, n::DMW0 + 3, n::ESTAT] {
        machine.write(Via::Gcsr, number, 0);
        assert_eq!(machine.found(), [], "{number:#x}");
    }
}

#[test]
fn counters_are_a_guests_while_they_are_lent() {
    let mut machine = of("la664");
    machine.write(Via::Gcsr, n::PERFCNTR0, 0);
    assert_eq!(machine.found(), [Rule::NoGuestRegister]);
    machine.set(n::GCFG, Gcfg(0).with_gpmnum(1).0);
    for number in [n::PERFCTRL0, n::PERFCNTR0] {
        machine.write(Via::Gcsr, number, 0);
        assert_eq!(machine.found(), [], "{number:#x}");
    }
    machine.write(Via::Gcsr, n::PERFCNTR0 + 2, 0);
    assert_eq!(machine.found(), [Rule::NoGuestRegister]);
}

#[test]
fn invtlb_of_no_guest() {
    let mut machine = machine();
    machine.invtlb(0x16, GID << 16);
    assert_eq!(machine.found(), []);
    machine.invtlb(0x16, 0);
    assert_eq!(machine.found(), [Rule::InvtlbGid]);
}

#[test]
fn a_handler_that_nothing_maps() {
    let mut machine = machine();
    machine.set(n::EENTRY, VA);
    let mut syscall = |prepare: &dyn Fn(&mut Machine)| {
        prepare(&mut machine);
        machine.cpu.raise(Exception::SYS);
        machine.deliver(PC);
        machine.ertn();
        machine.found()
    };
    // In direct mode every address is one of memory.
    assert_eq!(syscall(&|_| ()), []);
    let mapped = |machine: &mut Machine| machine.set(n::CRMD, Crmd(0).with_pg(true).0);
    assert_eq!(syscall(&mapped), [Rule::HandlerUnmapped]);
    assert_eq!(syscall(&|machine| machine.map(true)), []);
    let window = Dmw(0).with_plv(1).with_vseg(9).0;
    assert_eq!(
        syscall(&|machine| {
            machine.set(n::EENTRY, 0x9000_0000_0020_0000);
            machine.set(n::DMW0, window);
        }),
        []
    );
    // A refill does not go there.
    machine.set(n::DMW0, 0);
    machine.cpu.raise_at(Exception::PIL, 8);
    machine.cpu.trap.refill = true;
    machine.deliver(PC);
    assert_eq!(machine.found(), []);
}

#[test]
fn a_handler_that_faults_itself() {
    let mut machine = machine();
    for _ in 0..20 {
        machine.cpu.raise(Exception::INE);
        machine.deliver(0);
    }
    assert_eq!(machine.found(), [Rule::HandlerFaults]);
    // A loop of system calls returns from each.
    for _ in 0..1000 {
        machine.cpu.raise(Exception::SYS);
        machine.deliver(PC);
        machine.ertn();
    }
    assert_eq!(machine.found(), []);
}

#[test]
fn a_handler_that_mends_nothing() {
    let mut machine = machine();
    machine.set(n::DMW0, Dmw(0).with_plv(1).0);
    for _ in 0..1000 {
        // A refill brings an invalid entry in, then the page fault comes.
        machine.cpu.raise_at(Exception::PIL, 8);
        machine.cpu.trap.refill = true;
        machine.deliver(PC);
        machine.ertn();
        machine.cpu.raise_at(Exception::PIL, 8);
        machine.deliver(PC);
        machine.ertn();
    }
    assert_eq!(machine.found(), [Rule::Unmended]);
    // Software may emulate what is not there, as often as it likes.
    for _ in 0..1000 {
        machine.cpu.raise_at(Exception::ALE, 9);
        machine.deliver(PC);
        machine.ertn();
    }
    // Each at another address.
    for address in 0..1000 {
        machine.cpu.raise_at(Exception::PIL, address << 12);
        machine.deliver(PC);
        machine.ertn();
    }
    assert_eq!(machine.found(), []);
}

#[test]
fn entries_with_interrupts_off_and_exceptions_with_pgm_set() {
    let mut machine = machine();
    machine.set(n::GSTAT, Gstat(0).with_pgm(true).with_gid(GID).0);
    machine.set(n::ERA, PC);
    machine.cpu.raise(Exception::INE);
    machine.deliver(PC);
    assert_eq!(machine.found(), [Rule::RootException]);
    machine.set(n::PRMD, Prmd(0).with_pie(true).0);
    machine.ertn();
    assert!(machine.cpu.in_guest());
    assert_eq!(machine.found(), []);
    machine.cpu.raise_to_root(Exception::HVC);
    machine.deliver(PC);
    machine.set(n::PRMD, 0);
    machine.ertn();
    assert_eq!(machine.found(), [Rule::EntryInterruptsOff]);
}

#[test]
fn an_entry_with_v_clear_that_nothing_took_away() {
    for flushed in [false, true] {
        let mut machine = machine();
        machine.name_guest();
        machine.map(false);
        machine.set(n::GSTAT, Gstat(0).with_pgm(true).with_gid(GID).0);
        machine.set(n::ERA, PC);
        machine.set(n::PRMD, Prmd(0).with_pie(true).0);
        machine.ertn();
        assert!(machine.cpu.in_guest());
        // The guest is in direct address mode.
        let step = machine.cpu.load::<u64>(&mut machine.bus, VA);
        assert_eq!(step, Err(Stop::Trap));
        machine.deliver(PC);
        assert!(!machine.cpu.in_guest());
        if flushed {
            machine.invtlb(0x16, GID << 16);
        }
        machine.ertn();
        let expected: &[Rule] = if flushed { &[] } else { &[Rule::StaleEntry] };
        assert_eq!(machine.found(), expected);
    }
}

#[test]
fn bases_of_page_tables_with_flags() {
    let mut machine = machine();
    machine.set(n::PWCL, PWCL.0);
    machine.set(n::TLBRBADV, VA);
    for encoding in [&p::LDDIR, &p::LDPTE] {
        for (base, rules) in [
            (PA, &[][..]),
            // Above the physical address.
            (PA | 1 << 60, &[]),
            (PA | HUGE, &[]),
            (PA | 1, &[Rule::WalkBase]),
            (PA | 0x800, &[Rule::WalkBase]),
        ] {
            let input = In {
                rj: base,
                imm: 1,
                ..In::default()
            };
            assert_eq!(machine.exec(encoding, input), Ok(()));
            assert_eq!(machine.found(), rules, "{} {base:#x}", encoding.name);
        }
    }
}

#[test]
fn bases_with_flags_that_the_hardware_walks() {
    for (flags, rules) in [(0, &[][..]), (PRESENT, &[Rule::WalkBase])] {
        let mut machine = of("la664");
        let (directory, table) = (PA, PA + 0x1000);
        let page = TlbElo(PRESENT).with_v(true).with_ppn(PA >> 12);
        machine.set_memory(directory, table | flags);
        machine.set_memory(table + 8 * (VA >> 12 & 0x1ff), page.0);
        machine.set(n::PWCL, PWCL.0);
        machine.set(n::PWCH, Pwch(0).with_hptw_en(true).0);
        machine.set(n::PGDL, directory);
        machine.set(n::CRMD, Crmd(0).with_pg(true).0);
        assert!(machine.cpu.load::<u64>(&mut machine.bus, VA).is_ok());
        assert_eq!(machine.found(), rules);
    }
}

#[test]
fn mapped_accesses_of_root_with_a_guest_named() {
    let mut machine = machine();
    machine.map(true);
    machine.set(n::CRMD, Crmd(0).with_pg(true).0);
    assert!(machine.cpu.load::<u64>(&mut machine.bus, VA).is_ok());
    assert_eq!(machine.found(), []);
    // What is cached of the page must not hide the access.
    machine.name_guest();
    assert!(machine.cpu.load::<u64>(&mut machine.bus, VA).is_ok());
    assert_eq!(machine.found(), [Rule::RootLookup]);
    machine.set(n::GTLBC, 0);
    assert!(machine.cpu.load::<u64>(&mut machine.bus, VA).is_ok());
    assert_eq!(machine.found(), []);
}

#[test]
fn entries_whose_pages_begin_within_a_page() {
    let mut machine = machine();
    let page = |pa: u64| TlbElo(0).with_v(true).with_ppn(pa >> 12);
    let none = TlbElo(0);
    for encoding in [&p::TLBWR, &p::TLBFILL, &lvz::GTLBWR, &lvz::GTLBFILL] {
        for (ps, even, odd, rules) in [
            (14, page(PA), page(PA + 0x4000), &[][..]),
            (12, page(PA), page(PA + 0x1000), &[]),
            (21, page(PA), page(2 * PA), &[]),
            // An invalid page may have anything.
            (14, none.with_ppn(PA >> 12 | 1), none, &[]),
            // There are no such pages: nothing is written.
            (45, page(PA + 0x1000), none, &[]),
            (14, page(PA + 0x1000), none, &[Rule::PageAddress]),
            (14, none, page(PA + 0x2000), &[Rule::PageAddress]),
            (21, page(PA), page(PA + 0x10_0000), &[Rule::PageAddress]),
        ] {
            machine.write_entry(encoding, ps, even, odd);
            assert_eq!(machine.found(), rules, "{} {ps}", encoding.name);
        }
    }
    // `tlbwr` with NE removes.
    machine.write_entry(&p::TLBFILL, 14, page(PA), none);
    machine.set(n::TLBIDX, TlbIdx(0).with_ps(14).with_ne(true).0);
    machine.set(n::TLBELO0, page(PA + 0x1000).0);
    assert_eq!(machine.exec(&p::TLBWR, In::default()), Ok(()));
    assert_eq!(machine.found(), []);
    // Of two in one place the first is shown.
    machine.write_entry(&p::TLBWR, 14, page(PA + 0x1000), page(PA + 0x2000));
    assert_eq!(machine.found(), [Rule::PageAddress]);
}
