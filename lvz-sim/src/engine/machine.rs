// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The machine: CPUs in round robin, time and power.

use super::Engine;
use super::check::Difference;
use super::code::CodeCache;
use super::debug::{self, Debug, SavedRest, run_debugged};
use super::execute::{Compilation, Pause, run};
use super::jit::JitError;
use super::jumps::JumpCache;
use crate::cpu::{Cpu, Model, Watched};
use crate::isa::Decoder;
use crate::mem::ram::page_flag;
use crate::mem::{Bus, Ram};
use crate::platform::{Platform, PlatformConfig, PlatformError, PowerEvent};
use crate::profile::Profile;
use crate::stats::Executed;
use serde::{Deserialize, Serialize};
use std::ops::Add as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Instructions that a CPU runs before the next one's turn.
const QUANTUM: u64 = 4096;

/// The same for a machine with one CPU, where only devices wait.
const QUANTUM_ALONE: u64 = 100_000;

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// Power-off, with the exit code.
    PowerOff(u8),
    /// The machine asked for a reset; the caller boots it again.
    Reset,
    /// As many instructions as were asked for have been executed.
    Limit,
    /// Every CPU is idle, and no timer or device will ever wake one.
    Stuck,
    /// The user asked for it at the console.
    Quit,
    /// Compiled code did not do what the interpreter did ([`Machine::difference`]).
    Differs,
    /// A debugger wanted it stopped; the run can go on.
    Halted,
}

impl RunEnd {
    /// [`RunEnd::Stuck`] in words.
    pub(crate) const STUCK: &str = "every CPU is idle and nothing will ever wake one";
}

/// A round that a debugger stopped inside a CPU's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Turn {
    pub(crate) cpu: usize,
    /// The time at which the round ends.
    pub(crate) until: u64,
    /// CPUs before it that are idle.
    pub(crate) idle: usize,
}

impl Turn {
    /// Whether a machine with so many CPUs can be in it.
    pub(crate) fn is_of(self, cpus: usize) -> bool {
        self.cpu < cpus && self.idle <= self.cpu
    }
}

/// A complete machine.
pub struct Machine {
    pub cpus: Vec<Cpu>,
    /// Memory and devices.
    pub bus: Bus,
    decoder: Decoder,
    code: CodeCache,
    jumps: Vec<JumpCache>,
    compilation: Option<Compilation>,
    /// Time up to which all CPUs have run.
    pub(crate) time: u64,
    /// Wall-clock mode: when it began, and the time it was then.
    clock: Option<(Instant, u64)>,
    model: Arc<Model>,
    /// What a debugger has asked for.
    pub(crate) debug: Debug,
    /// Where the next round goes on.
    pub(crate) turn: Option<Turn>,
    /// Where instructions are executed, if that is wanted.
    pub(crate) profile: Option<Profile>,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine")
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}

impl Machine {
    fn new(model: Model, cpus: usize, ram: Ram, platform: Platform) -> Self {
        let model = Arc::new(model);
        Machine {
            cpus: (0..cpus)
                .map(|id| Cpu::new(id, Arc::clone(&model)))
                .collect(),
            bus: Bus::new(ram, platform, cpus),
            decoder: Decoder::new(&model),
            code: CodeCache::new(),
            jumps: (0..cpus).map(|_| JumpCache::new()).collect(),
            compilation: None,
            time: 0,
            clock: None,
            model,
            debug: Debug::default(),
            turn: None,
            profile: None,
        }
    }

    /// A machine with `cpus` CPUs around `ram` and the devices that `config`
    /// describes, after reset.
    ///
    /// # Errors
    /// A file of `config` that cannot be used.
    pub fn with_memory(
        model: Model,
        cpus: usize,
        ram: Ram,
        config: PlatformConfig,
    ) -> Result<Self, PlatformError> {
        let config = PlatformConfig {
            avec: model.has_avec(),
            ..config
        };
        let platform = Platform::new(config, ram.map.clone())?;
        Ok(Self::new(model, cpus, ram, platform))
    }

