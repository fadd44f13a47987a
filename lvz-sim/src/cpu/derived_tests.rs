// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What is cached of translations follows the CSRs and the entries that they depend on.

use super::{Cpu, Model, Stop, Via};
use crate::mem::{Bus, Ram};
use crate::mmu::STLB_SIZE;
use crate::platform::{Platform, PlatformConfig};
use crate::world::World;
use la_arch::Exception;
use la_arch::csr::{Crmd, Dmw, Misc, StlbPs, TlbEhi, TlbElo, TlbIdx, number as n};
use la_arch::lvz::Gtlbc;
use std::sync::Arc;

/// An address, and where the TLB says it is.
const VA: u64 = 0x10_0000;
const PA: u64 = 0x20_0000;

fn machine() -> (Cpu, Bus) {
    let ram = Ram::new(16 << 20).expect("memory for a test");
    let platform =
        Platform::new(PlatformConfig::default(), ram.map.clone()).expect("a machine without files");
    let mut bus = Bus::new(ram, platform, 1);
    for (pa, value) in [(VA, 1u64), (PA, 2)] {
        let offset = bus.ram.offset(pa).expect("an address in memory");
        bus.ram.write(offset, value);
    }
    (Cpu::new(0, Arc::new(Model::default())), bus)
}

/// Fills an entry for `VA` of the kind that root's registers describe.
fn map(cpu: &mut Cpu, bus: &mut Bus, dirty: bool) {
    let page = |pa: u64| TlbElo(0).with_v(true).with_d(dirty).with_ppn(pa >> 12).0;
    for (number, value) in [
        (n::TLBIDX, TlbIdx(0).with_ps(14).0),
        (n::TLBEHI, TlbEhi(VA).0),
        (n::TLBELO0, page(PA)),
        (n::TLBELO1, page(PA + 0x4000)),
    ] {
        cpu.csr_write(bus, Via::Csr, number, value);
    }
    cpu.tlb_fill(cpu.tlb_scope());
}

#[test]
fn a_new_stlb_page_size_hides_the_entries_of_the_old_one() {
    let (mut cpu, mut bus) = machine();
    map(&mut cpu, &mut bus, true);
    cpu.csr_write(&mut bus, Via::Csr, n::CRMD, Crmd(0).with_pg(true).0);
    assert_eq!(cpu.load::<u64>(&mut bus, VA), Ok(2));
    let small = StlbPs(0).with_ps(12).0;
    cpu.csr_write(&mut bus, Via::Csr, n::STLBPS, small);
    assert_eq!(cpu.load::<u64>(&mut bus, VA), Err(Stop::Trap));
    assert!(cpu.trap.refill);
}

#[test]
fn the_first_window_hides_the_tlb() {
    let (mut cpu, mut bus) = machine();
    map(&mut cpu, &mut bus, true);
    cpu.csr_write(&mut bus, Via::Csr, n::CRMD, Crmd(0).with_pg(true).0);
    assert_eq!(cpu.load::<u64>(&mut bus, VA), Ok(2));
    cpu.csr_write(&mut bus, Via::Csr, n::DMW0, Dmw(0).with_plv(1).0);
    assert_eq!(cpu.load::<u64>(&mut bus, VA), Ok(1));
}

#[test]
fn roots_dirty_check_is_that_of_stage_2() {
    let (mut cpu, mut bus) = machine();
    let gtlbc = Gtlbc(0).with_usetgid(true).with_tgid(1).0;
    cpu.csr_write(&mut bus, Via::Csr, n::GTLBC, gtlbc);
    map(&mut cpu, &mut bus, false);
    cpu.csr_write(&mut bus, Via::Csr, n::MISC, Misc(0).with_dwpl(1).0);
    cpu.switch_to(World::Guest);
    cpu.settle();
    assert_eq!(cpu.store(&mut bus, VA, 3u64), Ok(()));
    assert_eq!(cpu.load::<u64>(&mut bus, VA), Ok(3));
    cpu.switch_to(World::Root);
    cpu.settle();
    cpu.csr_write(&mut bus, Via::Csr, n::MISC, 0);
    cpu.switch_to(World::Guest);
    cpu.settle();
    assert_eq!(cpu.store(&mut bus, VA, 4u64), Err(Stop::Trap));
    assert_eq!(cpu.trap.exception, Exception::PME);
    assert!(cpu.trap.to_root);
}

/// Another address than `VA`, and what is there.
const OTHER: u64 = 0x30_0000;
const OTHER_VALUE: u64 = 3;

/// A machine in mapped mode with two values in memory for `VA` to be mapped to.
fn mapped() -> (Cpu, Bus) {
    let (mut cpu, mut bus) = machine();
    let offset = bus.ram.offset(OTHER).expect("an address in memory");
    bus.ram.write(offset, OTHER_VALUE);
    cpu.csr_write(&mut bus, Via::Csr, n::CRMD, Crmd(0).with_pg(true).0);
    (cpu, bus)
}

