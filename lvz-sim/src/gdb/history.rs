// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Back in time: the machine is deterministic, so an earlier point of a run is reached from a
//! checkpoint before it by running again. What a debugger changed is changed again at the same
//! points, and what consoles heard comes from their tapes.

use super::change::Change;
use super::checkpoint::Checkpoint;
use super::tape::Tape;
use crate::engine::debug::{Halt, Moment, Point, Why};
use crate::engine::{Machine, RunEnd};
use crate::trace::Trace;
use std::time::{Duration, Instant};

/// Checkpoints that are kept.
const MOST: usize = 32;
/// Checkpoints take at most one part of so many of the time.
const SHARE: u32 = 10;
/// There is no more than one in this time.
const LEAST: Duration = Duration::from_millis(250);

/// Why a run backwards ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Back {
    /// Where it was to go to.
    Stopped(Halt),
    /// Nothing is known of what was before.
    Begin,
    /// The debugger wanted something else.
    Interrupted,
}

/// What is known of a machine's past.
pub(super) struct History {
    tapes: Vec<Tape>,
    checkpoints: Vec<Checkpoint>,
    changes: Vec<(Point, Change)>,
    /// How many of `changes` have been made.
    done: usize,
    /// Why there can be no past.
    refused: Option<String>,
    /// Why there was none when it was last to begin.
    gap: Option<String>,
    /// What was before does not lead here: a history is to begin, between rounds.
    broken: bool,
    taken: Instant,
    cost: Duration,
}

impl History {
    /// Without a past; `refused` says why there can be none.
    pub(super) fn new(tapes: Vec<Tape>, refused: Option<String>) -> Self {
        Self {
            tapes,
            checkpoints: Vec::new(),
            changes: Vec::new(),
            done: 0,
            refused,
            gap: None,
            broken: false,
            taken: Instant::now(),
            cost: Duration::ZERO,
        }
    }

    /// Why there can be no way back.
    pub(super) fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// How far back it goes.
    pub(super) fn in_words(&self) -> String {
        let absent = self.refused.as_ref().or(self.gap.as_ref());
        match (absent, self.checkpoints.first()) {
            (Some(absent), _) => format!("no debugging backwards: {absent}\n"),
            (None, None) => "it begins when the machine goes on\n".to_owned(),
            (None, Some(first)) => format!(
                "back to instruction {}, by {} checkpoints; {} changes by the debugger\n",
                first.count,
                self.checkpoints.len(),
                self.changes.len()
            ),
        }
    }

    /// Forgets everything: the past does not lead to what is now.
    pub(super) fn forget(&mut self) {
        self.checkpoints.clear();
        self.changes.clear();
        self.done = 0;
        for tape in &self.tapes {
            tape.diverges();
        }
    }

    /// Begins where the machine goes on next. The first checkpoint takes a while, and a debugger
    /// that has just come waits for answers.
    pub(super) fn begin_later(&mut self) {
        self.forget();
        self.broken = true;
    }

    /// Begins where the machine is, which is between rounds.
    pub(super) fn begin(&mut self, machine: &Machine) {
        self.forget();
        self.take(machine);
    }

    fn take(&mut self, machine: &Machine) {
        if self.refused.is_some() {
            return;
        }
        let begun = Instant::now();
        let last = self.checkpoints.last();
        match Checkpoint::of(machine, &self.tapes, self.done, last) {
            Ok(checkpoint) => {
                self.checkpoints.push(checkpoint);
                self.gap = None;
            }
            // It may be possible later.
            Err(error) => {
                self.gap = Some(error.to_string());
                self.forget();
            }
        }
        self.taken = Instant::now();
        self.cost = self.taken - begun;
        self.thin_out(None);
    }

    /// Takes a checkpoint if the last one is long ago, between rounds.
    fn consider(&mut self, machine: &Machine) {
        let last = self.checkpoints.last();
        let new = last.is_none_or(|last| last.count < machine.instructions());
        if new && self.taken.elapsed() > LEAST.max(self.cost * SHARE) {
            self.take(machine);
        }
    }

    /// Lets the one go whose neighbours are nearest to each other, but for number `kept`.
    fn thin_out(&mut self, kept: Option<usize>) {
        if self.checkpoints.len() <= MOST {
            return;
        }
        let gaps = self.checkpoints.windows(3).enumerate();
        let others = gaps.filter(|(before, _)| Some(before + 1) != kept);
        let least = others.min_by_key(|(_, three)| three[2].count - three[0].count);
        if let Some((before, _)) = least {
            self.checkpoints.remove(before + 1);
        }
    }

