// SPDX-License-Identifier: GPL-2.0-or-later

//! A process that makes calls.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, FromRawFd as _, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use kvm::random::Random;
use kvm::{Event, Kvm, checksum, request, signal};
use la_arch::sync_regs::{self, SyncRegs};

use super::Outcome;
use super::arena::{Arena, SCRATCH};
use super::calls::{Argument, CALLS, Call};
use super::fill::{self, Fill};
use super::tally::Tally;
use super::target::{KINDS, Kind, Target, Targets};

/// Calls that a worker makes.
pub(super) const CALLS_EACH: u64 = 5_000;

/// Threads of a worker.
const THREADS: u64 = 2;

/// How long a guest may run at most twice over before its thread is called back.
const SLICE: Duration = Duration::from_micros(150);

/// The highest errno that user space knows (EHWPOISON).
const HIGHEST_ERRNO: i32 = 133;

/// KVM_SET_SIGNAL_MASK, which blocks what ends KVM_RUN if its argument says so.
const SIGNAL_MASK: u64 = 0x8b;

/// What threads share.
struct Shared {
    targets: Targets,
    arena: Arena,
    events: Vec<Event>,
    run_size: usize,
    /// Whether a thread's guest runs. A thread that kicks it holds the lock, so that no
    /// kick interrupts a call that is to fail: a signal whose frame cannot be written
    /// ends the process.
    running: [Mutex<bool>; THREADS as usize],
    failures: bool,
}

/// Runs a worker and prints its tally.
pub(super) fn run(seed: u64, number: u64, failures: bool) -> Outcome {
    signal::prepare()?;
    let kvm = Kvm::open()?;
    let run_size = request::GET_VCPU_MMAP_SIZE.call(&kvm, 0)?;
    let shared = Arc::new(Shared {
        targets: Targets::default(),
        arena: Arena::new(number)?,
        events: (0..3).map(|_| Event::new()).collect::<kvm::Result<_>>()?,
        run_size: usize::try_from(run_size)?,
        running: [const { Mutex::new(false) }; THREADS as usize],
        failures,
    });
    let file = File::options().read(true).write(true).open("/dev/kvm")?;
    let mut random = Random::new(seed, number << 8 | 0xff);
    shared
        .targets
        .add(Kind::System, file.into(), 0, &mut random);
    shared.arena.renew(&mut random)?;
    let threads: Vec<JoinHandle<Outcome<Tally>>> = (0..THREADS)
        .map(|id| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || {
                let mut worker = Thread {
                    id,
                    random: Random::new(seed, number << 8 | id),
                    shared: &shared,
                    tally: Tally::default(),
                    calls: 0,
                };
                while worker.calls < CALLS_EACH / THREADS {
                    worker.step()?;
                }
                Ok(worker.tally)
            })
        })
        .collect();
    while threads.iter().any(|thread| !thread.is_finished()) {
        std::thread::sleep(SLICE);
        for (thread, running) in threads.iter().zip(&shared.running) {
            let running = running.lock().unwrap_or_else(PoisonError::into_inner);
            if *running {
                signal::kick(thread);
            }
        }
    }
    let mut tally = Tally::default();
    for thread in threads {
        tally.add(&thread.join().map_err(|_| "a thread died")??);
    }
    tally.print();
    drop(shared);
    // KVM still works for a process that uses it well.
    let vm = kvm.create_vm()?;
    let memory = checksum::load(&vm)?;
    checksum::check(&vm.create_vcpu(0)?, &memory, 0, seed, 500)
}

/// A thread of a worker.
struct Thread<'a> {
    id: u64,
    random: Random,
    shared: &'a Shared,
    tally: Tally,
    calls: u64,
}

