// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What the fuzz targets run, and `lvz-sim/tests` over fixed corpora: each takes any bytes and
//! panics only on a fault of lvz-sim.
//!
//! Here is `engines`: a program of random instructions in loops, in host or in guest mode. It
//! panics if compiled code does not do there what the interpreter does.

mod board;
mod devices;
mod driver;
mod flash;
mod handlers;
mod images;
mod network;
mod packets;
mod program;
mod random;
mod rings;
mod share;
mod snapshots;

pub use devices::devices;
pub use flash::flash;
pub use images::images;
pub use network::network;
pub use random::mixed;
pub use rings::rings;
pub use share::share;
pub use snapshots::snapshots;

use handlers::{ENTER, HOST, Has, MULTIPLIER, MULTIPLIER_AT, csrs, handlers};
use la_arch::csr::{Crmd, Dmw, Euen, PerfCtrl, Prmd, number as csr};
use la_arch::insn::Encoding;
use la_arch::lvz::{Gcfg, Gstat, Gtlbc};
use lvz_sim::cpu::{Cpu, Model, Via};
use lvz_sim::engine::{Engine, JitOptions, Machine, RunEnd};
use lvz_sim::mem::Ram;
use lvz_sim::platform::PlatformConfig;
use program::{CODE, CODE_SIZE, DATA, ordinary, program};
use random::Random;
use std::ops::Range;

const MEMORY: u64 = 16 << 20;

/// Where a program is in memory.
pub const PROGRAM: Range<usize> = CODE..CODE + CODE_SIZE;

/// The CSR that counts the refills of a program by pages.
pub const REFILLS: u16 = handlers::REFILLS;
/// The CSR that counts how often a program went elsewhere.
pub const MOVES: u16 = handlers::MOVES;

/// Instructions of a run.
pub const INSTRUCTIONS: u64 = 20_000;

/// Models, and values of EUEN for them: most often all units that they have.
const MODELS: [(&str, [u64; 8]); 2] = [
    ("la464", [3, 3, 3, 3, 3, 3, 1, 0]),
    ("la664", [15, 15, 15, 15, 15, 9, 7, 0]),
];

/// Two instructions that do nothing.
const NOPS: u64 = 0x0340_0000_0340_0000;

/// A GID.
const GUEST: u64 = 5;

/// The instructions that programs are made of.
pub fn instructions() -> impl Iterator<Item = &'static Encoding> {
    let (last, _) = MODELS[MODELS.len() - 1];
    ordinary(&last.parse().expect("a model")).into_iter()
}

/// A machine whose CPUs are about to run the program, which often has the instruction
/// `favoured`.
pub fn machine(bytes: &[u8], engine: Engine, favoured: Option<&Encoding>) -> Machine {
    let mut random = Random::new(bytes);
    let cpus = 1 + random.below(2);
    let guest = random.below(2) == 1;
    let (model, euen) = random.one_of(&MODELS);
    let model: Model = model.parse().expect("a model");
    let euen = Euen::from(random.one_of(&euen));
    let has = Has {
        counters: model.has_counters() && random.below(3) == 0,
        floats: euen.fpe(),
        vectors: euen.sxe(),
    };
    let counts = model.has_counters();
    let mut ram = Ram::new(MEMORY).expect("memory for a machine");
    let shape = program(&mut random, &mut ram, &model, favoured);
    handlers(&mut ram, has);
    let config = PlatformConfig {
        cpus,
        ..PlatformConfig::default()
    };
    let mut machine =
        Machine::with_memory(model, cpus, ram, config).expect("a machine without files");
    machine.use_engine(engine).expect("a compiler");
    for i in 0..cpus {
        let mut set = |via, number, value| {
            machine.cpus[i].csr_write(&mut machine.bus, via, number, value);
        };
        for via in [Via::Csr, Via::Gcsr] {
            set(via, csr::EUEN, euen.into());
            let mapped = shape.mapped && guest == (via == Via::Gcsr);
            for (number, value) in csrs(&mut random, mapped, has) {
                set(via, number, value);
            }
        }
        if guest {
            enter(&mut set);
        }
        if counts {
            count(&mut random, has, &mut set);
        }
        let cpu = &mut machine.cpus[i];
        registers(&mut random, cpu);
        cpu.pc = if guest { ENTER } else { CODE } as u64;
    }
    machine
}