    /// Notes and makes a change at the point where the machine is stopped.
    pub(super) fn change(&mut self, machine: &mut Machine, change: Change) {
        change.make(machine);
        machine.debug.forget_rests();
        match machine.debug.halt {
            Some(_) if self.checkpoints.is_empty() => {}
            Some(halt) if !self.broken => {
                // What follows is another future.
                self.changes.truncate(self.done);
                self.changes.push((halt.point, change));
                self.done = self.changes.len();
                self.checkpoints
                    .retain(|checkpoint| checkpoint.count <= halt.point.count);
                for tape in &self.tapes {
                    tape.diverges();
                }
            }
            _ => self.broken = true,
        }
    }

    /// Runs on until something stops the machine.
    pub(super) fn forward(
        &mut self,
        machine: &mut Machine,
        limit: u64,
        goes_on: &mut dyn FnMut() -> bool,
    ) -> RunEnd {
        if std::mem::take(&mut self.broken) {
            self.begin(machine);
        }
        self.run(machine, None, limit, true, goes_on)
    }

    /// Runs on to `wanted` if nothing stops the machine before, and makes the changes that
    /// are due on the way.
    fn run(
        &mut self,
        machine: &mut Machine,
        wanted: Option<Point>,
        limit: u64,
        checkpoints: bool,
        goes_on: &mut dyn FnMut() -> bool,
    ) -> RunEnd {
        loop {
            let due = self.changes.get(self.done).map(|(point, _)| *point);
            machine.debug.until = [due, wanted].into_iter().flatten().min();
            let until = machine.debug.until;
            machine.go_on();
            let end = machine.run_while(limit, &mut |machine| {
                if checkpoints {
                    self.consider(machine);
                }
                goes_on()
            });
            machine.debug.until = None;
            let reached = machine
                .debug
                .halt
                .is_some_and(|halt| halt.why == Why::Reached);
            if end != RunEnd::Halted || !reached {
                return end;
            }
            while let Some((point, change)) = self.changes.get(self.done)
                && Some(*point) == until
            {
                change.make(machine);
                machine.debug.forget_rests();
                self.done += 1;
            }
            if until == wanted {
                return end;
            }
            // It was no stop: a breakpoint there counts.
            machine.debug.halt = None;
        }
    }

    /// Goes to the checkpoint number `which`.
    fn restore(&mut self, machine: &mut Machine, which: usize) -> bool {
        let Some(checkpoint) = self.checkpoints.get(which) else {
            return false;
        };
        let restored = checkpoint.restore(machine, &self.tapes);
        self.done = checkpoint.changes;
        machine.debug.halt = None;
        if let Err(error) = restored {
            // It is the same machine, so this is a fault of the simulator.
            crate::say!("lvz-sim: cannot go back: {error}");
            self.refused = Some(error.to_string());
        }
        self.refused.is_none()
    }

    /// The last checkpoint of a smaller count.
    fn before(&self, count: u64) -> Option<usize> {
        self.checkpoints
            .partition_point(|checkpoint| checkpoint.count < count)
            .checked_sub(1)
    }

    /// Back to where CPU `cpu` was about to execute its last instruction.
    pub(super) fn step_back(
        &mut self,
        machine: &mut Machine,
        cpu: usize,
        goes_on: &mut dyn FnMut() -> bool,
    ) -> Back {
        self.quietly(machine, |history, machine, now| {
            history.come_near(machine, now, goes_on);
            let mut end = now;
            while let Some(which) = history.before(end.count) {
                if !history.restore(machine, which) {
                    break;
                }
                machine.debug.follow(Some(cpu));
                let ended = unstopped(machine, |machine| {
                    history.run(machine, Some(end), u64::MAX, false, goes_on)
                });
                let last = machine.debug.follow(None);
                if ended != RunEnd::Halted || machine.debug.halt.is_none() {
                    return Back::Interrupted;
                }
                if let Some(count) = last {
                    let point = Point {
                        count,
                        moment: Moment::Before,
                    };
                    return history.go_to(machine, point, None, goes_on);
                }
                end = history.start_of(which);
            }
            history.go_to_begin(machine)
        })
    }

    /// Back to where something stops the machine.
    pub(super) fn run_back(
        &mut self,
        machine: &mut Machine,
        goes_on: &mut dyn FnMut() -> bool,
    ) -> Back {
        self.quietly(machine, |history, machine, now| {
            let mut end = now;
            while let Some(which) = history.before(end.count) {
                if !history.restore(machine, which) {
                    break;
                }
                let mut last = None;
                loop {
                    let ended = history.run(machine, Some(end), u64::MAX, false, goes_on);
                    match machine.debug.halt {
                        Some(halt) if halt.why == Why::Reached => break,
                        Some(halt) if ended == RunEnd::Halted => last = Some(halt),
                        _ => return Back::Interrupted,
                    }
                }
                if let Some(halt) = last {
                    return history.go_to(machine, halt.point, Some(halt), goes_on);
                }
                end = history.start_of(which);
            }
            history.go_to_begin(machine)
        })
    }

