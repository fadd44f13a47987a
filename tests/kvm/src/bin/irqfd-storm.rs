// SPDX-License-Identifier: GPL-2.0-or-later

//! irqfds that fire in interrupt handlers: `irqfd-storm DISK ROUNDS SEED`.
//!
//! Reads of a disk signal eventfds where the disk's interrupt is handled; these
//! are irqfds of a guest: messages, an edge pin, and a level pin that the guest's
//! unmasking resamples. First one at a time, where each must be exactly one
//! interrupt of the guest; then all at once, while both vCPUs and another thread use
//! the same controllers; then one at a time again, since nothing may be stuck.
//!
//! What it shows beyond that is for lockdep to say: that no lock which the handlers
//! take is ever held with interrupts on.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kvm::aio::{self, Reads};
use kvm::random::Random;
use kvm::uapi::{RoutingEntry, capability as cap};
use kvm::{Event, Guest, Kvm};
use la_arch::kvm::device as d;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// Where the guest counts its interrupts, eight bytes a vector.
const COUNTS: usize = 0x2_0000;
/// The guest ends when there is something here.
const STOP: usize = 0x2_1000;
/// A level pin, held up by an irqfd until the guest unmasks it.
const LEVEL: u32 = 5;
/// An edge pin.
const EDGE: u32 = 9;
/// A pin that another thread raises and lowers.
const LINE: u32 = 11;
/// Vectors of messages.
const MESSAGES: [u32; 2] = [77, 200];
/// A vector of messages that another thread sends.
const SENT: u32 = 130;
/// How long the guest may take to see an interrupt. It takes a thousandth.
const PATIENCE: Duration = Duration::from_secs(10);

kvm::guest_code!(
    /// Uses the controllers' registers until it is told to stop; CPU 0 (a0) counts
    /// its interrupts meanwhile.
    storm,
    "lu12i.w $s0, 0x30000", // reports
    "lu12i.w $s1, 1",       // IOCSRs
    "lu12i.w $s2, 0x20",    // counts
    "lu12i.w $s3, 0x10000", // PCH-PIC
    "lu12i.w $s4, 0x21",    // stop
    "bnez $a0, 2f",
    "addi.d $t0, $zero, 0x200", // pin 9 is an edge
    "st.d $t0, $s3, 0x60",
    "addi.w $t0, $zero, -1",
    "ori $t1, $s1, 0x600", // EIOINTC enable, eight words
    "addi.d $t2, $t1, 32",
    "1:",
    "iocsrwr.w $t0, $t1",
    "addi.d $t1, $t1, 4",
    "bne $t1, $t2, 1b",
    "move $t0, $s1",
    "csrwr $t0, 0xc", // EENTRY = 0x1000
    "addi.d $t0, $zero, 4",
    "csrwr $t0, 0x4", // ECFG: HWI0
    "st.d $zero, $s3, 0x20", // no pin is masked
    "addi.d $t0, $zero, 4",
    "csrxchg $t0, $t0, 0x0", // CRMD.IE
    "st.d $zero, $s0, 8",    // report 1: ready
    "2:",
    "ori $s5, $s1, 0x600",
    "iocsrrd.w $s6, $s5",   // EIOINTC enable
    "ld.d $s6, $s3, 0x20",  // PCH-PIC mask
    "st.d $zero, $s3, 0x40", // and message enable, which nothing needs
    "ld.d $s6, $s4, 0",
    "beqz $s6, 2b",
    "st.d $zero, $s0, 16", // report 2: stopped
    "b 2b",
    ".p2align 12",
    "ori $t1, $s1, 0x800", // core's vectors that are pending
    "addi.d $t2, $t1, 32",
    "move $t3, $zero",
    "3:",
    "iocsrrd.w $t0, $t1",
    "beqz $t0, 6f",
    "ctz.w $t4, $t0",
    "addi.w $t5, $zero, 1",
    "sll.w $t5, $t5, $t4",
    "iocsrwr.w $t5, $t1", // acknowledge
    "add.d $t4, $t4, $t3",
    "addi.d $t6, $zero, 1",
    "sll.d $t6, $t6, $t4", // of a pin, its bit
    "addi.d $t5, $zero, 9",
    "bne $t4, $t5, 4f",
    "st.d $t6, $s3, 0x80", // edge: clear
    "4:",
    "addi.d $t5, $zero, 5",
    "bne $t4, $t5, 5f",
    "st.d $t6, $s3, 0x20", // level: mask, and unmask
    "st.d $zero, $s3, 0x20",
    "5:",
    "slli.d $t4, $t4, 3",
    "add.d $t4, $t4, $s2",
    "ld.d $t5, $t4, 0",
    "addi.d $t5, $t5, 1",
    "st.d $t5, $t4, 0",
    "b 3b",
    "6:",
    "addi.d $t1, $t1, 4",
    "addi.d $t3, $t3, 32",
    "bne $t1, $t2, 3b",
    "ertn",
);

