// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Performance counters count what the simulator itself counts.

use super::{Model, Via};
use crate::engine::{Engine, JitOptions, Machine};
use crate::mem::Ram;
use crate::platform::PlatformConfig;
use la_arch::csr::{PerfCtrl, number as n};

/// A loop with a load, a store, a branch that goes both ways, and a system call, whose
/// handler returns behind it.
const CODE: u64 = 0x10_0000;
const LOOP: [u32; 8] = [
    0x02c0_0484, // addi.d a0, a0, 1
    0x28c0_00a6, // ld.d a2, a1, 0
    0x29c0_20a4, // st.d a0, a1, 8
    0x0340_0487, // andi a3, a0, 1
    0x4000_08e0, // beqz a3, 2
    0x02c0_0508, // addi.d a4, a4, 1
    0x002b_0000, // syscall
    0x53ff_e7ff, // b -7
];
const HANDLER: u64 = 0x2_0000;
const RETURN: [u32; 4] = [
    0x0400_180c, // csrrd t0, ERA
    0x02c0_118c, // addi.d t0, t0, 4
    0x0400_182c, // csrwr t0, ERA
    0x0648_3800, // ertn
];
const DATA: u64 = 0x20_0000;

fn machine(engine: Engine) -> Machine {
    let model: Model = "la664".parse().expect("a model");
    let ram = Ram::new(16 << 20).expect("memory for a test");
    let mut machine = Machine::with_memory(model, 1, ram, PlatformConfig::default())
        .expect("a machine without files");
    machine.use_engine(engine).expect("a compiler");
    for (at, words) in [(CODE, &LOOP[..]), (HANDLER, &RETURN[..])] {
        for (pa, word) in (at..).step_by(4).zip(words) {
            let offset = machine.bus.ram.offset(pa).expect("an address in memory");
            machine.bus.ram.write(offset, *word);
        }
    }
    let cpu = &mut machine.cpus[0];
    cpu.pc = CODE;
    cpu.set(5, DATA);
    cpu.csr_write(&mut machine.bus, Via::Csr, n::EENTRY, HANDLER);
    machine
}

/// Has counter `i` count an event at all levels, from zero.
fn count(machine: &mut Machine, i: u16, event: u64) {
    let control = PerfCtrl(0).with_event(event).with_plv(0xf);
    let cpu = &mut machine.cpus[0];
    cpu.csr_write(&mut machine.bus, Via::Csr, n::PERFCTRL0 + 2 * i, control.0);
}

#[test]
fn counters_agree_with_the_tally() {
    let jit = JitOptions {
        hot: 2,
        ..JitOptions::default()
    };
    for engine in [Engine::Interpreter, Engine::Jit(jit), Engine::Check(jit)] {
        for events in [[0x00, 0x01, 0x3b, 0x3c], [0x02, 0x03, 0x08, 0x01]] {
            let mut machine = machine(engine);
            for (i, event) in (0..).zip(events) {
                count(&mut machine, i, event);
            }
            machine.run(1_000_000);
            let cpu = &machine.cpus[0];
            let tally = cpu.tally.events(0, cpu.icount);
            assert_eq!(tally.ended, machine.instructions());
            for (i, event) in (0..).zip(events) {
                let counted = cpu.csr_read(&machine.bus, Via::Csr, n::PERFCNTR0 + 2 * i);
                let own = match event {
                    0x00 => tally.ended,
                    0x01 => tally.retired(),
                    0x02 => tally.branches,
                    0x03 => tally.mispredicted,
                    0x08 => tally.accesses,
                    0x3b => tally.fetch_refills,
                    _ => tally.data_refills,
                };
                assert_eq!(counted, own, "event {event:#x}, {engine:?}");
            }
        }
    }
}

#[test]
fn a_loop_is_counted_as_it_is_written() {
    let mut machine = machine(Engine::Interpreter);
    for (i, event) in (0..).zip([0x02, 0x03, 0x08, 0x01]) {
        count(&mut machine, i, event);
    }
    machine.run(1_000_000);
    let cpu = &machine.cpus[0];
    // Two rounds are 15 instructions and two handlers of 4, of which two raise an
    // exception; 4 branches, of which that one is wrong which is taken; 4 accesses.
    let pairs = cpu.get(4) / 2;
    let tally = cpu.tally.events(0, cpu.icount);
    for (name, own, in_pair) in [
        ("ended", tally.ended, 23),
        ("retired", tally.retired(), 21),
        ("branches", tally.branches, 4),
        ("mispredicted", tally.mispredicted, 1),
        ("accesses", tally.accesses, 4),
    ] {
        let rest = own.checked_sub(pairs * in_pair);
        assert!(
            rest.is_some_and(|rest| rest <= in_pair),
            "{name}: {own}, {pairs} pairs"
        );
    }
}
