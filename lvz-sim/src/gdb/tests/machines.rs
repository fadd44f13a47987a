// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Machines for the tests.

use crate::cpu::{Model, Via};
use crate::engine::Machine;
use crate::mem::Ram;
use crate::platform::PlatformConfig;
use crate::platform::console::leaving::LeavingConsole;
use la_arch::csr::{Ecfg, Tcfg, number as csr};

pub(super) const CODE: u64 = 0x1000;
pub(super) const HANDLER: u64 = 0x4000;
pub(super) const DATA: u64 = 0x8000;

/// A loop: r5 counts by one, r6 is their sum, which memory gets; r7 is read back.
pub(super) const PROGRAM: [u32; 6] = [
    0x02c0_04a5, // addi.d r5, r5, 1
    0x5000_0400, // b +4
    0x0010_94c6, // add.d r6, r6, r5
    0x29c0_0086, // st.d r6, r4, 0
    0x28c0_0087, // ld.d r7, r4, 0
    0x53ff_efff, // b -20
];

/// Counts timer interrupts in r8.
const INTERRUPT: [u32; 4] = [
    0x02c0_0508, // addi.d r8, r8, 1
    0x0380_0409, // ori r9, r0, 1
    0x0401_1029, // csrwr r9, 0x44 (TICLR)
    0x0648_3800, // ertn
];

/// `idle`, and back to it.
const IDLE: [u32; 2] = [0x0648_8000, 0x53ff_ffff];

/// A machine whose CPU waits for an interrupt that never comes.
pub(super) fn idle_for_ever() -> Machine {
    let mut machine = machine(1);
    for (at, word) in (CODE as usize..).step_by(4).zip(IDLE) {
        machine.bus.ram.write(at, word);
    }
    let cpu = &mut machine.cpus[0];
    cpu.csr_write(&mut machine.bus, Via::Csr, csr::TCFG, 0);
    machine
}

/// A machine whose user wants the end of the simulation.
pub(super) fn left_by_its_user() -> Machine {
    let ram = Ram::new(16 << 20).expect("memory for a test");
    let mut config = PlatformConfig::default();
    config.serial[0] = Box::new(LeavingConsole::default());
    Machine::with_memory(Model::default(), 1, ram, config).expect("a machine without files")
}

/// A machine whose CPUs run the loop, with a timer interrupt now and then.
pub(in crate::gdb) fn machine(cpus: usize) -> Machine {
    machine_of(Model::default(), cpus)
}

/// The same with CPUs of a model.
pub(super) fn machine_of(model: Model, cpus: usize) -> Machine {
    let mut ram = Ram::new(16 << 20).expect("memory for a test");
    let words = |from: u64, words: &[u32], ram: &mut Ram| {
        for (at, word) in (from as usize..).step_by(4).zip(words) {
            ram.write(at, *word);
        }
    };
    words(CODE, &PROGRAM, &mut ram);
    words(HANDLER, &INTERRUPT, &mut ram);
    let config = PlatformConfig {
        cpus,
        ..PlatformConfig::default()
    };
    let mut machine =
        Machine::with_memory(model, cpus, ram, config).expect("a machine without files");
    for id in 0..cpus {
        let cpu = &mut machine.cpus[id];
        cpu.pc = CODE;
        // Each CPU has memory of its own.
        cpu.set(4, DATA + 64 * id as u64);
        let mut write = |number, value| cpu.csr_write(&mut machine.bus, Via::Csr, number, value);
        write(csr::EENTRY, HANDLER);
        write(csr::ECFG, Ecfg::default().with_lie(1 << 11).into());
        // Each 1,000 ticks of 10 instructions, periodic.
        write(csr::TCFG, Tcfg(3 | 250 << 2).0);
        let crmd = cpu.csr_read(&machine.bus, Via::Csr, csr::CRMD);
        cpu.csr_write(&mut machine.bus, Via::Csr, csr::CRMD, crmd | 4);
    }
    machine
}