/// An eventfd that becomes an interrupt of the guest.
struct Source {
    vector: u32,
    event: Event,
    /// Signalled at the end of interrupt.
    again: Option<Event>,
}

impl Source {
    fn new(guest: &Guest, gsi: u32, resample: bool) -> Result<Self, kvm::Error> {
        let event = Event::new()?;
        let again = if resample { Some(Event::new()?) } else { None };
        guest.vm.irqfd(gsi, &event, again.as_ref())?;
        Ok(Self {
            vector: gsi,
            event,
            again,
        })
    }
}

fn count(guest: &Guest, vector: u32) -> u64 {
    guest.memory.read_u64(COUNTS + 8 * vector as usize)
}

/// A few blocks of the disk that are no neighbours.
fn blocks(random: &mut Random) -> [u64; 4] {
    let start = random.below(256);
    [0, 2, 4, 6].map(|n| (start + n) * aio::BLOCK)
}

/// Each source in turn, `rounds` times: one read, one interrupt.
fn one_at_a_time(
    guest: &Guest,
    reads: &Reads,
    sources: &[Source],
    rounds: u64,
    random: &mut Random,
) -> Outcome {
    for round in 0..rounds {
        for source in sources {
            let wanted = count(guest, source.vector) + 1;
            let [first, others @ ..] = blocks(random);
            let mut batch = vec![(first, Some(&source.event))];
            batch.extend(others.map(|offset| (offset, None)));
            reads.start(&batch)?;
            reads.finish(batch.len())?;
            let since = Instant::now();
            while count(guest, source.vector) != wanted {
                if since.elapsed() > PATIENCE {
                    let seen = count(guest, source.vector);
                    return Err(format!(
                        "round {round}, vector {}: interrupt {wanted} did not come: {seen}",
                        source.vector
                    )
                    .into());
                }
                std::thread::sleep(Duration::from_micros(100));
            }
            // The count is the last thing that the guest's handler does.
            if let Some(again) = &source.again {
                let signals = again.take()?;
                if signals != 1 {
                    return Err(format!("round {round}: resampled {signals} times").into());
                }
            }
        }
    }
    Ok(())
}

/// Reads of all sources at once.
fn all_at_once(reads: &Reads, sources: &[Source], rounds: u64, random: &mut Random) -> Outcome {
    let mut under_way = 0;
    for _ in 0..rounds {
        let batch: Vec<_> = (0..4)
            .flat_map(|_| blocks(random))
            .zip(sources.iter().cycle())
            .map(|(offset, source)| (offset, Some(&source.event)))
            .collect();
        reads.start(&batch)?;
        under_way += batch.len();
        let room = aio::DEPTH.saturating_sub(batch.len());
        under_way -= reads.finish(under_way.saturating_sub(room))?;
    }
    while under_way > 0 {
        under_way -= reads.finish(1)?;
    }
    Ok(())
}

/// The controllers, as user space uses them, until the end.
fn use_controllers(guest: &Guest, end: &AtomicBool) -> Outcome {
    let chip = guest.irqchip.as_ref().ok_or("no controllers")?;
    while !end.load(Ordering::Relaxed) {
        guest.vm.irq_line(LINE, true)?;
        guest.vm.signal_msi(0x2ff0_0000, SENT)?;
        chip.eiointc.get(d::EXTIOI_GRP_REGS, 0x200)?;
        chip.pch_pic.get(d::PCH_PIC_GRP_REGS, 0x380)?;
        chip.ipi.get(d::IPI_GRP_REGS, 0)?;
        guest.vm.irq_line(LINE, false)?;
    }
    Ok(())
}