    /// Chooses how instructions are executed; at first it is by the interpreter, as it
    /// always is for a model that spoils the upper parts of vector registers.
    ///
    /// # Errors
    /// Code cannot be compiled on this computer.
    pub fn use_engine(&mut self, engine: Engine) -> Result<(), JitError> {
        self.code.forget_code();
        // Compiled forms keep what is above their result.
        let spoils = self.cpus.iter().any(|cpu| cpu.model.spoils_upper());
        self.compilation = match engine {
            _ if spoils => None,
            Engine::Interpreter => None,
            Engine::Jit(options) => Some(Compilation::new(options, false)?),
            Engine::Check(options) => Some(Compilation::new(options, true)?),
        };
        Ok(())
    }

    /// What compiled code did otherwise than the interpreter, after
    /// [`RunEnd::Differs`].
    pub fn difference(&self) -> Option<&Difference> {
        self.compilation.as_ref()?.difference()
    }

    /// The decoded code.
    #[cfg(test)]
    pub(super) fn code_mut(&mut self) -> &mut CodeCache {
        &mut self.code
    }

    /// Instructions that ended so far, of all CPUs.
    pub fn instructions(&self) -> u64 {
        self.cpus.iter().map(|c| c.icount).sum()
    }

    /// Simulated time in nanoseconds.
    pub fn time(&self) -> u64 {
        self.time
    }

    /// Puts devices and CPUs into the state after reset and clears the memory. Time and counts
    /// of instructions go on.
    pub(crate) fn reset(&mut self) {
        self.bus.platform.reset();
        self.bus.ram.clear();
        self.reset_cpus();
    }

    /// Puts all CPUs into the state after reset, keeping the time.
    pub fn reset_cpus(&mut self) {
        for cpu in &mut self.cpus {
            let (icount, mut stats) = (cpu.icount, std::mem::take(&mut cpu.stats));
            stats.finish(icount, cpu.world());
            let (trace, counts) = (cpu.trace, cpu.tlb.counts);
            let symbols = Arc::clone(&cpu.symbols);
            let tally = cpu.tally.until(icount);
            let lints = std::mem::take(&mut cpu.lints);
            let (calls, watched) = (cpu.calls.take(), std::mem::take(&mut cpu.watched));
            let generation = cpu.soft.fetch_generation;
            *cpu = Cpu::new(cpu.id, Arc::clone(&cpu.model));
            cpu.icount = icount;
            cpu.time_offset = self.time - (icount * cpu.pace).min(self.time);
            cpu.stats = stats;
            cpu.set_trace(trace);
            cpu.symbols = symbols;
            cpu.lints = lints;
            cpu.calls = calls;
            cpu.watched = watched;
            cpu.tlb.counts = counts;
            cpu.tally = tally;
            cpu.soft.fetch_generation = generation + 1;
        }
        self.bus.set_reservations(vec![[None; 2]; self.cpus.len()]);
        self.code.drop_all(&mut self.bus.ram);
        self.debug.forget_rests();
        self.turn = None;
    }

    /// Forgets all decoded code: memory was changed from outside.
    pub fn memory_replaced(&mut self) {
        self.forget_memory();
        self.bus.ram.take_device_writes();
    }

    /// Forgets what is known of pages: code, and where they are.
    fn forget_memory(&mut self) {
        self.code.drop_all(&mut self.bus.ram);
        self.debug.forget_rests();
        for cpu in &mut self.cpus {
            cpu.soft.clear();
        }
    }

    /// Makes the page of 4 KiB at a physical address one whose loads and fetches raise a
    /// machine error, or one as others again; false if there is no memory.
    pub fn set_poison(&mut self, address: u64, poisoned: bool) -> bool {
        let Some(offset) = self.bus.ram.offset(address) else {
            return false;
        };
        if poisoned {
            self.bus.ram.set_flag(offset, page_flag::POISONED);
        } else {
            self.bus.ram.clear_flag(offset, page_flag::POISONED);
        }
        self.forget_memory();
        true
    }

    /// Makes these pages the poisoned ones, by their offsets in memory, which is looked at
    /// anew afterwards.
    pub(crate) fn replace_poison(&mut self, offsets: &[usize]) {
        let before: Vec<usize> = self.bus.ram.poisoned().collect();
        for offset in before {
            self.bus.ram.clear_flag(offset, page_flag::POISONED);
        }
        for &offset in offsets {
            self.bus.ram.set_flag(offset, page_flag::POISONED);
        }
    }

    /// Runs until the end of the machine or until `limit` instructions have
    /// ended in all: at the end of the round in which that happens, so that a
    /// run in parts is the same as a run in one.
    pub fn run(&mut self, limit: u64) -> RunEnd {
        self.run_while(limit, &mut |_| true)
    }

