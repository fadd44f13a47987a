// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A machine under a debugger: what was asked for, done.

use super::breakpoints::{Breakpoint, Breakpoints};
use super::description::target_xml;
use super::history::{Back, History};
use super::registers::{Described, features};
use super::space;
use crate::cpu::{Cpu, Place, Watched};
use crate::engine::debug::{Halt, Why};
use crate::engine::{Machine, RunEnd};
use gdbstub::common::{Signal, Tid};
use gdbstub::stub::MultiThreadStopReason;
use gdbstub::target::ext::base::reverse_exec::ReplayLogPosition;
use gdbstub::target::ext::breakpoints::WatchKind;
use la_arch::insn::privileged::ERTN;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::time::{Duration, Instant};

/// How long an interrupt waits for the machine to come to an instruction.
const PATIENCE: Duration = Duration::from_millis(200);

/// How often the debugger's line is looked at.
const POLL: Duration = Duration::from_millis(2);

/// What the machine does next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Action {
    #[default]
    Continue,
    /// One instruction of a CPU.
    Step(usize),
    /// Instructions of a CPU, as long as they are in this range.
    StepIn(usize, Range<u64>),
    BackStep(usize),
    BackContinue,
}

/// What happened.
pub(super) enum Event {
    Stopped(MultiThreadStopReason<u64>),
    /// The debugger has said something.
    Spoken,
    /// The run has ended.
    Ended(RunEnd),
}

/// A watchpoint that the debugger has set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Watchpoint {
    pub(super) address: u64,
    pub(super) length: u64,
    pub(super) kind: WatchKind,
}

impl Watchpoint {
    fn watched(&self) -> Watched {
        Watched {
            place: space::place(self.address),
            length: self.length,
            loads: self.kind != WatchKind::Write,
            stores: self.kind != WatchKind::Read,
        }
    }
}

/// A machine under a debugger.
pub(super) struct Session<'a> {
    pub(super) machine: &'a mut Machine,
    pub(super) history: &'a mut History,
    pub(super) registers: Vec<Described>,
    pub(super) description: String,
    pub(super) action: Action,
    pub(super) breakpoints: Breakpoints,
    pub(super) watchpoints: Vec<Watchpoint>,
    /// The CPU that the debugger has looked at last.
    pub(super) current: usize,
    /// The run's limit of instructions.
    limit: u64,
}

/// The thread that a CPU is.
pub(super) fn tid(cpu: usize) -> Tid {
    NonZeroUsize::MIN.saturating_add(cpu)
}

/// The CPU that a thread is.
pub(super) fn cpu_of(tid: Tid) -> usize {
    tid.get() - 1
}

impl<'a> Session<'a> {
    /// Begins between rounds.
    pub(super) fn new(machine: &'a mut Machine, history: &'a mut History, limit: u64) -> Self {
        history.begin_later();
        let features = features(machine.model());
        Self {
            description: target_xml(&features),
            registers: features.into_iter().flat_map(|f| f.registers).collect(),
            machine,
            history,
            action: Action::default(),
            breakpoints: Breakpoints::default(),
            watchpoints: Vec::new(),
            current: 0,
            limit,
        }
    }

    /// Tells the machine what is watched now.
    pub(super) fn watch(&mut self) {
        let watched: Vec<Watched> = self.watchpoints.iter().map(Watchpoint::watched).collect();
        self.machine.watch_for_debugger(&watched);
    }

    /// Lets the machine do what was asked for until `spoken` says that there is something to
    /// hear.
    pub(super) fn go(&mut self, spoken: &mut dyn FnMut() -> bool) -> Event {
        // Asking takes a system call.
        let mut asked: Option<Instant> = None;
        let mut heard = false;
        let mut goes_on = || {
            let due = asked.is_none_or(|asked| asked.elapsed() > POLL);
            if !heard && due {
                asked = Some(Instant::now());
                heard = spoken();
            }
            !heard
        };
        match self.action.clone() {
            Action::Continue => {
                let step = self.steps_from_ertn().then_some(self.current);
                self.forward(step, &mut goes_on)
            }
            Action::Step(cpu) => self.forward(Some(cpu), &mut goes_on),
            Action::StepIn(cpu, range) => loop {
                let event = self.forward(Some(cpu), &mut goes_on);
                let stepped = self
                    .machine
                    .debug
                    .halt
                    .is_some_and(|halt| halt.why == Why::Stepped);
                let pc = self.machine.cpus.get(cpu).map_or(0, |cpu| cpu.pc);
                if !(matches!(event, Event::Stopped(_)) && stepped && range.contains(&pc)) {
                    return event;
                }
            },
            Action::BackStep(cpu) => {
                let back = self.history.step_back(self.machine, cpu, &mut goes_on);
                self.went_back(back)
            }
            Action::BackContinue => {
                let back = self.history.run_back(self.machine, &mut goes_on);
                self.went_back(back)
            }
        }
    }

