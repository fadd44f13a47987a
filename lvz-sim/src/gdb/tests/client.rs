// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The debugger's side of the line.

use super::super::history::History;
use super::super::registers::features;
use super::super::session::Session;
use super::super::socket::Peer;
use super::super::{Command, serve, tape::Tape};
use crate::cpu::Model;
use crate::engine::{Machine, RunEnd};
use crate::run::status_of;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// The number of the register of this name, of a machine of this model.
pub(super) fn register(model: &Model, name: &str) -> usize {
    let mut registers = features(model).into_iter().flat_map(|of| of.registers);
    registers.position(|of| of.name == name).expect(name)
}

/// A debugger.
pub(super) struct Client {
    line: UnixStream,
    heard: Vec<u8>,
}

/// Lets `debugger` debug `machine` until it returns and hangs up; how the run ended.
pub(super) fn debug(
    machine: &mut Machine,
    tapes: Vec<Tape>,
    debugger: impl FnOnce(&mut Client) + Send,
) -> Option<RunEnd> {
    debug_within(machine, tapes, u64::MAX, debugger)
}

/// The same with a limit of instructions.
pub(super) fn debug_within(
    machine: &mut Machine,
    tapes: Vec<Tape>,
    limit: u64,
    debugger: impl FnOnce(&mut Client) + Send,
) -> Option<RunEnd> {
    let (ours, theirs) = UnixStream::pair().expect("two sockets");
    ours.set_nonblocking(true).expect("a mode");
    thread::scope(|scope| {
        scope.spawn(move || debugger(&mut Client::of(theirs)));
        let mut history = History::new(tapes, None);
        let mut session = Session::new(machine, &mut history, limit);
        let peer = Peer::new(Box::new(ours));
        once(|command| serve(&mut session, peer, command))
    })
}

/// Does something with a command that boots nothing again.
pub(super) fn once<T>(does: impl FnOnce(&mut Command<'_>) -> T) -> T {
    does(&mut Command {
        restart: &mut |_| false,
        status: &|end| status_of(end, false, None),
    })
}

impl Client {
    fn of(line: UnixStream) -> Self {
        line.set_read_timeout(Some(Duration::from_secs(60)))
            .expect("a time limit");
        let heard = Vec::new();
        Self { line, heard }
    }

    /// Comes to a socket, which may not be there yet.
    pub(super) fn attach(socket: &Path) -> Self {
        let begun = Instant::now();
        loop {
            match UnixStream::connect(socket) {
                Ok(line) => return Self::of(line),
                Err(error) => assert!(begun.elapsed() < Duration::from_secs(60), "{error}"),
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Says something as it is.
    pub(super) fn say(&mut self, bytes: &[u8]) {
        self.line.write_all(bytes).expect("a listener");
    }

    /// Leaves the machine, which goes on.
    pub(super) fn detach(mut self) {
        self.send("D");
        let mut answer = Vec::new();
        // It ends with an error if the stub has left something unread.
        let _ = self.line.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.contains("$OK#9a"), "{answer}");
    }

    /// Whether the stub hangs up, which is waited for.
    pub(super) fn is_left(&mut self) -> bool {
        match self.line.read(&mut [0; 4096]) {
            Ok(count) => count == 0,
            // There were bytes that it has not read.
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }

    /// Says something again and again, and reads nothing, until there is no more room or the
    /// stub hangs up: the error.
    pub(super) fn say_endlessly(&mut self, bytes: &[u8]) -> ErrorKind {
        let limit = Some(Duration::from_millis(300));
        self.line.set_write_timeout(limit).expect("a time limit");
        loop {
            if let Err(error) = self.line.write(bytes) {
                return error.kind();
            }
        }
    }

    /// Sends a packet.
    pub(super) fn send(&mut self, body: &str) {
        let sum = body.bytes().fold(0u8, u8::wrapping_add);
        self.say(format!("${body}#{sum:02x}").as_bytes());
    }

    /// The next packet, acknowledged.
    pub(super) fn packet(&mut self) -> String {
        loop {
            let start = self.heard.iter().position(|byte| *byte == b'$');
            let end = self.heard.iter().position(|byte| *byte == b'#');
            if let (Some(start), Some(end)) = (start, end)
                && self.heard.len() >= end + 3
            {
                let packet: Vec<u8> = self.heard.drain(..end + 3).collect();
                // After its last words the stub has hung up.
                let _ = self.line.write_all(b"+");
                return unfold(&packet[start + 1..end]);
            }
            let mut buffer = [0; 4096];
            let count = self.line.read(&mut buffer).expect("an answer in time");
            assert!(count > 0, "the stub has hung up");
            self.heard.extend_from_slice(&buffer[..count]);
        }
    }

    /// Sends a packet; the answer.
    pub(super) fn ask(&mut self, body: &str) -> String {
        self.send(body);
        self.packet()
    }

    /// Sends a packet whose answer must be OK.
    pub(super) fn check(&mut self, body: &str) {
        assert_eq!(self.ask(body), "OK", "{body}");
    }

    /// A register of the thread.
    pub(super) fn register(&mut self, thread: usize, number: usize) -> u64 {
        self.check(&format!("Hg{thread}"));
        let hex = self.ask(&format!("p{number:x}"));
        let bytes: Vec<u8> = (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal"))
            .collect();
        u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
    }

    /// Writes a register of the thread.
    pub(super) fn write_register(&mut self, thread: usize, number: usize, value: u64) {
        self.check(&format!("Hg{thread}"));
        self.check(&format!("P{number:x}={:016x}", value.swap_bytes()));
    }

    /// What a monitor command answers.
    pub(super) fn monitor(&mut self, command: &str) -> String {
        let hex: String = command.bytes().map(|byte| format!("{byte:02x}")).collect();
        self.send(&format!("qRcmd,{hex}"));
        let mut text = Vec::new();
        loop {
            let packet = self.packet();
            let Some(hex) = packet.strip_prefix('O').filter(|_| packet != "OK") else {
                assert_eq!(packet, "OK");
                return String::from_utf8(text).expect("text");
            };
            text.extend(
                (0..hex.len())
                    .step_by(2)
                    .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal")),
            );
        }
    }
}

/// Run lengths written out: `x*n` is x and n - 29 more of it.
fn unfold(packet: &[u8]) -> String {
    let mut text = String::new();
    let mut bytes = packet.iter();
    while let Some(byte) = bytes.next() {
        if *byte == b'*' {
            let more = bytes.next().map_or(0, |n| n.saturating_sub(29));
            let last = text.chars().last().unwrap_or_default();
            text.extend(std::iter::repeat_n(last, more.into()));
        } else {
            text.push(char::from(*byte));
        }
    }
    text
}