    /// The same, as long as `goes_on` says so, which is asked between rounds.
    pub(crate) fn run_while(
        &mut self,
        limit: u64,
        goes_on: &mut dyn FnMut(&Self) -> bool,
    ) -> RunEnd {
        loop {
            if self.turn.is_none() {
                if self.instructions() >= limit {
                    return RunEnd::Limit;
                }
                if !goes_on(self) {
                    return RunEnd::Halted;
                }
            }
            if let Some(end) = self.round() {
                return end;
            }
        }
    }

    /// Has a debugger watch this and nothing else; what it watched before.
    pub(crate) fn watch_for_debugger(&mut self, watched: &[Watched]) -> Vec<Watched> {
        let before = self.cpus.first().map(|cpu| cpu.watched.clone());
        for cpu in &mut self.cpus {
            cpu.watch_for_debugger(watched);
        }
        self.debug.watching = !watched.is_empty();
        before.unwrap_or_default()
    }

    /// What the CPU that a debugger stopped inside its turn has still to execute of a block.
    pub(crate) fn saved_rest(&self) -> Option<SavedRest> {
        let cpu = self.cpus.get(self.turn?.cpu)?;
        SavedRest::of(&self.debug, &self.code, cpu)
    }

    /// Has that CPU go on there.
    pub(crate) fn resume_rest(&mut self, rest: &SavedRest) {
        let (debug, code) = (&mut self.debug, &mut self.code);
        if let Some(cpu) = self.turn.and_then(|turn| self.cpus.get(turn.cpu)) {
            rest.resume(debug, code, &self.decoder, cpu);
        }
    }

    /// Has a machine that a debugger stopped go on with the next [`Machine::run_while`].
    pub(crate) fn go_on(&mut self) {
        self.debug.go_on(&self.cpus);
    }

    /// The most instructions that end in a round, blocks that go beyond it included.
    pub(crate) fn round_length(&self) -> u64 {
        2 * QUANTUM_ALONE.max(QUANTUM * self.cpus.len() as u64)
    }

    fn next_round(&mut self) -> Turn {
        if let Some(compilation) = &mut self.compilation {
            compilation.collect(&mut self.code);
        }
        let alone = self.cpus.len() == 1;
        let quantum = if alone { QUANTUM_ALONE } else { QUANTUM };
        let mut until = self.time + quantum * u64::from(self.model.ns_per_instruction());
        if let Some(event) = self.bus.platform.next_event() {
            until = until.min(event.max(self.time + 1));
        }
        Turn {
            cpu: 0,
            until,
            idle: 0,
        }
    }

    /// One turn of each CPU.
    fn round(&mut self) -> Option<RunEnd> {
        let (begun, turn) = match self.turn.take() {
            Some(turn) => (true, turn),
            None => (false, self.next_round()),
        };
        let (until, mut idle) = (turn.until, turn.idle);
        for i in turn.cpu..self.cpus.len() {
            if !(begun && i == turn.cpu) {
                self.begin_turn(i);
            }
            let pause = self.turn_of(i, until);
            self.note_turn(i);
            match pause {
                Pause::Time => {}
                Pause::Idle => idle += 1,
                Pause::Power => return Some(self.powered()),
                Pause::Differs => return Some(RunEnd::Differs),
                Pause::Halt => {
                    self.turn = Some(Turn {
                        cpu: i,
                        until,
                        idle,
                    });
                    return Some(RunEnd::Halted);
                }
            }
            self.end_turn(i);
        }
        self.time = until;
        self.advance_devices();
        if self.bus.platform.power_event().is_some() {
            return Some(self.powered());
        }
        if self.bus.platform.quit_requested() {
            return Some(RunEnd::Quit);
        }
        self.follow_clock();
        if idle == self.cpus.len() {
            return self.skip_idle();
        }
        None
    }

    /// Has the profile know of a turn.
    fn note_turn(&mut self, i: usize) {
        if let (Some(profile), Some(cpu)) = (&mut self.profile, self.cpus.get(i)) {
            profile.note(cpu);
        }
    }

