// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A workload that goes on for as long as it is left alone and notices if the
//! machine under it is not the one that it was: a guest that is stopped, saved
//! and moved runs it.
//!
//! Every 50 ms of its own time it prints what it did so far:
//!
//!     KVM-LA-STEADY 7 time=702 rounds=120 passes=350 ticks=70 disk=0 gap=80 late=210
//!
//! `time` is CLOCK_MONOTONIC since its start in ms, `rounds` are those of the CPUs
//! together, `passes` how often a token went from one CPU to the next, `ticks` the
//! expirations of a timer of 10 ms, `disk` the blocks written and read again. The
//! other two are the worst since the last line, in us: how long a CPU that wants to
//! work saw no time, and how late the timer's reader came. The first thing that is
//! wrong is told in a line `KVM-LA-STEADY WRONG what`.
//!
//! Its first line is `KVM-LA-STEADY begin cpus=2`, with the units that not every CPU has and
//! whose state is kept here: `lasx`, `lbt`, and `counters` where the kernel has the CPU's
//! performance counters.
//!
//! What comes in by the console or by the port kvm-la.port is told in a line
//! `KVM-LA-STEADY console TEXT` or `KVM-LA-STEADY port TEXT`; "end" on the console
//! ends the program.
//!
//! `steady 4` uses the first four condition flags only.

mod counters;
mod devices;
mod registers;
mod system;

use std::fmt::Display;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// How often a line is printed.
const PERIOD: Duration = Duration::from_millis(50);

/// The timer's period.
const TICK: Duration = Duration::from_millis(10);

/// After how long nothing that is counted may stand still.
const STALL: Duration = Duration::from_secs(2);

/// How far the clock and the counter that it is made of may be apart.
const CLOCK_TOLERANCE_NS: u64 = 1_000_000;

/// Memory of each CPU: pages of the size that the kernel has, verified and
/// written again in turn.
const PAGE_WORDS: usize = 2048;
const PAGES: usize = 64;
const PAGES_A_ROUND: usize = 8;

/// Spins with all registers full: about two milliseconds at an instruction a
/// nanosecond.
const SPINS: u64 = 1_000_000;

/// How long a CPU is idle between two rounds: a stop is to find it at work and
/// idle, and an idle CPU costs a simulator nothing.
const IDLE: Duration = Duration::from_millis(4);

/// What all threads share.
pub(crate) struct Shared {
    cpus: usize,
    flags: usize,
    started: Instant,
    /// The latest value of the counter that any CPU has read.
    counter: AtomicU64,
    /// Rounds of each worker.
    rounds: Vec<AtomicU64>,
    /// The same together, counted by atomic additions of all CPUs.
    all_rounds: AtomicU64,
    /// How often the token was passed; whose turn it is follows from it.
    passes: AtomicU64,
    ticks: AtomicU64,
    pub(crate) disk: AtomicU64,
    /// The worst since the last line, in us.
    gap: AtomicU64,
    late: AtomicU64,
    wrong: OnceLock<String>,
}

impl Shared {
    /// Tells what is wrong, once.
    pub(crate) fn wrong(&self, what: impl Display) {
        let what = what.to_string();
        if self.wrong.set(what.clone()).is_ok() {
            println!("KVM-LA-STEADY WRONG {what}");
        }
    }

    /// Reads the counter, which never goes back, whichever CPU reads it.
    fn read_counter(&self) -> u64 {
        let before = self.counter.load(Ordering::SeqCst);
        let now = system::counter();
        if now < before {
            self.wrong(format_args!("the counter went back from {before} to {now}"));
        }
        self.counter.fetch_max(now, Ordering::SeqCst);
        now
    }

