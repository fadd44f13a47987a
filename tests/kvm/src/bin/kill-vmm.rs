// SPDX-License-Identifier: GPL-2.0-or-later

//! A VMM that is killed: `kill-vmm ROUNDS SEED [LATEST]`.
//!
//! Each round starts this program again as a VMM whose guest makes every kind of
//! exit while other threads change its memory and devices, and ends it with
//! SIGKILL at a random moment between its start and some time in the guest, at
//! most LATEST milliseconds: a slow host needs more than the 40 of others. A VMM
//! says when its guest has run; if none ever did, not much was killed.

use std::error::Error;
use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use kvm::error::errno::EINTR;
use kvm::guest::REPORT;
use kvm::random::Random;
use kvm::run::Exit;
use kvm::{Event, Kvm, Memory, guest_code, uapi};

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// The latest moment of a kill after the VMM's start, if none is given.
const LATEST: Duration = Duration::from_millis(40);

/// Of so many VMMs at least one has to come to its guest.
const ENOUGH: u64 = 10;

/// The VMM's vCPUs.
const VCPUS: u32 = 3;

/// RAM of its guest, and how much of it is at address 0; the rest is a slot of
/// its own behind it.
const MEMORY: usize = 8 << 20;
const LOW: usize = 4 << 20;

/// Where the PCH-PIC is (QEMU's virt board).
const PCH_PIC: u64 = 0x1000_0000;

guest_code! {
    /// Exits of all kinds for ever. a0 is the vCPU's number, s0 where MMIO is,
    /// s1 the PCH-PIC, s2 how much RAM there is.
    busy,
    // The floating-point unit.
    "ori $t0, $zero, 1",
    "csrwr $t0, 0x2",
    // The timer may wake from idle; interrupts are not taken.
    "lu12i.w $t0, 1",
    "srli.d $t0, $t0, 1",
    "csrwr $t0, 0x4",
    "1:",
    // A hypercall, CPUCFG, a CSR that software emulates: first, so that also a
    // guest that is soon killed on a slow host has come by.
    "hvcl 0x100",
    "cpucfg $t4, $zero",
    "csrrd $t4, 0x3",
    // A page that is not there yet, or write-protected, or being taken away.
    "lu12i.w $t1, 4",
    "add.d $s3, $s3, $t1",
    "bltu $s3, $s2, 2f",
    "lu12i.w $s3, 0x10",
    "2:",
    "st.d $s3, $s3, 0",
    "movgr2fr.d $fa0, $s3",
    "fadd.d $fa0, $fa0, $fa0",
    // User space and in-kernel MMIO.
    "st.w $s3, $s0, 0",
    "ld.w $t2, $s1, 0x20",
    // In-kernel IOCSRs: its own IPI status and enable, a message to the next one.
    "lu12i.w $t3, 1",
    "iocsrrd.w $t4, $t3",
    "ori $t4, $t3, 4",
    "addi.w $t5, $zero, -1",
    "iocsrwr.w $t5, $t4",
    "ori $t4, $t3, 0x40",
    "addi.d $t5, $a0, 1",
    "andi $t5, $t5, 1",
    "slli.d $t5, $t5, 16",
    "iocsrwr.w $t5, $t4",
    // Sleep until the timer or an IPI comes.
    "andi $t4, $s3, 0x700",
    "ori $t4, $t4, 0x401",
    "csrwr $t4, 0x41",
    "idle 0",
    "ori $t4, $zero, 1",
    "csrwr $t4, 0x44",
    "lu12i.w $t3, 1",
    "ori $t4, $t3, 0xc",
    "addi.w $t5, $zero, -1",
    "iocsrwr.w $t5, $t4",
    "b 1b",
}

