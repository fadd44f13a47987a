// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The link to the peer. Nothing here blocks, except [`Link::open`] and
//! [`Link::synchronize`] with lock-step; nothing grows without bound.

use super::address::Listener;
use super::config::{NetConfig, Role};
use super::deframer::{Deframer, FRAME_MAX, Item};
use super::error::{Lost, NetError};
use super::lockstep::{self, Lockstep, QUANTUM_BYTES};
use crate::platform::wait::ready;
use rustix::event::{PollFd, PollFlags};
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// Frames that wait for the machine, in bytes, before the rest waits in the socket.
const ARRIVED_MAX: usize = 1 << 20;
/// The socket is read in portions of this size.
const PORTION: usize = 64 << 10;
/// How long the first peer of a machine in lock-step may take to come.
const PEER_WAIT: Duration = Duration::from_secs(60);
/// How long [`Link::synchronize`] waits at a time.
const PATIENCE: Duration = Duration::from_millis(100);

/// The machine's end of an Ethernet with two ends.
#[derive(Debug)]
pub struct Link {
    /// Where the peer is, for messages.
    name: String,
    listener: Option<Listener>,
    peer: Option<OwnedFd>,
    lockstep: Option<Lockstep>,
    received: Deframer,
    portion: Box<[u8]>,
    arrived: VecDeque<Vec<u8>>,
    arrived_bytes: usize,
    /// Frames for the peer, each with its length before it.
    outgoing: Vec<u8>,
}

impl Link {
    /// Opens the socket that `config` describes; with lock-step the peer is there
    /// afterwards.
    pub(super) fn open(config: &NetConfig) -> Result<Self, NetError> {
        let address = &config.address;
        let failed = |action| {
            move |source| NetError::Socket {
                action,
                address: address.clone(),
                source,
            }
        };
        let deadline = Instant::now() + PEER_WAIT;
        let (listener, peer) = match config.role {
            Role::Listen => {
                let listener = Listener::open(address).map_err(failed("listen at"))?;
                if config.lockstep {
                    say(address, "waiting for the other simulator");
                    let peer = until(deadline, || listener.accept());
                    // It has one peer, the first.
                    (None, peer)
                } else {
                    (Some(listener), None)
                }
            }
            Role::Connect if config.lockstep => (None, until(deadline, || address.connect())),
            Role::Connect => (None, Some(address.connect().map_err(failed("connect to"))?)),
        };
        let mut link = Self::new(address.to_string(), listener, peer);
        if config.lockstep {
            let peer = link.peer.as_ref();
            let peer =
                peer.ok_or_else(|| NetError::NoPeer(address.clone(), PEER_WAIT.as_secs()))?;
            if !greet(peer, deadline) {
                return Err(NetError::NotInStep(address.clone()));
            }
            link.lockstep = Some(Lockstep::default());
        }
        Ok(link)
    }

    /// A link to `peer`, if it is there, or to those that come to `listener`.
    fn new(name: String, listener: Option<Listener>, peer: Option<OwnedFd>) -> Self {
        Self {
            name,
            listener,
            peer,
            lockstep: None,
            received: Deframer::default(),
            portion: vec![0; PORTION].into(),
            arrived: VecDeque::new(),
            arrived_bytes: 0,
            outgoing: Vec::new(),
        }
    }

    /// A link without a peer, to which none can come.
    pub(super) fn cut() -> Self {
        Self::new(String::new(), None, None)
    }

    /// A link to `peer`, a non-blocking socket, without lock-step: for tests.
    pub fn to(peer: impl Into<OwnedFd>) -> Self {
        Self::new("of a test".to_owned(), None, Some(peer.into()))
    }

    /// Whether there is a peer.
    pub(crate) fn up(&self) -> bool {
        self.peer.is_some()
    }

    /// Whether what arrives depends on the two machines alone.
    pub fn repeatable(&self) -> bool {
        self.lockstep.is_some()
    }

