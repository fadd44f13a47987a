// SPDX-License-Identifier: GPL-2.0-or-later

//! VMs and vCPUs that come and go from several threads at once:
//! `churn VMS VCPUS THREADS SEED`, where VCPUS is how many a VM has.
//!
//! What a VM has besides, which of its vCPUs run, and in which order everything
//! goes, is random.

use std::error::Error;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use kvm::random::Random;
use kvm::{Event, Kvm, checksum, uapi};

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// Steps of a guest's computation.
const STEPS: u64 = 200;

/// Where the PCH-PIC is (QEMU's virt board).
const PCH_PIC: u64 = 0x1000_0000;

/// What a VM is made of.
enum Part {
    Vm(#[allow(dead_code, reason = "held, to be let go of")] kvm::Vm),
    Vcpu(#[allow(dead_code, reason = "held, to be let go of")] kvm::Vcpu),
    Device(#[allow(dead_code, reason = "held, to be let go of")] kvm::Device),
    Event(#[allow(dead_code, reason = "held, to be let go of")] Event),
}

/// One VM from creation to end.
fn round(kvm: &Kvm, vcpus: u32, random: &mut Random) -> Outcome {
    let vm = kvm.create_vm()?;
    let mut parts = Vec::new();
    let memory = checksum::load(&vm)?;
    // None, some or all of the interrupt controllers; also all, as QEMU has them.
    if random.one_in(2) {
        let chip = vm.create_irqchip(vcpus, 0, PCH_PIC)?;
        for device in [chip.ipi, chip.eiointc, chip.pch_pic] {
            parts.push(Part::Device(device));
        }
        for gsi in 0..random.below(4) as u32 {
            let event = Event::new()?;
            vm.irqfd(gsi, &event, None)?;
            event.signal()?;
            if random.one_in(2) {
                vm.remove_irqfd(gsi, &event)?;
            }
            parts.push(Part::Event(event));
        }
    } else {
        for kind in [uapi::DEVICE_IPI, uapi::DEVICE_EIOINTC, uapi::DEVICE_PCH_PIC] {
            if random.one_in(2) {
                parts.push(Part::Device(vm.create_device(kind)?));
            }
        }
    }
    let mut made = Vec::new();
    for id in 0..vcpus {
        made.push(vm.create_vcpu(id)?);
    }
    for (id, vcpu) in made.iter().enumerate() {
        if random.one_in(8) {
            checksum::check(vcpu, &memory, id as u32, random.next(), STEPS)?;
        }
    }
    parts.extend(made.into_iter().map(Part::Vcpu));
    // A descriptor of the VM may go before those of its parts, and memory first
    // of all as far as the guest is concerned.
    if random.one_in(4) {
        vm.unmap(0)?;
    }
    parts.push(Part::Vm(vm));
    while !parts.is_empty() {
        let at = random.below(parts.len() as u64) as usize;
        parts.swap_remove(at);
    }
    Ok(())
}

fn run(vms: u64, vcpus: u32, threads: u64, seed: u64) -> Outcome {
    let kvm = Kvm::open()?;
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| -> Outcome {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= vms {
                            return Ok(());
                        }
                        let mut random = Random::new(seed, number);
                        round(&kvm, vcpus, &mut random)
                            .map_err(|error| format!("VM {number}: {error}"))?;
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.join().map_err(|_| "a thread died")??;
        }
        Ok(())
    })
}

fn main() -> ExitCode {
    let words: Option<Vec<u64>> = std::env::args()
        .skip(1)
        .map(|word| word.parse().ok())
        .collect();
    let Some([vms, vcpus, threads, seed]) = words.as_deref() else {
        eprintln!("usage: churn VMS VCPUS THREADS SEED");
        return ExitCode::from(2);
    };
    println!("churn: {vms} VMs of {vcpus} vCPUs, {threads} threads, seed {seed}");
    match run(*vms, (*vcpus).min(256) as u32, *threads, *seed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("churn: {error}");
            ExitCode::FAILURE
        }
    }
}