/// What all threads but the vCPUs' do.
fn drive(guest: &Guest, disk: &Path, rounds: u64, seed: u64, resample: bool) -> Outcome {
    let mut routes: Vec<_> = [LEVEL, EDGE, LINE]
        .map(|pin| RoutingEntry::pin(pin, 0, pin))
        .into();
    routes.extend(MESSAGES.map(|vector| RoutingEntry::message(vector, vector)));
    guest.vm.set_routing(&routes)?;
    let mut sources = vec![Source::new(guest, EDGE, false)?];
    if resample {
        sources.push(Source::new(guest, LEVEL, true)?);
    } else {
        println!("irqfd-storm: not offered: {}", cap::IRQFD_RESAMPLE.name);
    }
    for vector in MESSAGES {
        sources.push(Source::new(guest, vector, false)?);
    }
    let reads = Reads::of(disk)?;
    let mut random = Random::new(seed, 0);
    one_at_a_time(guest, &reads, &sources, rounds, &mut random)?;
    println!("irqfd-storm: {rounds} interrupts of each kind, one at a time");

    let end = AtomicBool::new(false);
    std::thread::scope(|scope| -> Outcome {
        let other = scope.spawn(|| use_controllers(guest, &end));
        let outcome = all_at_once(&reads, &sources, rounds, &mut random);
        end.store(true, Ordering::Relaxed);
        other.join().map_err(|_| "a thread died")??;
        outcome
    })?;
    let seen: Vec<u64> = [LINE, SENT]
        .into_iter()
        .chain(sources.iter().map(|source| source.vector))
        .map(|vector| count(guest, vector))
        .collect();
    println!(
        "irqfd-storm: {} reads at once; interrupts of each kind in all: {seen:?}",
        16 * rounds
    );
    if seen.contains(&0) {
        return Err("a kind of interrupt never came".into());
    }
    // What was under way has come.
    std::thread::sleep(Duration::from_millis(20));
    for again in sources.iter().filter_map(|source| source.again.as_ref()) {
        again.take()?;
    }
    one_at_a_time(guest, &reads, &sources, 4, &mut random)?;
    for source in &sources {
        guest.vm.remove_irqfd(source.vector, &source.event)?;
    }
    Ok(())
}

fn run(disk: &Path, rounds: u64, seed: u64) -> Outcome {
    let kvm = Kvm::open()?;
    let resample = kvm.capability(cap::IRQFD_RESAMPLE)? != 0;
    let guest = Guest::with_irqchip(&kvm, storm(), 2)?;
    for (number, vcpu) in (0..).zip(&guest.vcpus) {
        let mut regs = vcpu.regs()?;
        regs.gpr[4] = number;
        vcpu.set_regs(&regs)?;
    }
    guest
        .expect(1, 0)
        .map_err(|error| format!("the guest is not ready: {error}"))?;
    std::thread::scope(|scope| -> Outcome {
        let vcpus: Vec<_> = guest
            .vcpus
            .iter()
            .map(|vcpu| scope.spawn(|| vcpu.next_report().map_err(|error| error.to_string())))
            .collect();
        if let Err(error) = drive(&guest, disk, rounds, seed, resample) {
            eprintln!("irqfd-storm: {error}");
            // The threads that run the guest cannot be ended by themselves.
            std::process::exit(1);
        }
        guest.memory.write_u64(STOP, 1);
        for vcpu in vcpus {
            let report = vcpu.join().map_err(|_| "a vCPU's thread died")??;
            if report != (2, 0) {
                return Err(format!("the guest reports {report:?}").into());
            }
        }
        Ok(())
    })
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let result = match words.as_slice() {
        [disk, rounds, seed] => match (rounds.parse(), seed.parse()) {
            (Ok(rounds), Ok(seed)) => run(Path::new(disk), rounds, seed),
            _ => Err("ROUNDS and SEED are numbers".into()),
        },
        _ => Err("usage: irqfd-storm DISK ROUNDS SEED".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("irqfd-storm: {error}");
            ExitCode::FAILURE
        }
    }
}
