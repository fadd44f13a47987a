// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What is cached of translations follows the CSRs that they depend on.

use super::{Cpu, Model, Stop, Via};
use crate::mem::{Bus, Ram};
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
