// SPDX-License-Identifier: GPL-2.0-or-later

//! Guests that do what no guest should: `hostile ROUNDS SEED`.
//!
//! Each round is a VM whose vCPUs run random programs (see `kvm::hostile`) for a
//! while. After it, nothing around the guest's memory may have changed, a guest
//! that minds its own business must have computed rightly all the time, and the
//! state of the devices must still be readable.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use kvm::error::errno::{EFAULT, EINTR};
use kvm::hostile::{self, EXCEPTIONS, PCH_PIC, PROGRAM, RAM, READ_ONLY, REFILL};
use kvm::random::Random;
use kvm::run::Exit;
use kvm::{Kvm, Memory, Vcpu, Vm, checksum, signal, uapi};
use la_arch::csr::number as csr;
use la_arch::kvm::device;
use la_arch::{eiointc, ipi, one_reg, pch_pic};

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// vCPUs of a VM.
const VCPUS: u32 = 2;

/// Programs that a vCPU gets in a round, and how long it may run each.
const PROGRAMS: u64 = 4;
const TIME: Duration = Duration::from_micros(1500);

/// Memory around and between what the guest has, and what is in it.
const GUARD: usize = 0x1_0000;
const PATTERN: u8 = 0xa5;

/// Size of the memory that guests can only read, and what is in it: instructions
/// that do nothing, so that a guest may also run there.
const READ_ONLY_SIZE: usize = 0x4_0000;
const READ_ONLY_WORD: u32 = 0x0340_0000;

/// Offsets in the memory: guard, RAM, guard, read-only memory, guard.
const RAM_AT: usize = GUARD;
const READ_ONLY_AT: usize = RAM_AT + RAM as usize + GUARD;
const LENGTH: usize = READ_ONLY_AT + READ_ONLY_SIZE + GUARD;

fn new_memory() -> kvm::Result<Memory> {
    let memory = Memory::new(LENGTH)?;
    for at in [0, RAM_AT + RAM as usize, READ_ONLY_AT + READ_ONLY_SIZE] {
        memory.write(at, &[PATTERN; GUARD]);
    }
    memory.write_code(READ_ONLY_AT, &[READ_ONLY_WORD; READ_ONLY_SIZE / 4]);
    Ok(memory)
}

/// What the guest could not write to is as it was.
fn check_memory(memory: &Memory) -> Outcome {
    let mut bytes = [0; GUARD];
    for at in [0, RAM_AT + RAM as usize, READ_ONLY_AT + READ_ONLY_SIZE] {
        memory.read(at, &mut bytes);
        if let Some(offset) = bytes.iter().position(|byte| *byte != PATTERN) {
            return Err(format!(
                "memory outside of the guest's changed at {:#x}",
                at + offset
            )
            .into());
        }
    }
    let mut bytes = vec![0; READ_ONLY_SIZE];
    memory.read(READ_ONLY_AT, &mut bytes);
    let word = READ_ONLY_WORD.to_le_bytes();
    if bytes.chunks(4).any(|bytes| bytes != word) {
        return Err("read-only memory changed".into());
    }
    Ok(())
}

/// Puts a vCPU at the beginning of a program.
fn begin(vcpu: &Vcpu, random: &mut Random) -> Outcome {
    // All that the last program left behind.
    vcpu.set_one_reg(one_reg::VCPU_RESET, 0)?;
    for (number, value) in [
        (csr::CRMD, 8 | random.below(2) << 2),
        (csr::PRMD, 0),
        (csr::EUEN, 0),
        (csr::ECFG, random.below(0x2000)),
        (csr::ESTAT, 0),
        (csr::EENTRY, EXCEPTIONS),
        (csr::TLBRENTRY, REFILL),
        (csr::MERRENTRY, EXCEPTIONS),
        (csr::TCFG, 0),
    ] {
        vcpu.set_csr(number, value)?;
    }
    let mut gpr = [0; 32];
    for register in gpr.iter_mut().skip(1) {
        *register = match random.below(4) {
            0 => random.below(RAM),
            1 => PCH_PIC + random.below(0x400),
            _ => random.edge(),
        };
    }
    vcpu.set_regs(&uapi::Regs { gpr, pc: PROGRAM })?;
    Ok(())
}