    /// Readable when something comes, unless that is foreseen by
    /// [`Self::next_event`].
    pub(crate) fn input(&self) -> Option<BorrowedFd<'_>> {
        if self.lockstep.is_some() {
            return None;
        }
        let peer = self.peer.as_ref().map(AsFd::as_fd);
        peer.or_else(|| self.listener.as_ref().map(AsFd::as_fd))
    }

    /// Whether what comes is taken now.
    pub(crate) fn takes(&self) -> bool {
        self.arrived_bytes < ARRIVED_MAX
    }

    /// The machine time at which [`Self::synchronize`] is due.
    pub(crate) fn next_event(&self) -> Option<u64> {
        let lockstep = self.lockstep.as_ref()?;
        self.up().then(|| lockstep.end())
    }

    /// The machine goes on at time `now`.
    pub(crate) fn set_time(&mut self, now: u64) {
        if let Some(lockstep) = &mut self.lockstep {
            lockstep.set_time(now);
        }
    }

    /// The frame that arrived first.
    pub(crate) fn first(&self) -> Option<&[u8]> {
        self.arrived.front().map(Vec::as_slice)
    }

    /// Takes the frame that arrived first away.
    pub(crate) fn remove_first(&mut self) {
        if let Some(frame) = self.arrived.pop_front() {
            self.arrived_bytes -= frame.len();
        }
    }

    /// Loses what has arrived.
    pub(crate) fn discard(&mut self) {
        self.arrived.clear();
        self.arrived_bytes = 0;
    }

    /// Whether [`Self::send`] has room for a frame.
    pub(crate) fn room(&self) -> bool {
        self.outgoing.len() < QUANTUM_BYTES
    }

    /// Puts a frame on the wire, where it is lost if there is no peer. It must not
    /// be empty or longer than [`FRAME_MAX`].
    pub(crate) fn send(&mut self, frame: &[u8]) {
        debug_assert!((1..=FRAME_MAX).contains(&frame.len()));
        if self.up() {
            let length = frame.len() as u32;
            self.outgoing.extend_from_slice(&length.to_be_bytes());
            self.outgoing.extend_from_slice(frame);
        }
    }

    /// Sends and takes what the socket can take and has; takes a new peer if there
    /// is none. With lock-step all that is for [`Self::synchronize`].
    pub(crate) fn transfer(&mut self) {
        if self.lockstep.is_some() {
            return;
        }
        if self.peer.is_none() {
            // A peer that is gone again before it is taken is none.
            self.peer = self.listener.as_ref().and_then(|l| l.accept().ok());
        }
        if self.up()
            && let Err(lost) = self.receive().and_then(|()| self.write())
        {
            self.lose(&lost);
        }
    }

    fn receive(&mut self) -> Result<(), Lost> {
        loop {
            while let Some(item) = self.received.next().map_err(Lost::Length)? {
                match item {
                    Item::Frame(frame) => self.arrive(frame),
                    Item::Mark => return Err(Lost::Length(0)),
                }
            }
            if !self.takes() || !self.read()? {
                return Ok(());
            }
        }
    }

    fn arrive(&mut self, frame: Vec<u8>) {
        self.arrived_bytes += frame.len();
        self.arrived.push_back(frame);
    }

    /// Comes to the end of the quantum that ends at `now`, if one does, together
    /// with the peer; false if the peer has not come there yet: then again.
    pub(crate) fn synchronize(&mut self, now: u64) -> bool {
        let Some(lockstep) = &mut self.lockstep else {
            return true;
        };
        if self.peer.is_none() || now < lockstep.end() {
            return true;
        }
        if !lockstep.marked {
            lockstep.marked = true;
            self.outgoing.extend_from_slice(&lockstep::MARK);
        }
        match self.exchange() {
            Ok(false) => return false,
            Ok(true) => {
                let frames = self.lockstep.as_mut().map(|l| l.go_on(now));
                for frame in frames.into_iter().flatten() {
                    // There is no socket to wait in: as in a switch, what its
                    // buffer has no room for is lost.
                    if self.arrived_bytes + frame.len() <= ARRIVED_MAX {
                        self.arrive(frame);
                    }
                }
            }
            Err(lost) => self.lose(&lost),
        }
        true
    }

    /// Sends what is there and takes what comes up to the peer's mark; false if
    /// that takes long.
    fn exchange(&mut self) -> Result<bool, Lost> {
        loop {
            self.write()?;
            let Some(lockstep) = &mut self.lockstep else {
                return Ok(true);
            };
            lockstep.take(&mut self.received)?;
            let mut wanted = PollFlags::empty();
            wanted.set(PollFlags::IN, !lockstep.peer_marked);
            wanted.set(PollFlags::OUT, !self.outgoing.is_empty());
            if wanted.is_empty() {
                return Ok(true);
            }
            if wanted.contains(PollFlags::IN) && self.read()? {
                continue;
            }
            if let Some(peer) = &self.peer
                && !ready(&mut [PollFd::new(peer, wanted)], PATIENCE)
            {
                return Ok(false);
            }
        }
    }

    /// Reads a portion; false if there is nothing to read.
    fn read(&mut self) -> Result<bool, Lost> {
        let Some(peer) = &self.peer else {
            return Ok(false);
        };
        match rustix::io::read(peer, &mut *self.portion).map_err(io::Error::from) {
            Ok(0) => Err(Lost::HungUp {
                inside: self.received.inside(),
            }),
            Ok(count) => {
                self.received.add(&self.portion[..count]);
                Ok(true)
            }
            Err(error) if not_now(&error) => Ok(false),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Writes what can be written.
    fn write(&mut self) -> Result<(), Lost> {
        let mut written = 0;
        let outcome = loop {
            let (Some(peer), Some(rest @ [_, ..])) = (&self.peer, self.outgoing.get(written..))
            else {
                break Ok(());
            };
            match rustix::io::write(peer, rest).map_err(io::Error::from) {
                Ok(count) => written += count,
                Err(error) if not_now(&error) => break Ok(()),
                Err(error) => break Err(self.failed(error)),
            }
        };
        self.outgoing.drain(..written);
        outcome
    }

    fn failed(&self, error: io::Error) -> Lost {
        match error.kind() {
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => Lost::HungUp {
                inside: self.received.inside(),
            },
            _ => Lost::Failed(error),
        }
    }

    /// The peer is gone; what was for it is lost.
    fn lose(&mut self, lost: &Lost) {
        say(&self.name, lost);
        self.peer = None;
        self.received = Deframer::default();
        self.outgoing.clear();
    }
}

/// Says something about the link to the user.
fn say(name: &dyn std::fmt::Display, what: impl std::fmt::Display) {
    crate::say!("lvz-sim: net {name}: {what}");
}

fn not_now(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Tries until it succeeds or the time is over.
fn until(deadline: Instant, mut attempt: impl FnMut() -> io::Result<OwnedFd>) -> Option<OwnedFd> {
    loop {
        if let Ok(peer) = attempt() {
            return Some(peer);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Agrees with a peer on lock-step; false if it says something else, or nothing.
fn greet(peer: &OwnedFd, deadline: Instant) -> bool {
    let hello = lockstep::hello();
    // A new connection has room for it.
    let mut agreed = matches!(rustix::io::write(peer, &hello), Ok(count) if count == hello.len());
    let mut answer = [0; 20];
    let mut count = 0;
    while agreed && count < answer.len() {
        let left = deadline.saturating_duration_since(Instant::now());
        agreed = ready(&mut [PollFd::new(peer, PollFlags::IN)], left);
        match rustix::io::read(peer, &mut answer[count..]).map_err(io::Error::from) {
            Ok(more @ 1..) => count += more,
            Err(error) if not_now(&error) => {}
            _ => return false,
        }
        agreed &= answer[..count] == hello[..count];
    }
    agreed
}