impl Thread<'_> {
    /// One call, and sometimes something besides.
    fn step(&mut self) -> Outcome {
        match self.random.below(64) {
            0 => {
                let kind = self.random.pick(&KINDS);
                self.shared.targets.drop_one(kind, &mut self.random);
            }
            1 if self.random.one_in(8) => self.shared.arena.renew(&mut self.random)?,
            2 => self.signal()?,
            3 => self.read_stats(),
            4..12 => self.scribble(),
            _ => {}
        }
        if self.random.one_in(16) {
            return self.nonsense();
        }
        let call = self.choose();
        let Some(target) = self.shared.targets.pick(call.kind, &mut self.random) else {
            return self.make_up(call.kind);
        };
        // Now and then on a descriptor of another kind.
        let target = match self.random.one_in(100) {
            true => self.any_target().unwrap_or(target),
            false => target,
        };
        self.make(call, &target)
    }

    fn choose(&mut self) -> &'static Call {
        let total: u64 = CALLS.iter().map(|call| call.weight).sum();
        let mut at = self.random.below(total);
        for call in CALLS {
            match at.checked_sub(call.weight) {
                Some(rest) => at = rest,
                None => return call,
            }
        }
        &CALLS[0]
    }

    fn any_target(&mut self) -> Option<Arc<Target>> {
        let kind = self.random.pick(&KINDS);
        self.shared.targets.pick(kind, &mut self.random)
    }

    /// Makes the call by which there will be a descriptor of a kind.
    fn make_up(&mut self, kind: Kind) -> Outcome {
        let (from, name) = match kind {
            Kind::System | Kind::Vm => (Kind::System, "CREATE_VM"),
            Kind::Vcpu => (Kind::Vm, "CREATE_VCPU"),
            Kind::Device => (Kind::Vm, "CREATE_DEVICE"),
            Kind::Stats => (Kind::Vm, "GET_STATS_FD"),
        };
        let call = CALLS.iter().find(|call| call.name == name);
        match (call, self.shared.targets.pick(from, &mut self.random)) {
            (Some(call), Some(target)) => self.make(call, &target),
            (Some(_), None) if from == Kind::Vm => self.make_up(Kind::Vm),
            _ => Err("there is no descriptor of /dev/kvm".into()),
        }
    }

    /// Makes a call on a descriptor.
    fn make(&mut self, call: &Call, target: &Target) -> Outcome {
        let argument = match call.argument {
            Argument::Number(of) => of(&mut self.random),
            Argument::Structure(filler) => self.structure(filler),
        };
        let runs = call.name == "RUN";
        self.set_running(runs);
        let fails = self.shared.failures && !runs && self.random.one_in(3);
        let answer = self.call(target, call.number, argument, fails);
        self.set_running(false);
        let answer = answer?;
        self.tally.count(call.name, answer.is_ok());
        if let Ok(value) = answer
            && target.kind == call.kind
        {
            let fd = match call.name {
                // Its structure has the descriptor, if it was more than a test.
                "CREATE_DEVICE" if argument == self.shared.arena.scratch(self.id) => {
                    let flags = self.shared.arena.read_u32(self.id, 8);
                    (flags == 0).then(|| self.shared.arena.read_u32(self.id, 4))
                }
                _ => u32::try_from(value).ok(),
            };
            self.keep(call.name, fd);
        }
        Ok(())
    }

    fn set_running(&self, runs: bool) {
        if let Some(running) = self.shared.running.get(self.id as usize) {
            *running.lock().unwrap_or_else(PoisonError::into_inner) = runs;
        }
    }

    /// Keeps the descriptor that a call has made.
    fn keep(&mut self, name: &str, fd: Option<u32>) {
        let kind = match name {
            "CREATE_VM" => Kind::Vm,
            "CREATE_VCPU" => Kind::Vcpu,
            "CREATE_DEVICE" => Kind::Device,
            "GET_STATS_FD" | "GET_STATS_FD_VCPU" => Kind::Stats,
            _ => return,
        };
        let Some(fd) = fd
            .and_then(|fd| i32::try_from(fd).ok())
            .filter(|fd| *fd > 2)
        else {
            return;
        };
        // SAFETY: KVM has just made it for this call alone.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let size = self.shared.run_size;
        self.shared.targets.add(kind, fd, size, &mut self.random);
    }

    /// The address of a structure; sometimes one that can be accessed in part.
    fn structure(&mut self, filler: fill::Filler) -> u64 {
        let events: Vec<u32> = self.shared.events.iter().map(Event::fd).collect();
        let mut fill = Fill {
            random: &mut self.random,
            arena: &self.shared.arena,
            thread: self.id,
            events: &events,
            bytes: Vec::new(),
        };
        filler(&mut fill);
        let bytes = fill.bytes;
        let arena = &self.shared.arena;
        match self.random.below(40) {
            0 => fill::bad_address(&mut self.random),
            1 => arena.at_edge(&bytes, self.random.below(bytes.len() as u64) as usize),
            _ => {
                // Structures that lead elsewhere have it behind them; longer
                // ones lead nowhere.
                arena.write(self.id, 0, &bytes);
                arena.scratch(self.id)
            }
        }
    }

    /// Any number with any argument on any descriptor.
    fn nonsense(&mut self) -> Outcome {
        let Some(target) = self.any_target() else {
            return self.make_up(Kind::Vm);
        };
        let low = self.random.below(256);
        // Calls that make descriptors, block signals or run a guest are made in their
        // own ways alone, which close, unblock and stop again.
        if [0x01, 0x41, 0xce, 0xe0, 0xd4, 0x80, SIGNAL_MASK].contains(&low) {
            return Ok(());
        }
        // What slots may lead to is not for chance to say.
        if [0x46, 0x49].contains(&low) {
            return Ok(());
        }
        let size = match self.random.below(4) {
            0 => self.random.below(0x4000),
            _ => self.random.pick(&[0, 4, 8, 16, 24, 32, 64, 264, 1040]),
        };
        let number = self.random.below(4) << 30 | size << 16 | 0xae << 8 | low;
        let argument = match self.random.below(3) {
            0 => fill::bad_address(&mut self.random),
            1 => self.random.below(SCRATCH as u64),
            _ => self.structure(fill::words),
        };
        let answer = self.call(&target, number, argument, false)?;
        self.tally.count("nonsense", answer.is_ok());
        Ok(())
    }

    /// Makes the call; an answer that no client should see is an error.
    fn call(
        &mut self,
        target: &Target,
        number: u64,
        argument: u64,
        fails: bool,
    ) -> Outcome<kvm::Result<i32>> {
        self.calls += 1;
        if fails {
            // The how-manyth thing from now on that can fail fails.
            fail_nth(1 + self.random.below(24))?;
        }
        // SAFETY: addresses in arguments lead into the arena, whose memory
        // is never borrowed, or to nowhere; so do the slots that guests write to.
        let answer = unsafe { request::call_any(target.fd.as_fd(), number, argument) };
        if fails {
            fail_nth(0)?;
        }
        match &answer {
            Err(error) if !(1..=HIGHEST_ERRNO).contains(&error.errno) => Err(format!(
                "{number:#x} on {:?} answered errno {}",
                target.kind, error.errno
            )
            .into()),
            _ => Ok(answer),
        }
    }

    /// Writes into what a vCPU shares with user space.
    fn scribble(&mut self) {
        let Some(target) = self.shared.targets.pick(Kind::Vcpu, &mut self.random) else {
            return;
        };
        if let Some(page) = &target.page {
            // The header, the exits' union, the register sets or which of them
            // count (sometimes one that does not exist), or anywhere.
            let value = self.random.edge();
            let (offset, value) = match self.random.below(5) {
                0 => (self.random.below(32), value),
                1 => (32 + self.random.below(64), value),
                2 => (
                    288 + self.random.below(16 + size_of::<SyncRegs>() as u64),
                    value,
                ),
                3 => {
                    let sets = self.random.below(2 * (sync_regs::ALL + 1));
                    (288 + 8 * self.random.below(2), sets)
                }
                _ => (self.random.below(page.length() as u64), value),
            };
            let aligned = (offset as usize & !7).min(page.length() - 8);
            page.write_u64(aligned, value);
        }
    }

    /// Raises what an event is tied to.
    fn signal(&mut self) -> Outcome {
        let at = self.random.below(self.shared.events.len() as u64) as usize;
        if let Some(event) = self.shared.events.get(at) {
            event.signal()?;
            event.take()?;
        }
        Ok(())
    }

    /// Reads statistics, at whatever place and length.
    fn read_stats(&mut self) {
        let Some(target) = self.shared.targets.pick(Kind::Stats, &mut self.random) else {
            return;
        };
        if let Ok(fd) = target.fd.try_clone() {
            let mut bytes = vec![0; self.random.below(0x2000) as usize];
            // Whatever comes of it.
            let _ = File::from(fd).read(&mut bytes);
        }
    }
}

/// Makes the how-manyth thing from now on that can fail fail; 0 undoes that.
fn fail_nth(nth: u64) -> Outcome {
    let mut result = Ok(());
    // What still waits to fail can be this, but only once.
    for _ in 0..4 {
        result = File::options()
            .write(true)
            .open("/proc/thread-self/fail-nth")
            .and_then(|mut file| file.write_all(nth.to_string().as_bytes()));
        if result.is_ok() {
            break;
        }
    }
    result.map_err(|error| format!("/proc/thread-self/fail-nth: {error}").into())
}
