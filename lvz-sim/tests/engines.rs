// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Which engine runs a machine cannot be seen from inside: programs of random
//! instructions, in loops, end in the same state after the same number of
//! instructions, whether they are interpreted, compiled at once or in between.
//! Each instruction with a compiled form has programs that are full of it.
//! `lvz-sim/fuzz/README.md` says how to look for longer.

// A fuzz target fails as a test does.
#![allow(clippy::expect_used)]

#[path = "../fuzz/src/lib.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "other targets have tests of their own"
)]
mod targets;

use la_arch::csr::number as csr;
use la_arch::insn::Encoding;
use lvz_sim::cpu::Via;
use lvz_sim::engine::{Engine, JitOptions, Machine, without_form};
use targets::{after, machine, result};

/// Code memory in which few regions have room.
const SMALL_CODE: usize = *JitOptions::CODE_SIZES.start();

/// The input of a number.
fn input(number: u64) -> [u8; 8] {
    targets::mixed(number).to_be_bytes()
}

#[test]
fn programs_run_in_host_and_in_guest_mode() {
    let mut modes = [0; 2];
    for number in 0..20 {
        let mut machine = machine(&input(number), Engine::Interpreter, None);
        machine.run(targets::INSTRUCTIONS);
        for cpu in &machine.cpus {
            modes[usize::from(cpu.in_guest())] += 1;
        }
    }
    assert!(modes.iter().all(|&cpus| cpus > 5), "{modes:?}");
}

/// What the handlers are for happens: left alone, a random program is soon in a loop of few
/// instructions.
#[test]
fn programs_go_elsewhere_miss_the_tlb_and_change() {
    let (mut refilled, mut changed) = ([0, 0], 0);
    for number in 0..60 {
        let mut machine = machine(&input(number), Engine::Interpreter, None);
        let program = |machine: &Machine| machine.bus.ram.bytes()[targets::PROGRAM].to_vec();
        let before = program(&machine);
        machine.run(targets::INSTRUCTIONS);
        changed += u32::from(program(&machine) != before);
        for cpu in &machine.cpus {
            let count = |via, of| cpu.csr_read(&machine.bus, via, of);
            let moves = [Via::Csr, Via::Gcsr].map(|via| count(via, targets::MOVES));
            assert!(moves.iter().any(|&moves| moves > 8), "{number}: {moves:?}");
            for (refilled, via) in refilled.iter_mut().zip([Via::Csr, Via::Gcsr]) {
                *refilled += u32::from(count(via, targets::REFILLS) > 8);
            }
        }
    }
    assert!(refilled.iter().all(|&cpus| cpus > 3), "{refilled:?}");
    assert!(changed > 5, "{changed}");
}

#[test]
fn engines_agree() {
    let seeds = std::env::var("SEEDS")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(60);
    for seed in 0..seeds {
        let expected = result(&input(seed), Engine::Interpreter, None);
        assert!(
            expected.0 >= targets::INSTRUCTIONS,
            "seed {seed}: {expected:x?}"
        );
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
            Engine::Jit(JitOptions {
                beside: true,
                ..after(1)
            }),
            Engine::Jit(JitOptions {
                code: SMALL_CODE,
                beside: true,
                ..after(1)
            }),
        ] {
            let compiled = result(&input(seed), engine, None);
            assert_eq!(compiled, expected, "seed {seed}, {engine:?}");
        }
    }
}

#[test]
fn a_snapshot_goes_on_as_it_would_have() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("snapshot");
    // Half of them have performance counters on.
    for seed in 3000..3020 {
        let mut first = machine(&input(seed), Engine::Jit(after(7)), None);
        first.run(targets::INSTRUCTIONS / 2);
        first.save(&path).expect("a snapshot");
        first.run(targets::INSTRUCTIONS);
        let mut second = machine(&input(seed), Engine::Interpreter, None);
        second.load(&path).expect("the same machine");
        second.run(targets::INSTRUCTIONS);
        assert_eq!(second.state_hash(), first.state_hash(), "seed {seed}");
    }
}

#[test]
fn a_snapshot_within_a_turn_goes_on_as_it_would_have() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("snapshot");
    for seed in 3020..3060 {
        let mut first = machine(&input(seed), Engine::Jit(after(7)), None);
        first.run(targets::INSTRUCTIONS / 2);
        // A debugger's single steps, of the last CPU.
        let step = match first.cpus.len() {
            1 => &b"$vCont;s:p1.1#f2"[..],
            _ => b"$vCont;s:p1.2#f3",
        };
        let before = first.instructions();
        lvz_sim::gdb::hear(&mut first, &step.repeat(1 + seed as usize % 7));
        assert!(first.instructions() > before, "seed {seed}");
        first.save(&path).expect("a snapshot");
        let count = first.instructions();
        let mut second = machine(&input(seed), Engine::Interpreter, None);
        second.load(&path).expect("the same machine");
        assert_eq!(second.instructions(), count, "seed {seed}");
        for more in [1, targets::INSTRUCTIONS] {
            let counts = [&mut first, &mut second].map(|machine| {
                machine.run(count + more);
                (machine.instructions(), machine.state_hash())
            });
            assert_eq!(counts[0], counts[1], "seed {seed}");
        }
    }
}

#[test]
fn each_form_does_what_its_handler_does() {
    let called: Vec<&str> = without_form().collect();
    let formed: Vec<&Encoding> = targets::instructions()
        .filter(|encoding| !called.contains(&encoding.name))
        .collect();
    assert!(formed.len() > 100, "{} forms", formed.len());
    for (seed, encoding) in (1000..).zip(formed) {
        // A difference ends in a panic that names the instruction.
        result(&input(seed), Engine::Check(after(1)), Some(encoding));
    }
}

#[test]
fn the_fuzz_target_finds_nothing() {
    for number in 2000..2010 {
        targets::engines(&input(number));
    }
}

#[test]
fn a_cpu_may_begin_at_address_zero() {
    for engine in [Engine::Interpreter, Engine::Jit(after(1))] {
        let mut machine = machine(&input(0), engine, None);
        // b 0
        machine.bus.ram.bytes_mut()[..4].copy_from_slice(&0x5000_0000_u32.to_le_bytes());
        let Machine { cpus, bus, .. } = &mut machine;
        for cpu in cpus {
            cpu.csr_write(bus, Via::Csr, csr::TCFG, 0);
            cpu.pc = 0;
        }
        machine.run(1000);
        assert!(machine.cpus.iter().all(|cpu| cpu.pc == 0));
        assert!(machine.instructions() >= 1000);
    }
}