/// Runs a program until time is up, answering whatever it asks for.
fn run_program(
    vcpu: &Vcpu,
    stop: &AtomicBool,
    random: &mut Random,
) -> Result<u64, Box<dyn Error + Send + Sync>> {
    let mut exits = 0;
    while !stop.load(Ordering::Relaxed) {
        match vcpu.run() {
            Ok(Exit::Mmio(_) | Exit::Iocsr(_)) => {
                exits += 1;
                vcpu.page.answer_read(random.edge());
            }
            Ok(Exit::Hypercall { .. }) => {
                exits += 1;
                vcpu.page.answer_hypercall(random.edge());
            }
            Ok(Exit::Interrupted | Exit::Debug) => exits += 1,
            // An answer that a VMM has to expect of a guest gone mad.
            Ok(Exit::InternalError(_)) => break,
            Ok(Exit::Other(reason)) => return Err(format!("exit reason {reason}").into()),
            Err(error) if error.errno == EINTR => {}
            Err(error) if error.errno == EFAULT => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(exits)
}

/// The state of every device can be read, as for a migration.
fn read_devices(chip: &kvm::device::Irqchip) -> Outcome {
    for cpu in 0..u64::from(VCPUS) {
        for register in [ipi::STATUS, ipi::ENABLE] {
            chip.ipi.get(device::IPI_GRP_REGS, cpu << 16 | register)?;
        }
    }
    for register in [
        eiointc::ENABLE,
        eiointc::ISR,
        eiointc::COREMAP,
        eiointc::BOUNCE,
    ] {
        chip.eiointc.get(device::EXTIOI_GRP_REGS, register)?;
    }
    for register in [pch_pic::MASK, pch_pic::IRR, pch_pic::ISR, pch_pic::POLARITY] {
        chip.pch_pic.get(device::PCH_PIC_GRP_REGS, register)?;
    }
    Ok(())
}

/// Runs the threads' guests until they have had their time.
fn round(kvm: &Kvm, seed: u64, number: u64) -> Result<u64, Box<dyn Error + Send + Sync>> {
    let mut random = Random::new(seed, number);
    let vm: Vm = kvm.create_vm()?;
    let memory = Arc::new(new_memory()?);
    let log = if random.one_in(2) {
        uapi::MEM_LOG_DIRTY_PAGES
    } else {
        0
    };
    vm.map_part(0, 0, &memory, (RAM_AT, RAM as usize), log)?;
    let part = (READ_ONLY_AT, READ_ONLY_SIZE);
    vm.map_part(1, READ_ONLY, &memory, part, uapi::MEM_READONLY)?;
    let features = random.below(16) as u32;
    let chip = if random.one_in(4) {
        None
    } else {
        Some(vm.create_irqchip(VCPUS, features, PCH_PIC)?)
    };
    memory.write_code(RAM_AT + EXCEPTIONS as usize, &hostile::handler(false));
    memory.write_code(RAM_AT + REFILL as usize, &hostile::handler(true));
    let mut vcpus = Vec::new();
    for id in 0..VCPUS {
        let vcpu = vm.create_vcpu(id)?;
        vcpu.set_csr(csr::CPUID, id.into())?;
        // Vectors, where the host has them: a guest may use what it is told of.
        let features = vcpu.attr(la_arch::kvm::vcpu_attr::CPUCFG, 2)?;
        vcpu.set_one_reg(one_reg::cpucfg(2), features)?;
        vcpus.push(Arc::new(vcpu));
    }
    let mut exits = 0;
    for _ in 0..PROGRAMS {
        let program = hostile::program(&mut random);
        memory.write_code(RAM_AT + PROGRAM as usize, &program);
        memory.write_code(RAM_AT + EXCEPTIONS as usize, &hostile::handler(false));
        memory.write_code(RAM_AT + REFILL as usize, &hostile::handler(true));
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for vcpu in &vcpus {
            begin(vcpu, &mut random)?;
            let (vcpu, stop) = (Arc::clone(vcpu), Arc::clone(&stop));
            let mut random = Random::new(random.next(), 0);
            threads.push(std::thread::spawn(move || {
                run_program(&vcpu, &stop, &mut random)
            }));
        }
        std::thread::sleep(TIME);
        stop.store(true, Ordering::Relaxed);
        for thread in threads {
            while !thread.is_finished() {
                signal::kick(&thread);
                std::thread::sleep(TIME / 8);
            }
            exits += thread.join().map_err(|_| "a vCPU's thread died")??;
        }
        check_memory(&memory)?;
    }
    if log != 0 {
        vm.dirty_log(0)?;
    }
    chip.as_ref().map_or(Ok(()), read_devices)?;
    Ok(exits)
}

/// A guest that computes as long as the others run.
fn neighbour(kvm: &Kvm, stop: &AtomicBool, rounds: &AtomicU64, seed: u64) -> Outcome {
    let vm = kvm.create_vm()?;
    let memory = checksum::load(&vm)?;
    let vcpu = vm.create_vcpu(0)?;
    while !stop.load(Ordering::Relaxed) {
        let number = rounds.fetch_add(1, Ordering::Relaxed);
        checksum::check(&vcpu, &memory, 0, seed ^ number, 2000)?;
        std::thread::sleep(TIME);
    }
    Ok(())
}

fn run(rounds: u64, seed: u64) -> Outcome {
    signal::prepare()?;
    let kvm = Kvm::open()?;
    let stop = AtomicBool::new(false);
    let computed = AtomicU64::new(0);
    let mut exits = 0;
    std::thread::scope(|scope| -> Outcome {
        let neighbour = scope.spawn(|| neighbour(&kvm, &stop, &computed, seed));
        let mut result = Ok(());
        for number in 0..rounds {
            match round(&kvm, seed, number) {
                Ok(more) => exits += more,
                Err(error) => {
                    result = Err(format!("round {number}: {error}").into());
                    break;
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
        let other = neighbour
            .join()
            .map_err(|_| "the neighbour's thread died")?;
        result.and(other.map_err(|error| format!("the neighbour: {error}").into()))
    })?;
    let computed = computed.into_inner();
    println!("hostile: {exits} exits to user space, the neighbour computed {computed} times");
    if exits == 0 || computed == 0 {
        return Err("nothing was run".into());
    }
    Ok(())
}

fn main() -> ExitCode {
    let words: Option<Vec<u64>> = std::env::args()
        .skip(1)
        .map(|word| word.parse().ok())
        .collect();
    let Some([rounds, seed]) = words.as_deref() else {
        eprintln!("usage: hostile ROUNDS SEED");
        return ExitCode::from(2);
    };
    println!("hostile: {rounds} rounds, seed {seed}");
    match run(*rounds, *seed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hostile: {error}");
            ExitCode::FAILURE
        }
    }
}
