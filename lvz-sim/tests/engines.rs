// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Which engine runs a machine cannot be seen from inside: programs of random
//! instructions, in loops, end in the same state after the same number of
//! instructions, whether they are interpreted, compiled at once or in between.

#![allow(clippy::expect_used)]

use la_arch::insn::Encoding;
use lvz_sim::cpu::{Group, Model};
use lvz_sim::engine::{Engine, JitOptions, Machine, RunEnd};
use lvz_sim::isa;
use lvz_sim::mem::Ram;
use lvz_sim::platform::PlatformConfig;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

const MEMORY: u64 = 16 << 20;
/// Where programs are: two pages, so that branches cross from one to the other.
const CODE: usize = 0x10_0000;
const CODE_SIZE: usize = 8 << 10;
/// Where exceptions go: back into the program, at the instruction behind.
const HANDLER: usize = 0x2_0000;
/// Where the data is.
const DATA: u64 = 0x20_0000;
const INSTRUCTIONS: u64 = 60_000;
/// Code memory in which few regions have room.
const SMALL_CODE: usize = *JitOptions::CODE_SIZES.start();

struct Random(SplitMix64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

/// `add.d rd, rj, rk` and the like by name.
fn encoding(name: &str) -> &'static Encoding {
    isa::all()
        .map(|insn| insn.encoding)
        .find(|encoding| encoding.name == name)
        .expect("an instruction of this name")
}

/// The model of a seed, and values of EUEN: most often all units that it has.
fn model(seed: u64) -> (Model, [u64; 5]) {
    let (name, euen) = match seed % 2 {
        0 => ("la464", [3, 3, 3, 1, 0]),
        _ => ("la664", [15, 15, 9, 7, 0]),
    };
    (name.parse().expect("a model"), euen)
}

/// Instructions to choose from: those that neither change the mode nor stop.
fn ordinary(model: &Model) -> Vec<&'static Encoding> {
    isa::all()
        .filter(|insn| model.implements(insn))
        .filter(|insn| !matches!(insn.group, Group::Privileged | Group::Lvz))
        .map(|insn| insn.encoding)
        .collect()
}

fn put(ram: &mut Ram, at: usize, words: &[u32]) {
    for (place, word) in ram.bytes_mut()[at..].chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
}

/// A program in memory. Registers 20 to 27 hold addresses of data, and are only read.
fn program(random: &mut Random, ram: &mut Ram, model: &Model) {
    let ordinary = ordinary(model);
    let branches = [
        "beq", "bne", "blt", "bge", "bltu", "bgeu", "beqz", "bnez", "b", "bl",
    ];
    let branches = branches.map(encoding);
    let accesses = [
        "ld.b", "ld.h", "ld.w", "ld.d", "ld.bu", "ld.hu", "ld.wu", "st.b", "st.h", "st.w", "st.d",
        "ldptr.d", "stptr.w", "ldx.d", "stx.h", "fld.d", "fst.s", "vld", "vst",
    ];
    let accesses = accesses.map(encoding);
    let mut words = Vec::new();
    for at in 0..CODE_SIZE / 4 {
        let kind = random.below(16);
        let operands = random.next() as u32;
        let word = match kind {
            0 | 1 => {
                let branch = branches[random.below(branches.len())];
                // Not far, most often back.
                let to = random.below(CODE_SIZE / 4) as i32;
                let near = (at as i32 - random.below(24) as i32).max(0);
                let to = if random.below(4) == 0 { to } else { near };
                let offset = (to - at as i32) as u32;
                let fields = match branch.name {
                    "b" | "bl" => (offset & 0xffff) << 10 | offset >> 16 & 0x3ff,
                    "beqz" | "bnez" => {
                        (offset & 0xffff) << 10 | operands & 0x3e0 | offset >> 16 & 0x1f
                    }
                    _ => (offset & 0xffff) << 10 | operands & 0x3ff,
                };
                branch.bits | fields
            }
            2..=5 => {
                let access = accesses[random.below(accesses.len())];
                let base = 20 + operands % 8;
                let data = 4 + (operands >> 3) % 14;
                let fields = operands & access.format.operand_bits & !0x3ff;
                access.bits | fields | base << 5 | data
            }
            _ => {
                let encoding = ordinary[random.below(ordinary.len())];
                // Results go to registers 4 to 17.
                let rd = 4 + (operands >> 27) % 14;
                let fields = operands & encoding.format.operand_bits & !0x1f;
                encoding.bits | fields | rd & encoding.format.operand_bits
            }
        };
        words.push(word);
    }
    put(ram, CODE, &words);
    // ERA goes on by four, and the program with it; behind its end, from the
    // beginning. r30 and r31 are the handler's.
    let csrrd = |rd: u32, csr: u32| 0x0400_0000 | csr << 10 | rd;
    let csrwr = |rd: u32, csr: u32| 0x0400_0020 | csr << 10 | rd;
    let (era, ertn) = (0x6, 0x0648_3800);
    put(
        ram,
        HANDLER,
        &[
            csrrd(30, era),
            0x02c0_0000 | 4 << 10 | 30 << 5 | 30, // addi.d r30, r30, 4
            0x1400_001f | ((CODE as u32 >> 12) & 0xf_ffff) << 5, // lu12i.w r31, CODE
            0x0011_8000 | 31 << 10 | 30 << 5 | 31, // sub.d r31, r30, r31
            0x0240_0000 | 0x7ff << 10 | 31 << 5 | 31, // sltui r31, r31, 2047
            0x4400_0000 | 3 << 10 | 31 << 5,      // bnez r31, +3
            0x1400_001e | ((CODE as u32 >> 12) & 0xf_ffff) << 5, // lu12i.w r30, CODE
            0x0340_0000,
            csrwr(30, era),
            ertn,
        ],
    );
}

