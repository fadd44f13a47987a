// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What of an address counts: which accesses must be aligned, and 32-bit address mode.

use super::testing::{In, Machine, jk};
use crate::cpu::{Place, Stop, Via, Watched};
use la_arch::Exception;
use la_arch::csr::{Crmd, Misc, number as n};
use la_arch::insn::{atomic, bound, fp, integer, lasx, lsx, privileged as p};

/// An address in memory, and the same with bits that 32-bit address mode does not see.
const VA: u64 = 0x10_0000;
const HIGH: u64 = 0xffff_ffff_0000_0000;
/// Nothing answers there.
const NOWHERE: u64 = 0xf000_0000;

impl Machine {
    /// Of a model, with all units that the tests need.
    fn with_units(model: &str) -> Self {
        let mut machine = Machine::of(model.parse().expect("a model"));
        machine.write(Via::Csr, n::EUEN, 7);
        machine
    }

    /// The same in 32-bit address mode, at PLV3; `misc` has more of MISC.
    fn narrowed(mut self, crmd: Crmd, misc: Misc) -> Self {
        self.write(Via::Csr, n::MISC, misc.with_va32l(8).0);
        self.write(Via::Csr, n::CRMD, crmd.with_plv(3).0);
        self
    }
}

/// Direct address mode.
fn direct() -> Crmd {
    Crmd(0).with_da(true)
}

#[test]
fn plain_accesses_alone_are_checked_where_misc_says_so() {
    let plain = [
        &integer::LD_W,
        &integer::ST_D,
        &fp::FLD_D,
        &fp::FST_S,
        &p::IOCSRRD_W,
        &p::IOCSRWR_H,
    ];
    let vector = [
        &lsx::VLD,
        &lsx::VST,
        &lsx::VLDREPL_D,
        &lsx::VSTELM_W,
        &lasx::XVLD,
        &lasx::XVST,
        &lasx::XVLDREPL_H,
    ];
    for (alcl, ual, plain_ale, vector_ale) in [
        (0, "on", false, false),
        (1, "on", true, false),
        (0, "off", true, true),
    ] {
        let all = plain.iter().map(|insn| (insn, plain_ale));
        for (insn, ale) in all.chain(vector.iter().map(|insn| (insn, vector_ale))) {
            let mut machine = Machine::with_units(&format!("la664,ual={ual}"));
            machine.write(Via::Csr, n::MISC, Misc(0).with_alcl(alcl).0);
            let step = machine.exec(
                insn,
                In {
                    rj: VA + 1,
                    ..In::default()
                },
            );
            let raised = step.err().map(|_| machine.cpu.trap.exception);
            let name = insn.name;
            assert_eq!(
                raised,
                ale.then_some(Exception::ALE),
                "{name}, {alcl}, ual={ual}"
            );
            if ale {
                assert_eq!(machine.cpu.trap.badv, Some(VA + 1), "{name}");
            }
        }
    }
}

#[test]
fn badv_has_no_upper_half_in_32_bit_address_mode() {
    let checked = Misc(0).with_alcl(8);
    for (insn, rj, rk, exception) in [
        (&integer::LD_D, VA + 1, 0, Exception::ALE),
        (&integer::ST_W, VA + 2, 0, Exception::ALE),
        (&atomic::AMSWAP_W, VA + 1, 0, Exception::ALE),
        (&atomic::LL_D, VA + 4, 0, Exception::ALE),
        (&integer::LD_D, NOWHERE, 0, Exception::ADEM),
        (&integer::ST_D, NOWHERE, 0, Exception::ADEM),
        (&lsx::VST, NOWHERE, 0, Exception::ADEM),
        (&bound::LDGT_D, VA, u64::MAX, Exception::BCE),
        (&bound::LDGT_D, VA + 4, 0, Exception::ALE),
        (&bound::ASRTGT_D, VA, u64::MAX, Exception::BCE),
    ] {
        let mut machine = Machine::with_units("la664").narrowed(direct(), checked);
        let trap = machine.trap(insn, jk(HIGH | rj, rk));
        assert_eq!(trap, (exception, Some(rj)), "{}", insn.name);
    }
    // The whole address counts at another level.
    let mut machine = Machine::with_units("la664");
    machine.write(Via::Csr, n::MISC, checked.with_va32l(8).0);
    let trap = machine.trap(&bound::LDGT_D, jk(HIGH | VA, u64::MAX));
    assert_eq!(trap, (Exception::BCE, Some(HIGH | VA)));
}

/// An upper half that is part of no address is none here: the bound is checked.
#[test]
fn bounds_are_checked_in_32_bit_address_mode() {
    let mapped = Crmd(0).with_pg(true);
    let va = 0x1234_0000_0000_0000 | VA;
    for (insn, bound) in [(&bound::LDGT_D, u64::MAX), (&bound::STLE_W, 0)] {
        let mut machine = Machine::with_units("la664").narrowed(mapped, Misc(0));
        let trap = machine.trap(insn, jk(va, bound));
        assert_eq!(trap, (Exception::BCE, Some(VA)), "{}", insn.name);
    }
}

#[test]
fn watchpoints_compare_narrow_addresses() {
    // Loads and stores at PLV3 of the eight bytes.
    let control = 1 << 4 | 3 << 8;
    for va in [VA, HIGH | VA, HIGH | (VA - 4)] {
        let mut machine = Machine::with_units("la664");
        machine.write(Via::Csr, n::MWPC + 0x10, VA);
        machine.write(Via::Csr, n::MWPC + 0x12, control);
        let mut machine = machine.narrowed(direct().with_we(true), Misc(0));
        let (exception, _) = machine.trap(&integer::LD_D, jk(va, 0));
        assert_eq!(exception, Exception::WPEM, "{va:#x}");
    }
}

#[test]
fn a_debuggers_watches_compare_narrow_addresses() {
    let low = 0x8000_1000;
    for at in [low, HIGH | low] {
        let watched = Watched {
            place: Place::Virtual(at, None),
            length: 8,
            loads: true,
            stores: true,
        };
        for insn in [&integer::LD_D, &integer::ST_B, &lasx::XVST] {
            let mut machine = Machine::with_units("la664").narrowed(direct(), Misc(0));
            machine.cpu.watch_for_debugger(&[watched]);
            let step = machine.exec(insn, jk(HIGH | low, 0));
            assert_eq!(step, Err(Stop::Trap), "{}", insn.name);
            let hit = machine.cpu.watch_hit.expect("a watch that was hit");
            assert_eq!((hit.watched, hit.touch.va), (watched, low), "{}", insn.name);
        }
    }
}

/// Where memory ends and nothing follows, no byte of a store is written.
#[test]
fn a_store_over_the_end_of_memory_writes_nothing() {
    for insn in [
        &integer::ST_H,
        &integer::ST_W,
        &integer::ST_D,
        &fp::FST_D,
        &lsx::VST,
        &lasx::XVST,
    ] {
        let sizes = [2, 4, 8, 8, 16, 32];
        for bytes in (1..32).filter(|bytes| sizes.iter().any(|size| bytes < size)) {
            let mut machine = Machine::with_units("la664");
            let end = machine.bus.ram.bytes().len() as u64;
            for at in (8..=32).step_by(8) {
                machine.set_memory(end - at, u64::MAX);
            }
            let result = machine.exec(insn, jk(end - bytes, 0));
            let inside = result.is_ok();
            let kept = (8..=32)
                .step_by(8)
                .all(|at| machine.memory(end - at) == u64::MAX);
            assert_eq!(kept, !inside, "{} {bytes}", insn.name);
        }
    }
}