/// The program's first instruction comes in guest mode, which sees all memory by one TLB entry of
/// 16 MiB pages, of which the odd one is invalid.
fn enter(set: &mut impl FnMut(Via, u16, u64)) {
    const VALID_DIRTY_CACHED: u64 = 0x13;
    // What returns from a refill is mapped: the host's addresses are a direct window's.
    let window = Dmw::default().with_plv(1).with_mat(1);
    set(Via::Csr, csr::DMW0, window.into());
    set(Via::Csr, csr::CRMD, Crmd::default().with_pg(true).into());
    set(Via::Csr, csr::PRMD, Prmd::default().with_pie(true).into());
    set(Via::Csr, csr::EENTRY, HOST as u64);
    set(Via::Csr, csr::ERA, CODE as u64);
    let control = Gtlbc::default().with_usetgid(true).with_tgid(GUEST);
    set(Via::Csr, csr::GTLBC, control.into());
    let status = Gstat::default().with_pgm(true).with_gid(GUEST);
    set(Via::Csr, csr::GSTAT, status.into());
    // The page size, and the first entry behind the STLB's.
    set(Via::Csr, csr::TLBIDX, 24 << 24 | 2048);
    set(Via::Csr, csr::TLBELO0, VALID_DIRTY_CACHED);
}

/// Has the performance counters count, most of them near their overflow, of which the
/// machine takes notice now and then. Some of them may be the guest's.
fn count(random: &mut Random<'_>, has: Has, set: &mut impl FnMut(Via, u16, u64)) {
    const EVENTS: [u64; 8] = [0x00, 0x00, 0x01, 0x01, 0x02, 0x03, 0x08, 0x3c];
    for i in 0..4 {
        let left = random.next() % 5_000;
        let control = PerfCtrl::default()
            .with_event(random.one_of(&EVENTS))
            .with_plv(if random.below(4) == 0 { 0xe } else { 0xf })
            .with_ie(has.counters);
        set(Via::Csr, csr::PERFCNTR0 + 2 * i, (1 << 63) - left);
        set(Via::Csr, csr::PERFCTRL0 + 2 * i, control.into());
    }
    let lent = Gcfg::default().with_gpmnum(random.next() % 8);
    set(Via::Csr, csr::GCFG, lent.into());
}

fn registers(random: &mut Random<'_>, cpu: &mut Cpu) {
    for r in 1..32u8 {
        let value = match r {
            18 => NOPS,
            20..28 => DATA + (random.next() & 0xf_fff8),
            28 => CODE as u64 + CODE_SIZE as u64 / 2,
            MULTIPLIER_AT => MULTIPLIER,
            _ if random.below(3) == 0 => random.next() % 64,
            _ => random.next(),
        };
        cpu.set(r, value);
    }
}

/// State and instructions after a run.
///
/// # Panics
/// Compiled code has differed from the interpreter.
pub fn result(bytes: &[u8], engine: Engine, favoured: Option<&Encoding>) -> (u64, u64) {
    let mut machine = machine(bytes, engine, favoured);
    let end = machine.run(INSTRUCTIONS);
    let difference = machine.difference().map(ToString::to_string);
    assert_ne!(end, RunEnd::Differs, "{difference:?}");
    (machine.instructions(), machine.state_hash())
}

/// A compiler of blocks that were executed this often, for which the machine waits.
pub fn after(hot: u16) -> JitOptions {
    JitOptions {
        hot,
        beside: false,
        ..JitOptions::default()
    }
}

/// The fuzz target `gdb`: whatever a debugger says, the machine is there afterwards and goes on.
///
/// # Panics
/// The stub does.
pub fn gdb(bytes: &[u8]) {
    let mut machine = machine(bytes, Engine::Interpreter, None);
    machine.run(1_000);
    lvz_sim::gdb::hear(&mut machine, &packets::packets(bytes));
    let until = machine.instructions() + 1_000;
    assert_ne!(machine.run(until), RunEnd::Halted);
}

/// The fuzz target `engines`.
///
/// # Panics
/// The engines do not agree.
pub fn engines(bytes: &[u8]) {
    let (options, favoured) = match bytes.split_last_chunk::<3>() {
        Some((_, &[hot, low, high])) => {
            let which = usize::from(u16::from_le_bytes([low, high]));
            let options = after(1 + u16::from(hot) % 3);
            (options, instructions().nth(which))
        }
        None => (after(1), None),
    };
    let expected = result(bytes, Engine::Interpreter, favoured);
    for engine in [Engine::Check(options), Engine::Jit(options)] {
        let compiled = result(bytes, engine, favoured);
        assert_eq!(compiled, expected, "{engine:?}");
    }
}