fn machine(seed: u64, engine: Engine) -> Machine {
    let mut random = Random(SplitMix64::seed_from_u64(seed));
    let mut ram = Ram::new(MEMORY).expect("memory for a test");
    let (model, euen) = model(seed);
    program(&mut random, &mut ram, &model);
    let cpus = 1 + random.below(2);
    let config = PlatformConfig {
        cpus,
        ..PlatformConfig::default()
    };
    let mut machine =
        Machine::with_memory(model, cpus, ram, config).expect("a machine without files");
    machine.use_engine(engine).expect("a compiler");
    // EUEN and EENTRY
    let euen = euen[random.below(5)];
    let numbers = [(0x2, euen), (0xc, HANDLER as u64)];
    for i in 0..machine.cpus.len() {
        for (number, value) in numbers {
            machine.cpus[i].csr_write(&mut machine.bus, lvz_sim::cpu::Via::Csr, number, value);
        }
        let cpu = &mut machine.cpus[i];
        for r in 1..32u8 {
            let value = match r {
                20..28 => DATA + (random.next() & 0xf_fff8),
                _ if random.below(3) == 0 => random.next() % 64,
                _ => random.next(),
            };
            cpu.set(r, value);
        }
        cpu.pc = CODE as u64;
    }
    machine
}

/// State and instructions after a run.
fn result(seed: u64, engine: Engine) -> (u64, u64) {
    let mut machine = machine(seed, engine);
    let end = machine.run(INSTRUCTIONS);
    let difference = machine.difference().map(ToString::to_string);
    assert_ne!(end, RunEnd::Differs, "seed {seed}: {difference:?}");
    (machine.instructions(), machine.state_hash())
}

/// A compiler of blocks that were executed this often.
fn after(hot: u16) -> JitOptions {
    JitOptions {
        hot,
        ..JitOptions::default()
    }
}

#[test]
fn engines_agree() {
    let seeds = std::env::var("SEEDS")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(60);
    for seed in 0..seeds {
        let expected = result(seed, Engine::Interpreter);
        assert!(expected.0 >= INSTRUCTIONS, "seed {seed}: {expected:x?}");
        for engine in [
            Engine::Check(after(1)),
            Engine::Check(after(20)),
            Engine::Jit(after(1)),
            Engine::Jit(after(7)),
            Engine::Jit(after(200)),
            // Overflows all the time.
            Engine::Jit(JitOptions {
                code: SMALL_CODE,
                ..after(1)
            }),
        ] {
            let compiled = result(seed, engine);
            assert_eq!(compiled, expected, "seed {seed}, {engine:?}");
        }
    }
}

#[test]
fn a_cpu_may_begin_at_address_zero() {
    for engine in [Engine::Interpreter, Engine::Jit(after(1))] {
        let mut machine = machine(0, engine);
        // b 0
        put(&mut machine.bus.ram, 0, &[0x5000_0000]);
        for cpu in &mut machine.cpus {
            cpu.pc = 0;
        }
        machine.run(1000);
        assert!(machine.cpus.iter().all(|cpu| cpu.pc == 0));
        assert!(machine.instructions() >= 1000);
    }
}