    /// Runs one CPU up to a time.
    fn turn_of(&mut self, i: usize, until: u64) -> Pause {
        let count = self.instructions();
        let debugged = self.debug.active(count, self.round_length());
        let (Some(cpu), Some(jumps)) = (self.cpus.get_mut(i), self.jumps.get_mut(i)) else {
            return Pause::Time;
        };
        let (bus, code, decoder) = (&mut self.bus, &mut self.code, &self.decoder);
        if debugged {
            let others = count - cpu.icount;
            let mut engine = debug::Engine {
                bus,
                code,
                jumps,
                decoder,
                debug: &mut self.debug,
                others,
            };
            return run_debugged(cpu, &mut engine, until);
        }
        run(cpu, bus, code, jumps, decoder, &mut self.compilation, until)
    }

    fn powered(&mut self) -> RunEnd {
        match self.bus.platform.power_event() {
            Some(PowerEvent::Reset) => RunEnd::Reset,
            Some(PowerEvent::Off(code)) => RunEnd::PowerOff(code),
            None => RunEnd::Stuck,
        }
    }

    fn advance_devices(&mut self) {
        self.bus.platform.advance(self.time);
        if self.bus.platform.take_dma() {
            self.bus.notice_device_writes();
        }
    }

    /// In wall-clock mode simulated time is not behind the clock.
    fn follow_clock(&mut self) {
        let Some((start, base)) = self.clock else {
            return;
        };
        let real = base.saturating_add(start.elapsed().as_nanos() as u64);
        let behind = real.saturating_sub(self.time);
        if behind > 0 {
            self.time += behind;
            for cpu in &mut self.cpus {
                cpu.time_offset += behind;
            }
        }
    }

    /// Has time follow the clock of the computer from now on, instead of the
    /// number of instructions. Runs are no longer repeatable.
    pub fn use_wall_clock(&mut self) {
        self.clock = Some((Instant::now(), self.time));
    }

    /// The CPUs' model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Puts all CPUs' reserved pages under watch, but those of one inside its turn.
    pub(crate) fn watch_reservations(&mut self) {
        for i in 0..self.cpus.len() {
            self.end_turn(i);
        }
        if let Some(turn) = self.turn {
            self.begin_turn(turn.cpu);
        }
    }

    /// With every CPU idle, time jumps to the next event.
    fn skip_idle(&mut self) -> Option<RunEnd> {
        let lines_wake = self.cpus.iter_mut().any(|cpu| {
            cpu.sample_interrupts(&mut self.bus);
            cpu.wakes()
        });
        if lines_wake {
            return None;
        }
        let timers = self.cpus.iter().filter_map(Cpu::next_timer).min();
        let next = [timers, self.bus.platform.next_event()]
            .into_iter()
            .flatten()
            .min();
        let Some(next) = next else {
            return Some(RunEnd::Stuck);
        };
        if self.bus.platform.interactive() {
            // A user watches: idle time passes as on a clock.
            let idle = Duration::from_nanos(next.saturating_sub(self.time));
            self.bus
                .platform
                .wait_for_input(idle.min(Duration::from_millis(20)));
        }
        self.time = self.time.max(next.saturating_sub(1));
        None
    }

    /// Tells a CPU what the others have executed, and lets go of its own
    /// reservations, which need no watch while it runs.
    fn begin_turn(&mut self, i: usize) {
        let others = self
            .cpus
            .iter()
            .filter(|cpu| cpu.id != i)
            .map(|cpu| cpu.stats.executed(cpu.icount, cpu.world()))
            .fold(Executed::default(), Executed::add);
        if let Some(cpu) = self.cpus.get_mut(i) {
            cpu.stats.others = others;
        }
        let offsets: Vec<usize> = self.bus.reserved_offsets(i).collect();
        for offset in offsets {
            if !self.bus.others_reserve(i, offset) {
                self.bus.ram.clear_flag(offset, page_flag::RESERVED);
            }
        }
    }

    /// Makes the other CPUs see what this one did: new code pages and its
    /// reservations, whose pages they must now write the slow way.
    fn end_turn(&mut self, i: usize) {
        let mut pages = std::mem::take(&mut self.bus.new_code);
        let reserved: Vec<usize> = self.bus.reserved_offsets(i).collect();
        for offset in reserved {
            self.bus.ram.set_flag(offset, page_flag::RESERVED);
            pages.push(offset);
        }
        for offset in pages {
            for (_, cpu) in self
                .cpus
                .iter_mut()
                .enumerate()
                .filter(|(other, _)| *other != i)
            {
                cpu.soft.drop_writes(offset);
            }
        }
    }
}