/// What is killed.
fn victim() -> Outcome {
    let kvm = Kvm::open()?;
    let vm = kvm.create_vm()?;
    let memory = Arc::new(Memory::new(MEMORY)?);
    memory.write(0, busy());
    vm.map_part(0, 0, &memory, (0, LOW), uapi::MEM_LOG_DIRTY_PAGES)?;
    vm.map_part(1, LOW as u64, &memory, (LOW, MEMORY - LOW), 0)?;
    let chip = vm.create_irqchip(VCPUS, 0, PCH_PIC)?;
    let event = Event::new()?;
    vm.irqfd(5, &event, None)?;
    let mut threads = Vec::new();
    static RAN: Once = Once::new();
    for id in 0..VCPUS {
        let vcpu = vm.create_vcpu(id)?;
        vcpu.start_at(0)?;
        let mut regs = vcpu.regs()?;
        // a0, s0 to s3.
        for (register, value) in [
            (4, u64::from(id)),
            (23, REPORT),
            (24, PCH_PIC),
            (25, MEMORY as u64),
            (26, (0x1_0000 * u64::from(id + 1))),
        ] {
            regs.gpr[register] = value;
        }
        vcpu.set_regs(&regs)?;
        threads.push(std::thread::spawn(move || -> Outcome {
            loop {
                match vcpu.run() {
                    Ok(Exit::Mmio(_)) => RAN.call_once(|| println!("the guest ran")),
                    Ok(Exit::Iocsr(_) | Exit::Interrupted) => {}
                    Err(error) if error.errno == EINTR => {}
                    Ok(exit) => return Err(format!("{exit:x?}").into()),
                    Err(error) => return Err(error.into()),
                }
            }
        }));
    }
    let mut round = 0u64;
    while threads.iter().all(|thread| !thread.is_finished()) {
        round += 1;
        event.signal()?;
        vm.irq_line((round % 32) as u32, round.is_multiple_of(2))?;
        vm.dirty_log(0)?;
        let page = Memory::page_size();
        let pages = (MEMORY - LOW) / page;
        memory.discard(LOW + round as usize % pages * page, page)?;
        if round.is_multiple_of(8) {
            vm.unmap(1)?;
            vm.map_part(1, LOW as u64, &memory, (LOW, MEMORY - LOW), 0)?;
        }
        // Its state is read as for a migration.
        chip.pch_pic.get(
            la_arch::kvm::device::PCH_PIC_GRP_REGS,
            la_arch::pch_pic::MASK,
        )?;
    }
    for thread in threads {
        thread.join().map_err(|_| "a vCPU's thread died")??;
    }
    Ok(())
}

/// Starts a VMM and ends it; whether its guest had run.
fn round(random: &mut Random, latest: Duration) -> Result<bool, Box<dyn Error + Send + Sync>> {
    let moment = Duration::from_nanos(random.below(latest.as_nanos() as u64));
    let started = Instant::now();
    let mut child = Command::new(std::env::current_exe()?)
        .arg("victim")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    std::thread::sleep(moment.saturating_sub(started.elapsed()));
    child.kill()?;
    let status = child.wait()?;
    // Its own mistakes must not pass for a kill.
    if status.signal() != Some(9) {
        return Err(format!("the VMM ended with {status} before {moment:?}").into());
    }
    let mut said = String::new();
    if let Some(mut pipe) = child.stdout.take() {
        pipe.read_to_string(&mut said)?;
    }
    Ok(!said.is_empty())
}

fn run(rounds: u64, seed: u64, latest: Duration) -> Outcome {
    let mut ran = 0;
    for number in 0..rounds {
        let mut random = Random::new(seed, number);
        ran += u64::from(
            round(&mut random, latest).map_err(|error| format!("round {number}: {error}"))?,
        );
    }
    println!("kill-vmm: {rounds} VMMs killed, {ran} of them after their guests had run");
    if ran == 0 && rounds >= ENOUGH {
        return Err(format!("no guest ran within {latest:?}: give LATEST").into());
    }
    // KVM still works.
    let kvm = Kvm::open()?;
    let vm = kvm.create_vm()?;
    let memory = kvm::checksum::load(&vm)?;
    kvm::checksum::check(&vm.create_vcpu(0)?, &memory, 0, seed, 1000)
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let result = match words.as_slice() {
        [word] if word == "victim" => victim(),
        [rounds, seed, latest @ ..] if latest.len() <= 1 => {
            let latest = latest
                .first()
                .map_or(Ok(LATEST), |word| word.parse().map(Duration::from_millis));
            match (rounds.parse(), seed.parse(), latest) {
                (Ok(rounds), Ok(seed), Ok(latest)) if !latest.is_zero() => {
                    println!("kill-vmm: {rounds} rounds, seed {seed}");
                    run(rounds, seed, latest)
                }
                _ => Err("ROUNDS, SEED and LATEST are numbers, LATEST is not 0".into()),
            }
        }
        _ => Err("usage: kill-vmm ROUNDS SEED [LATEST]".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kill-vmm: {error}");
            ExitCode::FAILURE
        }
    }
}
