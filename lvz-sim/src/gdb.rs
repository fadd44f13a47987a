// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `--gdb`: the machine under a debugger, by GDB's remote protocol. docs/debugging.md is for
//! its users.

mod arch;
mod breakpoints;
mod change;
mod checkpoint;
mod description;
mod history;
mod monitor;
mod registers;
mod session;
mod socket;
mod space;
mod tape;
mod target;
#[cfg(test)]
mod tests;
mod touched;

pub use socket::Address;
pub(crate) use socket::Listener;
pub(crate) use tape::{Tape, Taped};

use crate::engine::{Machine, RunEnd};
use gdbstub::conn::Connection as _;
use gdbstub::stub::state_machine::GdbStubStateMachine;
use gdbstub::stub::{DisconnectReason, GdbStub, MultiThreadStopReason};
use history::History;
use session::{Event, Session};
use socket::{Peer, Said};
use std::time::{Duration, Instant};

/// How a machine is debugged.
#[derive(Debug)]
pub(crate) struct Options {
    /// Where debuggers come.
    pub(crate) listener: Listener,
    /// Nothing runs before a debugger is there.
    pub(crate) wait: bool,
    /// The consoles' records.
    pub(crate) tapes: Vec<Tape>,
    /// Why there is no way back in time.
    pub(crate) no_history: Option<String>,
}

/// What the command that runs a machine does at the end of the run.
pub(crate) struct Command<'a> {
    /// Boots the machine again after a reset; whether it could.
    pub(crate) restart: &'a mut dyn FnMut(&mut Machine) -> bool,
    /// The exit status of a run that has ended so.
    pub(crate) status: &'a dyn Fn(RunEnd) -> u8,
}

/// Runs `machine` as [`Machine::run`] does, with debuggers that come and go. A machine that is
/// idle for ever waits for a debugger.
pub(crate) fn run(
    machine: &mut Machine,
    options: Options,
    limit: u64,
    command: &mut Command<'_>,
) -> RunEnd {
    let listener = options.listener;
    crate::say!(
        "lvz-sim: for a debugger: target remote {}",
        listener.address()
    );
    let mut history = History::new(options.tapes, options.no_history);
    let mut wait = options.wait;
    loop {
        if std::mem::take(&mut wait) {
            if !listener.wait(&mut || stays(machine)) {
                return RunEnd::Quit;
            }
        } else {
            match alone(machine, &listener, limit) {
                RunEnd::Halted => {}
                RunEnd::Reset if (command.restart)(machine) => continue,
                RunEnd::Stuck => {
                    crate::say!("lvz-sim: {}: it waits for a debugger", RunEnd::STUCK);
                    wait = true;
                    continue;
                }
                end => return end,
            }
        }
        let Ok(peer) = listener.accept() else {
            continue;
        };
        let mut session = Session::new(machine, &mut history, limit);
        if let Some(reason) = session.history.refused() {
            crate::say!("lvz-sim: no debugging backwards: {reason}");
        }
        if let Some(end) = serve(&mut session, peer, command) {
            return end;
        }
    }
}

/// Whether a machine that stands still waits for a debugger, or for what one says next: not once
/// a user at its console, or a signal, wants the end of the simulation.
fn stays(machine: &mut Machine) -> bool {
    let platform = &mut machine.bus.platform;
    platform.listen();
    !platform.quit_requested()
}

/// Has a debugger that says `bytes`, and then goes away, debug `machine`: for tests.
pub fn hear(machine: &mut Machine, bytes: &[u8]) {
    let mut history = History::new(Vec::new(), None);
    let mut session = Session::new(machine, &mut history, u64::MAX);
    let peer = Peer::new(Box::new(Said::new(bytes)));
    let mut command = Command {
        restart: &mut |_| false,
        status: &|_| 0,
    };
    serve(&mut session, peer, &mut command);
}

/// Runs the machine until it ends or a debugger comes.
fn alone(machine: &mut Machine, listener: &Listener, limit: u64) -> RunEnd {
    let mut asked = Instant::now();
    machine.run_while(limit, &mut |_| {
        if asked.elapsed() < Duration::from_millis(5) {
            return true;
        }
        asked = Instant::now();
        !listener.is_called()
    })
}

/// Serves one debugger until it leaves, or the run ends.
fn serve(session: &mut Session<'_>, peer: Peer<'_>, command: &mut Command<'_>) -> Option<RunEnd> {
    let mut next = GdbStub::new(peer).run_state_machine(session);
    let mut end = None;
    loop {
        let state = match next {
            Ok(state) => state,
            Err(error) => {
                lost(&error);
                return end;
            }
        };
        next = match state {
            GdbStubStateMachine::Idle(mut idle) => {
                match idle.borrow_conn().next(&mut || stays(session.machine)) {
                    Some(byte) => idle.incoming_data(session, byte),
                    None => return session.left(),
                }
            }
            GdbStubStateMachine::Running(mut running) => {
                let peer = running.borrow_conn();
                match session.go(&mut || peer.has_spoken()) {
                    Event::Stopped(reason) => running.report_stop(session, reason),
                    Event::Spoken => {
                        match running.borrow_conn().next(&mut || stays(session.machine)) {
                            Some(byte) => running.incoming_data(session, byte),
                            None => return session.left(),
                        }
                    }
                    Event::Ended(RunEnd::Reset) if (command.restart)(session.machine) => {
                        session.history.begin(session.machine);
                        Ok(running.into())
                    }
                    Event::Ended(run_end) => {
                        end = Some(run_end);
                        let status = (command.status)(run_end);
                        running.report_stop(session, MultiThreadStopReason::Exited(status))
                    }
                }
            }
            GdbStubStateMachine::CtrlCInterrupt(interrupted) => {
                let reason = session.interrupt();
                interrupted.interrupt_handled(session, Some(reason))
            }
            GdbStubStateMachine::Disconnected(mut gone) => {
                let reason = gone.get_reason();
                take_leave(gone.borrow_conn(), reason, command);
                return match reason {
                    DisconnectReason::Kill => Some(RunEnd::Quit),
                    DisconnectReason::Disconnect => None,
                    DisconnectReason::TargetExited(_) | DisconnectReason::TargetTerminated(_) => {
                        end
                    }
                };
            }
        };
    }
}

/// Sends a debugger that goes what it may still wait for.
fn take_leave(peer: &mut Peer<'_>, reason: DisconnectReason, command: &Command<'_>) {
    if reason == DisconnectReason::Kill {
        // LLDB waits for an end of the process after `k`, GDB for OK after `vKill`.
        let answer = match peer.packet() {
            Some(b'k') => format!("W{:02x}", (command.status)(RunEnd::Quit)),
            _ => "OK".to_owned(),
        };
        let sum = answer.bytes().fold(0u8, u8::wrapping_add);
        // It adds to what is said, which cannot fail.
        let _ = peer.write_all(format!("${answer}#{sum:02x}").as_bytes());
    }
    peer.take_leave();
}

/// The line to a debugger is of no use any more: the machine goes on without it.
fn lost(error: &dyn std::fmt::Display) {
    crate::say!("lvz-sim: the debugger is gone: {error}");
}