    fn pin(&self, cpu: usize) {
        if !system::pin(cpu) {
            self.wrong(format_args!("a thread cannot be pinned to CPU {cpu}"));
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// What word `at` of page `page` holds in a generation.
fn word(cpu: usize, page: usize, at: usize, generation: u64) -> u64 {
    let place = ((cpu * PAGES + page) * PAGE_WORDS + at) as u64;
    (place ^ generation.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A CPU that works.
fn work(shared: &Shared, cpu: usize) {
    shared.pin(cpu);
    let mut memory: Vec<u64> = vec![0; PAGES * PAGE_WORDS];
    let mut generations = [0u64; PAGES];
    let (mut page, mut round) = (0, 0u64);
    let mut registers = registers::Registers::new(shared.flags);
    registers.choose(0);
    let counters = counters::Counters::of_this_thread(&mut registers).unwrap_or_else(|what| {
        shared.wrong(format_args!("CPU {cpu}: {what}"));
        None
    });
    let mut clock = ClockWatch::new(shared);
    loop {
        round += 1;
        registers.choose(round ^ (cpu as u64) << 56);
        let held = match &counters {
            Some(counters) => counters.hold(&mut registers, SPINS),
            None => {
                registers.hold(SPINS);
                Ok(())
            }
        };
        if let Err(what) = held.and_then(|()| registers.verify()) {
            shared.wrong(format_args!("CPU {cpu}, round {round}: {what}"));
        }
        clock.look(shared, cpu);
        for _ in 0..PAGES_A_ROUND {
            let words = &mut memory[page * PAGE_WORDS..][..PAGE_WORDS];
            let old = generations[page];
            for (at, value) in words.iter_mut().enumerate() {
                // Generation 0 is memory as it came from the kernel.
                if old != 0 && *value != word(cpu, page, at, old) {
                    shared.wrong(format_args!(
                        "CPU {cpu}, round {round}: word {at} of page {page} is {value:#x}, not {:#x}",
                        word(cpu, page, at, old)
                    ));
                }
                *value = word(cpu, page, at, round);
            }
            generations[page] = round;
            page = (page + 1) % PAGES;
            clock.look(shared, cpu);
        }
        shared.rounds[cpu].fetch_add(1, Ordering::SeqCst);
        shared.all_rounds.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(IDLE);
    }
}

/// Whether the clock and the counter keep step.
struct ClockWatch {
    first_counter: u64,
    first: Instant,
    last: Instant,
    frequency: u64,
}

impl ClockWatch {
    fn new(shared: &Shared) -> Self {
        let first = Instant::now();
        Self {
            first_counter: shared.read_counter(),
            first,
            last: first,
            frequency: system::counter_frequency(),
        }
    }

    fn look(&mut self, shared: &Shared, cpu: usize) {
        let (a, now, b) = (shared.read_counter(), Instant::now(), shared.read_counter());
        if now < self.last {
            shared.wrong(format_args!("CPU {cpu}: the clock went back"));
        }
        let gap = now.saturating_duration_since(self.last);
        self.last = now;
        shared.gap.fetch_max(micros(gap), Ordering::SeqCst);
        let clock = now.saturating_duration_since(self.first).as_nanos();
        let of = |counter: u64| {
            u128::from(counter - self.first_counter.min(counter)) * 1_000_000_000
                / u128::from(self.frequency.max(1))
        };
        let tolerance = u128::from(CLOCK_TOLERANCE_NS) + clock / 1000;
        if clock + tolerance < of(a) || clock > of(b) + tolerance {
            shared.wrong(format_args!(
                "CPU {cpu}: the clock says {clock} ns, the counter {} to {}",
                of(a),
                of(b)
            ));
        }
    }
}

/// Passes the token on when it is this CPU's turn. The next owner sleeps on
/// another CPU, which an interrupt of this one wakes; so does the barrier all
/// that run.
fn pass(shared: &Shared, cpu: usize, turns: &system::Futex) {
    shared.pin(cpu);
    loop {
        let pass = turns.wait_for(|pass| pass as usize % shared.cpus == cpu);
        if !system::barrier() {
            shared.wrong("membarrier failed");
        }
        shared.passes.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_micros(500));
        turns.set(pass.wrapping_add(1));
    }
}

/// Counts the expirations of a periodic timer, which must be as many as fit
/// into the time by the clock.
fn tick(shared: &Shared) {
    let started = Instant::now();
    let Some(timer) = system::Timer::start(TICK) else {
        shared.wrong("no timer");
        return;
    };
    let mut ticks = 0u64;
    loop {
        let Some(more) = timer.wait() else {
            shared.wrong("the timer cannot be read");
            return;
        };
        ticks += more;
        let elapsed = started.elapsed();
        let due = TICK * u32::try_from(ticks).unwrap_or(u32::MAX);
        let late = elapsed.saturating_sub(due);
        // The clock was read before the timer was started.
        if elapsed < due {
            shared.wrong(format_args!("{ticks} ticks after {elapsed:?}: too many"));
        } else if late > TICK * 2 + Duration::from_millis(1) && more < 2 && ticks > 2 {
            // Being late is told; that one expiration is counted for it is not.
            if micros(late) > micros(TICK) * 50 {
                shared.wrong(format_args!("{ticks} ticks after {elapsed:?}: too few"));
            }
        }
        shared.late.fetch_max(micros(late), Ordering::SeqCst);
        shared.ticks.store(ticks, Ordering::SeqCst);
    }
}

/// Something that must not stand still.
struct Watched {
    name: String,
    value: u64,
    since: Instant,
}

impl Watched {
    fn new(name: String) -> Self {
        Self {
            name,
            value: 0,
            since: Instant::now(),
        }
    }

    fn look(&mut self, shared: &Shared, value: u64) {
        if value != self.value {
            self.value = value;
            self.since = Instant::now();
        } else if self.since.elapsed() > STALL {
            shared.wrong(format_args!("{} stand still at {value}", self.name));
        }
    }
}

/// Prints the lines.
fn tell(shared: &Shared) -> ! {
    let mut rounds: Vec<Watched> = (0..shared.cpus)
        .map(|cpu| Watched::new(format!("rounds of CPU {cpu}")))
        .collect();
    let mut passes = Watched::new("passes".to_owned());
    let mut ticks = Watched::new("ticks".to_owned());
    for number in 1u32.. {
        let until = shared.started + PERIOD * number;
        std::thread::sleep(until.saturating_duration_since(Instant::now()));
        let of = |value: &AtomicU64| value.load(Ordering::SeqCst);
        let sum = || shared.rounds.iter().map(of).sum::<u64>();
        // A worker counts for itself first, then for all.
        let (all, apart) = (of(&shared.all_rounds), sum());
        if all > apart {
            shared.wrong(format_args!("{all} rounds counted together, {apart} apart"));
        }
        let (apart, all) = (apart, of(&shared.all_rounds));
        if apart > all + shared.cpus as u64 {
            shared.wrong(format_args!("{apart} rounds counted apart, {all} together"));
        }
        for (watched, value) in rounds.iter_mut().zip(&shared.rounds) {
            watched.look(shared, of(value));
        }
        passes.look(shared, of(&shared.passes));
        ticks.look(shared, of(&shared.ticks));
        println!(
            "KVM-LA-STEADY {number} time={} rounds={all} passes={} ticks={} disk={} gap={} late={}",
            shared.started.elapsed().as_millis(),
            of(&shared.passes),
            of(&shared.ticks),
            of(&shared.disk),
            shared.gap.swap(0, Ordering::SeqCst),
            shared.late.swap(0, Ordering::SeqCst),
        );
    }
    std::process::exit(1)
}

fn main() -> ExitCode {
    if !registers::supported() {
        println!("KVM-LA-STEADY WRONG the CPU has no LSX");
        return ExitCode::FAILURE;
    }
    let flags = std::env::args().nth(1).and_then(|word| word.parse().ok());
    let flags = flags.unwrap_or(8);
    let cpus = std::thread::available_parallelism().map_or(1, |n| n.get());
    let shared = Arc::new(Shared {
        cpus,
        flags,
        started: Instant::now(),
        counter: AtomicU64::new(0),
        rounds: (0..cpus).map(|_| AtomicU64::new(0)).collect(),
        all_rounds: AtomicU64::new(0),
        passes: AtomicU64::new(0),
        ticks: AtomicU64::new(0),
        disk: AtomicU64::new(0),
        gap: AtomicU64::new(0),
        late: AtomicU64::new(0),
        wrong: OnceLock::new(),
    });
    let turns = Arc::new(system::Futex::new());
    if !system::register_barrier() {
        shared.wrong("the kernel has no expedited membarrier");
    }
    let units = registers::unit_names().chain(counters::available().then_some("counters"));
    let units: String = units.map(|unit| format!(" {unit}")).collect();
    println!("KVM-LA-STEADY begin cpus={cpus}{units}");
    for cpu in 0..cpus {
        let shared = Arc::clone(&shared);
        std::thread::spawn(move || work(&shared, cpu));
    }
    for cpu in 0..cpus {
        let (shared, turns) = (Arc::clone(&shared), Arc::clone(&turns));
        std::thread::spawn(move || pass(&shared, cpu, &turns));
    }
    for run in [tick, devices::console, devices::port, devices::disk] {
        let shared = Arc::clone(&shared);
        std::thread::spawn(move || run(&shared));
    }
    tell(&shared)
}
