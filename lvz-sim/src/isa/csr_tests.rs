// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What CSRs keep of a write, and what exceptions do with them.

use super::testing::{In, Machine, PC};
use crate::cpu::{Stop, Via};
use crate::mem::ram::page_flag;
use la_arch::Exception;
use la_arch::csr::{Crmd, Ecfg, number as n};
use la_arch::insn::{integer, privileged as p};

/// A page whose loads raise machine errors.
const LOST: u64 = 0x10_0000;
/// IsMERR.
const HANDLED: u64 = 1;

/// Whether the access of a machine with CRMD raises a machine error, which is delivered.
fn machine_error(crmd: Crmd) -> Machine {
    let mut machine = Machine::new();
    let offset = machine.bus.ram.offset(LOST).expect("an address in memory");
    machine.bus.ram.set_flag(offset, page_flag::POISONED);
    machine.write(Via::Csr, n::CRMD, crmd.0);
    let input = In {
        rj: LOST,
        ..In::default()
    };
    assert_eq!(machine.exec(&integer::LD_D, input), Err(Stop::Trap));
    assert!(machine.cpu.trap.machine_error);
    machine
        .cpu
        .deliver(&mut machine.bus, PC, Some(integer::LD_D.bits));
    machine.cpu.settle();
    machine
}

/// 6.3.4: the memory access types of direct mode are saved, cleared and restored.
#[test]
fn a_machine_error_saves_the_access_types() {
    for (datf, datm) in [(0, 0), (1, 2), (2, 1)] {
        let before = Crmd(0).with_da(true).with_datf(datf).with_datm(datm);
        let mut machine = machine_error(before);
        let saved = HANDLED | 1 << 7 | datf << 9 | datm << 11;
        assert_eq!(machine.read(Via::Csr, n::MERRCTL), saved);
        assert_eq!(machine.read(Via::Csr, n::CRMD), Crmd(0).with_da(true).0);
        assert_eq!(machine.exec(&p::ERTN, In::default()), Err(Stop::Jump));
        machine.cpu.settle();
        assert_eq!(machine.read(Via::Csr, n::CRMD), before.0);
        assert_eq!(machine.read(Via::Csr, n::MERRCTL), saved & !HANDLED);
    }
}

/// 7.7.1: IsMERR is read-only, everything else can be written.
#[test]
fn software_cannot_say_that_an_error_is_being_handled() {
    let mut machine = Machine::new();
    machine.write(Via::Csr, n::MERRCTL, u64::MAX);
    assert_eq!(machine.read(Via::Csr, n::MERRCTL), 0x1ffe);
    machine.write(Via::Csr, n::MERRCTL, 0);
    assert_eq!(machine.read(Via::Csr, n::MERRCTL), 0);
    let mut machine = machine_error(Crmd(0).with_da(true));
    machine.write(Via::Csr, n::MERRCTL, 0);
    assert_eq!(machine.read(Via::Csr, n::MERRCTL), HANDLED);
}

/// 7.4.4: a constant where accesses must be aligned anyway.
#[test]
fn without_unaligned_accesses_alcl_is_all_ones() {
    const ALCL: u64 = 0xf000;
    for (model, zeros) in [("la464", 0), ("la464,ual=off", ALCL)] {
        let mut machine = Machine::of(model.parse().expect("a model"));
        for via in [Via::Csr, Via::Gcsr] {
            assert_eq!(machine.read(via, n::MISC) & ALCL, zeros, "{model}");
            for (written, kept) in [(u64::MAX, ALCL), (0, zeros)] {
                machine.write(via, n::MISC, written);
                assert_eq!(machine.read(via, n::MISC) & ALCL, kept, "{model}");
            }
        }
    }
}

#[test]
fn page_table_entries_have_one_width() {
    let mut machine = Machine::new();
    for via in [Via::Csr, Via::Gcsr] {
        machine.write(via, n::PWCL, u64::MAX);
        assert_eq!(machine.read(via, n::PWCL), 0x3fff_ffff);
    }
}

/// 6.2.1: the entry of a general exception is a base with an offset ORed to it.
#[test]
fn a_vector_does_not_carry_into_the_base() {
    for (base, vs, entry) in [
        (0x20_0000, 0, 0x20_0000),
        (0x20_1000, 0, 0x20_1000),
        (0x21_0000, 7, 0x21_1600),
        (0x20_1000, 7, 0x20_1600),
    ] {
        let mut machine = Machine::new();
        machine.write(Via::Csr, n::EENTRY, base);
        machine.write(Via::Csr, n::ECFG, Ecfg(0).with_vs(vs).0);
        assert_eq!(
            machine.exec(&integer::SYSCALL, In::default()),
            Err(Stop::Trap)
        );
        assert_eq!(machine.cpu.trap.exception, Exception::SYS);
        machine
            .cpu
            .deliver(&mut machine.bus, PC, Some(integer::SYSCALL.bits));
        assert_eq!(machine.cpu.pc, entry);
    }
}
