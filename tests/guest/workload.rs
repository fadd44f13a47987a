// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The guest's workload.
//!
//! `workload bench ROUNDS` works out each part that often and prints a line
//! before and after each, by which the workstation takes the time.
//! `workload SEED` prints the digest that the workstation
//! computed too, after one thread a CPU has worked it out while others kept
//! patterns in the registers of each unit and the clock was watched.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[path = "compute.rs"]
mod compute;
#[path = "units.rs"]
mod units;

use units::{UNITS, Unit};

/// Whether the kernel says of each unit what the CPU says, in /proc/cpuinfo.
fn features_agree() -> Result<(), String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").map_err(|e| e.to_string())?;
    let line = text.lines().find(|line| line.starts_with("Features"));
    let words: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
    match UNITS
        .iter()
        .find(|unit| unit.announced() != words.contains(&unit.name))
    {
        Some(unit) => Err(format!("the kernel and CPUCFG disagree about {}", unit.name)),
        None => Ok(()),
    }
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
        let present: Vec<&Unit> = UNITS
            .iter()
            .filter(|unit| vectors_wanted && unit.announced())
            .collect();
        let names: Vec<&str> = present.iter().map(|unit| unit.name).collect();
        eprintln!("workload: registers of {}", names.join(", "));
        let stop = &stop;
        let held: Vec<_> = present
            .into_iter()
            .map(|unit| {
                scope.spawn(move || {
                    let mut rounds = 0u64;
                    while !stop.load(Ordering::Relaxed) {
                        rounds += 1;
                        if !(unit.holds)(seed ^ rounds) {
                            let name = unit.name;
                            return Err(format!("registers of {name} changed in round {rounds}"));
                        }
                    }
                    Ok(())
                })
            })
            .collect();
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
        for watcher in held.into_iter().chain([clock]) {
            match watcher.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => errors.push(error),
                Err(_) => errors.push("a watcher died".to_owned()),
            }
        }
    });
    errors.extend(features_agree().err());
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