    /// Whether GDB, which says "continue", means one step from an `ertn`: it steps by a breakpoint
    /// where it expects the next instruction (loongarch_software_single_step), and does not know
    /// where that one leads.
    fn steps_from_ertn(&self) -> bool {
        let Some(cpu) = self.machine.cpus.get(self.current) else {
            return false;
        };
        let next = cpu.pc.wrapping_add(4);
        let expected = |b: &Breakpoint| !b.hardware && b.address == next;
        let there = self.breakpoints.at(space::place(next));
        there.iter().any(expected) && self.word(cpu).is_some_and(|w| ERTN.matches(w))
    }

    /// The instruction at a CPU's program counter.
    fn word(&self, cpu: &Cpu) -> Option<u32> {
        let bus = &self.machine.bus;
        let pa = cpu.peek(bus, cpu.world(), cpu.pc & !3)?;
        Some(bus.ram.read(bus.ram.offset(pa)?))
    }

    fn forward(&mut self, step: Option<usize>, goes_on: &mut dyn FnMut() -> bool) -> Event {
        self.machine.debug.step = step;
        let end = self.history.forward(self.machine, self.limit, goes_on);
        self.machine.debug.step = None;
        match (end, self.machine.debug.halt) {
            (RunEnd::Halted, Some(halt)) => Event::Stopped(self.reason(&halt)),
            (RunEnd::Halted, None) => Event::Spoken,
            (RunEnd::Stuck, _) => {
                crate::say!("lvz-sim: {}: stopped", RunEnd::STUCK);
                Event::Stopped(signal(0, Signal::SIGINT))
            }
            (end, _) => Event::Ended(end),
        }
    }

    fn went_back(&mut self, back: Back) -> Event {
        Event::Stopped(match back {
            Back::Stopped(halt) => self.reason(&halt),
            Back::Begin => MultiThreadStopReason::ReplayLog {
                tid: Some(tid(0)),
                pos: ReplayLogPosition::Begin,
            },
            Back::Interrupted => signal(0, Signal::SIGINT),
        })
    }

    /// Stops the machine as soon as it comes to an instruction, or where it is.
    pub(super) fn interrupt(&mut self) -> MultiThreadStopReason<u64> {
        let begun = Instant::now();
        self.machine.debug.interrupt = true;
        let event = self.forward(None, &mut || begun.elapsed() < PATIENCE);
        self.machine.debug.interrupt = false;
        match event {
            Event::Stopped(reason) => reason,
            // What ended the run ends it again when it goes on.
            Event::Spoken | Event::Ended(_) => signal(0, Signal::SIGINT),
        }
    }

    /// How the run has ended if the debugger says no more: not, except by the user.
    pub(super) fn left(&self) -> Option<RunEnd> {
        let quit = self.machine.bus.platform.quit_requested();
        quit.then_some(RunEnd::Quit)
    }

    /// What the debugger is told of a stop.
    fn reason(&mut self, halt: &Halt) -> MultiThreadStopReason<u64> {
        self.current = halt.cpu;
        let thread = tid(halt.cpu);
        match halt.why {
            // With a reason a debugger would look for its breakpoint at the program counter,
            // find none and go on.
            Why::Breakpoint(place) if !matches!(place, Place::Virtual(_, None)) => {
                signal(halt.cpu, Signal::SIGTRAP)
            }
            Why::Breakpoint(place) => match self.breakpoints.at(place).first() {
                Some(Breakpoint { hardware: true, .. }) => MultiThreadStopReason::HwBreak(thread),
                _ => MultiThreadStopReason::SwBreak(thread),
            },
            Why::Watchpoint(hit) => {
                let here = |w: &&Watchpoint| w.watched() == hit.watched;
                match self.watchpoints.iter().find(here) {
                    Some(watchpoint) => MultiThreadStopReason::Watch {
                        tid: thread,
                        kind: watchpoint.kind,
                        addr: watchpoint.address,
                    },
                    None => signal(halt.cpu, Signal::SIGTRAP),
                }
            }
            Why::Stepped | Why::Reached => signal(halt.cpu, Signal::SIGTRAP),
            Why::Interrupted => signal(halt.cpu, Signal::SIGINT),
        }
    }
}

/// A signal of a CPU.
fn signal(cpu: usize, signal: Signal) -> MultiThreadStopReason<u64> {
    MultiThreadStopReason::SignalWithThread {
        tid: tid(cpu),
        signal,
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        // Nothing is left of the debugger but that the blocks in which CPUs are stopped end
        // where they would.
        self.machine.debug.leave();
        self.machine.watch_for_debugger(&[]);
        self.history.forget();
    }
}
