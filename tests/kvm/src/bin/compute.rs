// SPDX-License-Identifier: GPL-2.0-or-later

//! Guests that compute until a file appears: `compute VMS VCPUS STOP SEED`.
//!
//! Each of the VMs has as many vCPUs. They end when the file STOP appears; with
//! `-` they compute once. Every result is checked.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kvm::{Kvm, checksum};

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// Steps between two looks at the file.
const STEPS: u64 = 20_000;

/// Computes on one vCPU.
fn compute(
    vcpu: &kvm::Vcpu,
    memory: &kvm::Memory,
    id: u32,
    seed: u64,
    stop: Option<&Path>,
    done: &AtomicU64,
) -> Outcome {
    loop {
        let number = done.fetch_add(1, Ordering::Relaxed);
        checksum::check(vcpu, memory, id, seed ^ number, STEPS)?;
        if stop.is_none_or(Path::exists) {
            return Ok(());
        }
    }
}

fn run(vms: u64, vcpus: u32, stop: Option<&Path>, seed: u64) -> Outcome {
    let kvm = Kvm::open()?;
    let done = AtomicU64::new(0);
    std::thread::scope(|scope| -> Outcome {
        let mut threads = Vec::new();
        for _ in 0..vms {
            let vm = kvm.create_vm()?;
            let memory = checksum::load(&vm)?;
            for id in 0..vcpus {
                let vcpu = vm.create_vcpu(id)?;
                let memory = Arc::clone(&memory);
                let done = &done;
                threads.push(scope.spawn(move || compute(&vcpu, &memory, id, seed, stop, done)));
            }
        }
        for thread in threads {
            thread.join().map_err(|_| "a vCPU's thread died")??;
        }
        Ok(())
    })?;
    println!("compute: {} sums are right", done.into_inner());
    Ok(())
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let result = match words.as_slice() {
        [vms, vcpus, stop, seed] => match (vms.parse(), vcpus.parse(), seed.parse()) {
            (Ok(vms), Ok(1..=checksum::VCPUS), Ok(seed)) => {
                let stop = (stop != "-").then(|| Path::new(stop));
                run(vms, vcpus.parse().unwrap_or(1), stop, seed)
            }
            _ => Err(format!(
                "VMS, VCPUS (at most {}) and SEED are numbers",
                checksum::VCPUS
            )
            .into()),
        },
        _ => Err("usage: compute VMS VCPUS STOP SEED".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compute: {error}");
            ExitCode::FAILURE
        }
    }
}