/// A pair of pages at `VA`, both at one physical address.
#[derive(Clone, Copy)]
struct Pair {
    pa: u64,
    ps: u64,
    g: bool,
    asid: u64,
}

/// Pages of 4 KiB, which the MTLB alone can have.
const SMALL: Pair = Pair {
    pa: PA,
    ps: 12,
    g: false,
    asid: 0,
};

/// Pages of 16 KiB of another ASID.
const OF_ONE: Pair = Pair {
    ps: 14,
    asid: 1,
    ..SMALL
};

impl Pair {
    /// Puts the pair into entry `index`, or where the hardware chooses.
    fn put(self, cpu: &mut Cpu, bus: &mut Bus, index: Option<u64>) {
        let page = TlbElo(0).with_v(true).with_g(self.g);
        let page = page.with_ppn(self.pa >> 12).0;
        let idx = TlbIdx(0).with_ps(self.ps).with_index(index.unwrap_or(0));
        for (number, value) in [
            (n::ASID, self.asid),
            (n::TLBIDX, idx.0),
            (n::TLBEHI, TlbEhi(VA).0),
            (n::TLBELO0, page),
            (n::TLBELO1, page),
        ] {
            cpu.csr_write(bus, Via::Csr, number, value);
        }
        match index {
            Some(_) => cpu.tlb_write(cpu.tlb_scope()),
            None => cpu.tlb_fill(cpu.tlb_scope()),
        }
    }
}

/// Loads from `VA` what a machine loads that has cached nothing.
#[track_caller]
fn check_cached(cpu: &mut Cpu, bus: &mut Bus, expected: u64) {
    let cached = cpu.load::<u64>(bus, VA);
    cpu.soft.clear();
    assert_eq!(cpu.load::<u64>(bus, VA), Ok(expected));
    assert_eq!(cached, Ok(expected));
}

#[test]
fn an_entry_that_is_asked_first_hides_what_another_was_cached_for() {
    let (mut cpu, mut bus) = mapped();
    SMALL.put(&mut cpu, &mut bus, Some(STLB_SIZE as u64 + 7));
    assert_eq!(cpu.load::<u64>(&mut bus, VA), Ok(2));
    // One for the same address in the STLB, in its set (pairs are of 32 KiB).
    let new = Pair {
        pa: OTHER,
        ps: 14,
        ..SMALL
    };
    new.put(&mut cpu, &mut bus, Some(VA >> 15));
    check_cached(&mut cpu, &mut bus, OTHER_VALUE);
    // The entry behind it is found when it has gone.
    cpu.drop_entry((VA >> 15) as usize);
    check_cached(&mut cpu, &mut bus, 2);
}

#[test]
fn a_large_page_hides_what_a_small_one_was_cached_for() {
    let (mut cpu, mut bus) = mapped();
    SMALL.put(&mut cpu, &mut bus, Some(STLB_SIZE as u64 + 7));
    assert_eq!(cpu.load::<u64>(&mut bus, VA), Ok(2));
    // A fill elsewhere in the same 2 MiB, into the first place of the MTLB.
    for (number, value) in [
        (n::TLBIDX, TlbIdx(0).with_ps(20).0),
        (n::TLBEHI, TlbEhi(VA & !0x1f_ffff).0),
        (n::TLBELO0, TlbElo(0).with_v(true).0),
        (n::TLBELO1, TlbElo(0).with_v(true).with_ppn(OTHER >> 12).0),
    ] {
        cpu.csr_write(&mut bus, Via::Csr, number, value);
    }
    cpu.tlb_fill(cpu.tlb_scope());
    check_cached(&mut cpu, &mut bus, OTHER_VALUE);
}

#[test]
fn a_global_entry_hides_what_one_of_another_asid_was_cached_for() {
    let (mut cpu, mut bus) = mapped();
    let set = VA >> 15;
    OF_ONE.put(&mut cpu, &mut bus, Some(set + 256));
    assert_eq!(cpu.load::<u64>(&mut bus, VA), Ok(2));
    let global = Pair {
        pa: OTHER,
        g: true,
        asid: 2,
        ..OF_ONE
    };
    global.put(&mut cpu, &mut bus, None);
    cpu.csr_write(&mut bus, Via::Csr, n::ASID, 1);
    check_cached(&mut cpu, &mut bus, OTHER_VALUE);
}

#[test]
fn an_entry_of_another_asid_leaves_what_is_cached() {
    let (mut cpu, mut bus) = mapped();
    OF_ONE.put(&mut cpu, &mut bus, None);
    assert_eq!(cpu.load::<u64>(&mut bus, VA), Ok(2));
    Pair { asid: 2, ..OF_ONE }.put(&mut cpu, &mut bus, None);
    assert_eq!(cpu.load::<u64>(&mut bus, VA), Ok(2));
    cpu.csr_write(&mut bus, Via::Csr, n::ASID, 1);
    assert_eq!(cpu.load_known(&bus, VA), Some(2u64));
}
