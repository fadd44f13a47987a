// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Where a debugger comes from: a TCP port of this computer or a Unix socket.

use crate::platform::{listen_at, ready};
use anyhow::{Context as _, Result};
use gdbstub::conn::Connection;
use rustix::event::{PollFd, PollFlags};
use std::cell::Cell;
use std::fmt;
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// How long something is waited for at a time.
const PATIENCE: Duration = Duration::from_millis(100);
/// Longest packet that is heard out; debuggers are told of less.
const PACKET_MAX: usize = 64 << 10;

/// Where to wait for a debugger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Host and port.
    Tcp(String),
    /// A Unix socket.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.rsplit_once(':') {
            Some((host, port)) if !host.contains('/') => {
                let _: u16 = port
                    .parse()
                    .map_err(|_| format!("'{port}' is not a port, a number below 65536"))?;
                // A debugger can do anything: by default others do not reach it.
                let host = if host.is_empty() { "127.0.0.1" } else { host };
                Ok(Address::Tcp(format!("{host}:{port}")))
            }
            None if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() => Err(
                format!("a port is ':{text}', and a socket of that name './{text}'"),
            ),
            _ if text.is_empty() => Err("not :PORT, HOST:PORT or the path of a socket".to_owned()),
            _ => Ok(Address::Unix(text.into())),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => f.write_str(address),
            Address::Unix(path) => path.display().fmt(f),
        }
    }
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

/// A socket at which debuggers come.
#[derive(Debug)]
pub(crate) struct Listener(Socket);

impl Listener {
    /// Opens it.
    ///
    /// # Errors
    /// The address is in use or not this computer's.
    pub(crate) fn open(address: &Address) -> Result<Self> {
        let failed = || format!("cannot wait for a debugger at '{address}'");
        Ok(Self(match address {
            Address::Tcp(address) => {
                Socket::Tcp(TcpListener::bind(address.as_str()).with_context(failed)?)
            }
            Address::Unix(path) => {
                let listener = listen_at(path).with_context(failed)?;
                Socket::Unix(listener, path.clone())
            }
        }))
    }

    /// The address, with the port that was chosen if 0 was asked for.
    pub(super) fn address(&self) -> String {
        match &self.0 {
            Socket::Tcp(listener) => listener
                .local_addr()
                .map_or_else(|_| String::new(), |address| address.to_string()),
            Socket::Unix(_, path) => path.display().to_string(),
        }
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Socket::Tcp(listener) => listener.as_fd(),
            Socket::Unix(listener, _) => listener.as_fd(),
        }
    }

    /// Whether a debugger is there.
    pub(super) fn is_called(&self) -> bool {
        is_ready(self.fd(), PollFlags::IN, Duration::ZERO)
    }

    /// Waits for a debugger as long as `waits`, which is asked now and then, says so; whether
    /// there is one.
    pub(super) fn wait(&self, waits: &mut dyn FnMut() -> bool) -> bool {
        while !is_ready(self.fd(), PollFlags::IN, PATIENCE) {
            if !waits() {
                return false;
            }
        }
        true
    }

    /// The debugger that is there.
    ///
    /// # Errors
    /// It went away meanwhile.
    pub(super) fn accept(&self) -> io::Result<Peer<'static>> {
        let stream: Box<dyn Stream> = match &self.0 {
            Socket::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                Box::new(stream)
            }
            Socket::Unix(listener, _) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                Box::new(stream)
            }
        };
        Ok(Peer::new(stream))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Socket::Unix(_, path) = &self.0 {
            // It may be gone already.
            let _ = fs::remove_file(path);
        }
    }
}

fn is_ready(fd: BorrowedFd<'_>, how: PollFlags, within: Duration) -> bool {
    ready(&mut [PollFd::from_borrowed_fd(fd, how)], within)
}

/// What is read and written as a stream of bytes. Neither waits: [`ErrorKind::WouldBlock`].
pub(super) trait Stream: Read + Write {
    /// Whether there is something to read, or the end, now or within this time.
    fn speaks(&self, within: Duration) -> bool;

    /// Whether there is room to write, or the end, within this time.
    fn listens(&self, within: Duration) -> bool;
}

impl<S: Read + Write + AsFd> Stream for S {
    fn speaks(&self, within: Duration) -> bool {
        is_ready(self.as_fd(), PollFlags::IN, within)
    }

    fn listens(&self, within: Duration) -> bool {
        is_ready(self.as_fd(), PollFlags::OUT, within)
    }
}

/// A peer that has said everything and does not listen. It is heard when it is asked for the
/// second time, so that a machine runs for a while before.
pub(super) struct Said<'a> {
    bytes: &'a [u8],
    asked: Cell<bool>,
}

