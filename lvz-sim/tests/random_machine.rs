// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Whatever a machine does, the simulator goes on: memory full of random
//! instructions, on CPUs whose CSRs hold random values, in root and in guest
//! mode. A panic is the failure (overflow checks are on in test builds).

// A helper of tests fails as a test does.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use la_arch::insn::Encoding;
use lvz_sim::cpu::{Model, Via};
use lvz_sim::engine::{Engine, JitOptions, Machine, RunEnd};
use lvz_sim::isa;
use lvz_sim::mem::Ram;
use lvz_sim::platform::PlatformConfig;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

const MEMORY: u64 = 16 << 20;
/// Part of the memory that is filled with instructions.
const CODE: usize = 256 << 10;
const INSTRUCTIONS: u64 = 40_000;

/// A generator, so that a seed says everything.
struct Random(SplitMix64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Often an address in memory, sometimes anything.
    fn address(&mut self) -> u64 {
        match self.next() % 4 {
            0 => self.next(),
            1 => 0x9000_0000_0000_0000 | (self.next() % CODE as u64),
            2 => 0x1fe0_01e0 + self.next() % 64,
            _ => self.next() % MEMORY,
        }
    }

    fn word(&mut self, encodings: &[&Encoding]) -> u32 {
        let random = self.next();
        if random.is_multiple_of(16) {
            return self.next() as u32;
        }
        let encoding = encodings[random as usize / 16 % encodings.len()];
        encoding.bits | self.next() as u32 & encoding.format.operand_bits
    }
}

fn machine(random: &mut Random, encodings: &[&Encoding]) -> Machine {
    let mut ram = Ram::new(MEMORY).expect("memory for a test");
    for chunk in ram.bytes_mut()[..CODE].chunks_exact_mut(4) {
        chunk.copy_from_slice(&random.word(encodings).to_le_bytes());
    }
    let cpus = 1 + random.next() as usize % 3;
    let config = PlatformConfig {
        cpus,
        ..PlatformConfig::default()
    };
    // The memory's map is shared with the devices by the simulator itself.
    let model: Model = ["la464", "la664"][random.next() as usize % 2]
        .parse()
        .expect("a model");
    let mut machine =
        Machine::with_memory(model, cpus, ram, config).expect("a machine without files");
    for cpu in &mut machine.cpus {
        for r in 1..32 {
            let value = random.address();
            cpu.set(r, value);
        }
        for vr in &mut cpu.vr {
            vr.0 = [random.next(), random.next()];
        }
        cpu.pc = (random.next() % CODE as u64) & !3;
    }
    for i in 0..machine.cpus.len() {
        for number in 0..0x190u16 {
            if random.next().is_multiple_of(3) {
                let value = random.address();
                let via = match random.next().is_multiple_of(2) {
                    true => Via::Gcsr,
                    false => Via::Csr,
                };
                machine.cpus[i].csr_write(&mut machine.bus, via, number, value);
            }
        }
    }
    machine
}

#[test]
fn random_instructions_do_not_stop_the_simulator() {
    // Power registers are in reach: a power-off ends one machine early.
    let encodings: Vec<&Encoding> = isa::all().map(|i| i.encoding).collect();
    let seeds = std::env::var("SEEDS")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(150);
    let mut executed = 0;
    for seed in 0..seeds {
        let mut random = Random(SplitMix64::seed_from_u64(seed));
        let mut machine = machine(&mut random, &encodings);
        let end = machine.run(INSTRUCTIONS);
        executed += machine.instructions();
        assert!(
            matches!(
                end,
                RunEnd::Limit | RunEnd::Stuck | RunEnd::PowerOff(_) | RunEnd::Reset
            ),
            "seed {seed}: {end:?}"
        );
    }
    assert!(
        executed > seeds * INSTRUCTIONS / 4,
        "only {executed} instructions were executed"
    );
}

/// What becomes of a machine: instructions and state.
fn result(seed: u64, engine: Engine) -> (u64, u64) {
    let encodings: Vec<&Encoding> = isa::all().map(|i| i.encoding).collect();
    let mut machine = machine(&mut Random(SplitMix64::seed_from_u64(seed)), &encodings);
    machine.use_engine(engine).expect("a compiler");
    let end = machine.run(INSTRUCTIONS);
    let difference = machine.difference().map(ToString::to_string);
    assert_ne!(end, RunEnd::Differs, "seed {seed}: {difference:?}");
    (machine.instructions(), machine.state_hash())
}

#[test]
fn compiled_code_does_the_same_in_host_and_guest_mode() {
    let seeds = std::env::var("CHECK_SEEDS")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(25);
    for seed in 0..seeds {
        let options = JitOptions {
            hot: 1 + (seed % 3) as u16,
            beside: seed % 2 != 0,
            ..JitOptions::default()
        };
        let checked = result(seed, Engine::Check(options));
        assert_eq!(result(seed, Engine::Interpreter), checked, "seed {seed}");
        assert_eq!(result(seed, Engine::Jit(options)), checked, "seed {seed}");
    }
}