    /// The point at which checkpoint `which` begins: the first instruction after it.
    fn start_of(&self, which: usize) -> Point {
        Point {
            count: self.checkpoints.get(which).map_or(0, |first| first.count),
            moment: Moment::Before,
        }
    }

    fn now(&self, machine: &Machine) -> Point {
        machine.debug.halt.map_or(
            Point {
                count: machine.instructions(),
                moment: Moment::Before,
            },
            |halt| halt.point,
        )
    }

    /// Takes a checkpoint shortly before a point that is far from the last one, since more
    /// steps back may follow.
    fn come_near(&mut self, machine: &mut Machine, to: Point, goes_on: &mut dyn FnMut() -> bool) {
        let near = to.count.saturating_sub(machine.round_length());
        let far = self.before(to.count).filter(|which| {
            let last = self.start_of(*which).count;
            last + 8 * machine.round_length() < near
        });
        if far.is_some_and(|which| self.restore(machine, which)) {
            let end = unstopped(machine, |machine| {
                self.run(machine, None, near, false, goes_on)
            });
            if end == RunEnd::Limit && self.before(machine.instructions()).is_some() {
                self.insert(machine);
            }
        }
    }

    /// Takes a checkpoint between those that there are.
    fn insert(&mut self, machine: &Machine) {
        let at = self
            .checkpoints
            .partition_point(|checkpoint| checkpoint.count < machine.instructions());
        let behind = self.checkpoints.split_off(at);
        self.take(machine);
        // Else there is no way back at all any more.
        if let Some(new) = self.checkpoints.len().checked_sub(1) {
            self.checkpoints.extend(behind);
            self.thin_out(Some(new));
        }
    }

    /// Goes to a point of the past, with the `halt` that was there.
    fn go_to(
        &mut self,
        machine: &mut Machine,
        point: Point,
        halt: Option<Halt>,
        goes_on: &mut dyn FnMut() -> bool,
    ) -> Back {
        let which = self.before(point.count).unwrap_or(0);
        if !self.restore(machine, which) {
            return Back::Begin;
        }
        let end = unstopped(machine, |machine| {
            self.run(machine, Some(point), u64::MAX, false, goes_on)
        });
        match machine.debug.halt {
            Some(reached) if end == RunEnd::Halted => {
                let halt = halt.unwrap_or(reached);
                machine.debug.halt = Some(halt);
                Back::Stopped(halt)
            }
            _ => Back::Interrupted,
        }
    }

    fn go_to_begin(&mut self, machine: &mut Machine) -> Back {
        if let Some(gap) = &self.gap {
            crate::say!("lvz-sim: no debugging backwards: {gap}");
        }
        self.restore(machine, 0);
        Back::Begin
    }

    /// Runs backwards from now, without what was traced before being so again.
    fn quietly(
        &mut self,
        machine: &mut Machine,
        does: impl FnOnce(&mut Self, &mut Machine, Point) -> Back,
    ) -> Back {
        if std::mem::take(&mut self.broken) {
            self.begin(machine);
            return Back::Begin;
        }
        let now = self.now(machine);
        let traces: Vec<Trace> = machine
            .cpus
            .iter_mut()
            .map(|cpu| {
                let trace = cpu.trace;
                // Lints stay: what they are about is executed in another way, and each is
                // reported once.
                cpu.set_trace(Trace {
                    lint: trace.lint,
                    ..Trace::default()
                });
                trace
            })
            .collect();
        let back = does(self, machine, now);
        for (cpu, trace) in machine.cpus.iter_mut().zip(traces) {
            cpu.set_trace(trace);
        }
        back
    }
}

/// Runs without breakpoints and watchpoints.
fn unstopped<T>(machine: &mut Machine, runs: impl FnOnce(&mut Machine) -> T) -> T {
    let breakpoints = std::mem::take(&mut machine.debug.breakpoints);
    let watched = machine.watch_for_debugger(&[]);
    let end = runs(machine);
    machine.debug.breakpoints = breakpoints;
    machine.watch_for_debugger(&watched);
    end
}

#[cfg(test)]
mod tests {
    use super::super::tests::machines::machine;
    use super::*;

    #[test]
    fn checkpoints_in_between_are_no_more_than_there_may_be() {
        const APART: u64 = 1_000_000;
        let mut machine = machine(1);
        let mut history = History::new(Vec::new(), None);
        history.begin(&machine);
        for n in 1..=20 {
            machine.run(n * APART);
            history.take(&machine);
        }
        for n in 0..20 {
            assert!(history.restore(&mut machine, 0));
            machine.run(n * APART + APART / 2);
            history.insert(&machine);
            let counts = history
                .checkpoints
                .iter()
                .map(|checkpoint| checkpoint.count);
            let counts: Vec<u64> = counts.collect();
            assert!(counts.len() <= MOST && counts.is_sorted(), "{counts:?}");
            assert!(counts.contains(&machine.instructions()), "{n}: {counts:?}");
        }
    }
}