impl<'a> Said<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let asked = Cell::default();
        Self { bytes, asked }
    }
}

impl Read for Said<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // A packet at a time, with its sum.
        let end = self.bytes.iter().position(|byte| *byte == b'#');
        let length = end.map_or(usize::MAX, |end| end + 3);
        let count = self.bytes.take(length as u64).read(buffer)?;
        self.bytes = &self.bytes[count..];
        Ok(count)
    }
}

impl Write for Said<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Said<'_> {
    fn speaks(&self, _: Duration) -> bool {
        self.asked.replace(!self.asked.get())
    }

    fn listens(&self, _: Duration) -> bool {
        true
    }
}

/// A debugger's end of the line.
pub(super) struct Peer<'a> {
    stream: Box<dyn Stream + 'a>,
    heard: Vec<u8>,
    /// Of `heard`, what was taken.
    taken: usize,
    /// What is still to be said. The debugger is heard again only when it has taken it.
    said: Vec<u8>,
    /// Bytes since a packet has ended.
    unended: usize,
    /// A packet has begun with the last byte.
    begun: bool,
    /// The first byte of the last packet.
    packet: Option<u8>,
}

impl<'a> Peer<'a> {
    pub(super) fn new(stream: Box<dyn Stream + 'a>) -> Self {
        Self {
            stream,
            heard: Vec::new(),
            taken: 0,
            said: Vec::new(),
            unended: 0,
            begun: false,
            packet: None,
        }
    }

    /// What kind of packet it has sent last: its first byte.
    pub(super) fn packet(&self) -> Option<u8> {
        self.packet
    }

    /// Whether it has said something, or has gone.
    pub(super) fn has_spoken(&mut self) -> bool {
        self.taken < self.heard.len() || self.say().is_err() || self.stream.speaks(Duration::ZERO)
    }

    /// Its next byte, waited for as long as `waits`, which is asked now and then, says so;
    /// `None` if it has gone, or sends a packet without an end.
    pub(super) fn next(&mut self, waits: &mut dyn FnMut() -> bool) -> Option<u8> {
        while self.taken >= self.heard.len() {
            self.say().ok()?;
            let ready = match self.said.is_empty() {
                true => self.stream.speaks(PATIENCE),
                false => self.stream.listens(PATIENCE),
            };
            match ready {
                true if self.said.is_empty() => self.hear().ok()?,
                true => {}
                false => waits().then_some(())?,
            }
        }
        let byte = self.heard.get(self.taken).copied();
        self.taken += 1;
        if std::mem::replace(&mut self.begun, byte == Some(b'$')) {
            self.packet = byte;
        }
        self.unended = match byte {
            Some(b'#') => 0,
            _ => self.unended + 1,
        };
        byte.filter(|_| self.unended <= PACKET_MAX)
    }

    /// Reads what is there.
    fn hear(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        let count = match self.stream.read(&mut buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Err(error) if is_passing(&error) => 0,
            read => read?,
        };
        self.heard.clear();
        self.heard.extend_from_slice(&buffer[..count]);
        self.taken = 0;
        Ok(())
    }

    /// Says what there is room for.
    fn say(&mut self) -> io::Result<()> {
        while !self.said.is_empty() {
            match self.stream.write(&self.said) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => drop(self.said.drain(..count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.stream.flush()
    }

    /// Says the last, which a debugger that takes nothing for a while misses.
    pub(super) fn take_leave(&mut self) {
        while self.say().is_ok() && !self.said.is_empty() && self.stream.listens(PATIENCE) {}
    }
}

/// Whether it can be tried again.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock)
}

impl Connection for Peer<'_> {
    type Error = io::Error;

    fn write(&mut self, byte: u8) -> io::Result<()> {
        self.said.push(byte);
        Ok(())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.said.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.say()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let tcp = |text: &str| Ok(Address::Tcp(text.to_owned()));
        assert_eq!(":1234".parse(), tcp("127.0.0.1:1234"));
        assert_eq!("localhost:0".parse(), tcp("localhost:0"));
        assert_eq!("/tmp/a:1".parse(), Ok(Address::Unix("/tmp/a:1".into())));
        assert_eq!("gdb".parse(), Ok(Address::Unix("gdb".into())));
        assert_eq!("./1234".parse(), Ok(Address::Unix("./1234".into())));
        for bad in ["", ":", ":65536", "host:x", "1234"] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
        let hint = "1234".parse::<Address>().unwrap_err();
        assert!(hint.contains(":1234"), "{hint}");
    }
}
