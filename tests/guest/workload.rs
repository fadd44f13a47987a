// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The guest's workload.
//!
//! `workload bench ROUNDS` works out each part that often and prints a line
//! before and after each, by which the workstation takes the time.
//! `workload SEED` prints the digest that the workstation
//! computed too, after one thread a CPU has worked it out while another kept a
//! pattern in all vector registers and the clock was watched.

use std::arch::asm;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[path = "compute.rs"]
mod compute;

/// Whether the CPU has LSX (CPUCFG word 2, bit 6; readable from user space).
fn has_lsx() -> bool {
    let word: u64;
    // SAFETY: cpucfg reads a configuration word and touches nothing else.
    unsafe { asm!("cpucfg {}, {}", out(reg) word, in(reg) 2u64) };
    word & (1 << 6) != 0
}

/// Fills all 32 vector registers with values derived from `pattern`, lets the
/// kernel schedule away and back, and returns the registers' exclusive or and
/// their sum, which both must come out as computed.
fn vector_round(pattern: u64) -> bool {
    let mut values = [0u64; 64];
    for (i, value) in values.iter_mut().enumerate() {
        *value = pattern.wrapping_mul(2 * i as u64 + 1);
    }
    let expected = values;
    let mut seen = [0u64; 64];
    // SAFETY: reads 512 bytes of `values` and writes 512 bytes of `seen`; every
    // vector register is named as clobbered through the floating point registers
    // that are their low halves; the system call (sched_yield, number 124) keeps
    // all registers but a0 and the temporaries.
    unsafe {
        asm!(
            ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
            "vld $vr\\i, {values}, 16 * \\i",
            ".endr",
            "ori $a7, $zero, 124",
            "syscall 0",
            ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
            "vst $vr\\i, {seen}, 16 * \\i",
            ".endr",
            values = in(reg) values.as_ptr(),
            seen = in(reg) seen.as_mut_ptr(),
            out("$a0") _, out("$a7") _,
            out("$t0") _, out("$t1") _, out("$t2") _, out("$t3") _, out("$t4") _,
            out("$t5") _, out("$t6") _, out("$t7") _, out("$t8") _,
            out("$f0") _, out("$f1") _, out("$f2") _, out("$f3") _,
            out("$f4") _, out("$f5") _, out("$f6") _, out("$f7") _,
            out("$f8") _, out("$f9") _, out("$f10") _, out("$f11") _,
            out("$f12") _, out("$f13") _, out("$f14") _, out("$f15") _,
            out("$f16") _, out("$f17") _, out("$f18") _, out("$f19") _,
            out("$f20") _, out("$f21") _, out("$f22") _, out("$f23") _,
            out("$f24") _, out("$f25") _, out("$f26") _, out("$f27") _,
            out("$f28") _, out("$f29") _, out("$f30") _, out("$f31") _,
        );
    }
    seen == expected
}

/// Works out each part by itself.
fn bench(rounds: u64) -> ExitCode {
    for (name, part, times) in compute::PARTS {
        println!("KVM-LA-GUEST bench {name} begin");
        let digest = (0..rounds * times).fold(0, |digest, round| digest ^ part(round));
        println!("KVM-LA-GUEST bench {name} end {digest:016x}");
    }
    ExitCode::SUCCESS
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    if let [_, word, rounds] = words.as_slice()
        && word == "bench"
        && let Ok(rounds) = rounds.parse()
    {
        return bench(rounds);
    }
    let Some(seed) = words.get(1).and_then(|word| word.parse().ok()) else {
        eprintln!("usage: workload SEED [scalar]");
        return ExitCode::from(2);
    };
    let vectors_wanted = words.get(2).is_none_or(|word| word != "scalar");
    let cpus = std::thread::available_parallelism().map_or(1, |n| n.get());
    let stop = AtomicBool::new(false);
    let mut errors = Vec::new();
    let mut digests = Vec::new();
    std::thread::scope(|scope| {
        let vectors = scope.spawn(|| {
            let mut rounds = 0u64;
            while vectors_wanted && has_lsx() && !stop.load(Ordering::Relaxed) {
                rounds += 1;
                if !vector_round(seed ^ rounds) {
                    return Err(format!("vector registers changed in round {rounds}"));
                }
            }
            Ok(())
        });
        let clock = scope.spawn(|| {
            let start = Instant::now();
            let mut last = start;
            for _ in 0..5 {
                std::thread::sleep(Duration::from_millis(10));
                let now = Instant::now();
                let slept = now.saturating_duration_since(last);
                if slept < Duration::from_millis(10) || slept > Duration::from_secs(60) {
                    return Err(format!("a sleep of 10 ms took {slept:?}"));
                }
                last = now;
            }
            Ok(())
        });
        let workers: Vec<_> = (0..cpus)
            .map(|_| scope.spawn(|| compute::digest(seed)))
            .collect();
        for worker in workers {
            match worker.join() {
                Ok(digest) => digests.push(digest),
                Err(_) => errors.push("a worker died".to_owned()),
            }
        }
        stop.store(true, Ordering::Relaxed);
        for watcher in [vectors, clock] {
            match watcher.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => errors.push(error),
                Err(_) => errors.push("a watcher died".to_owned()),
            }
        }
    });
    if digests.windows(2).any(|pair| pair[0] != pair[1]) {
        errors.push(format!("the CPUs disagree: {digests:x?}"));
    }
    for error in &errors {
        eprintln!("workload: {error}");
    }
    match digests.first() {
        Some(digest) if errors.is_empty() => {
            println!("{digest:016x}");
            ExitCode::SUCCESS
        }
        _ => ExitCode::FAILURE,
    }
}
