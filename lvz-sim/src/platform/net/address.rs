// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where the socket is, and how it is opened. All sockets are non-blocking.

use crate::platform::wait::listen_at;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::str::FromStr;

/// An address of a stream socket on this computer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A path.
    Unix(PathBuf),
    /// A loopback address and port.
    Tcp(SocketAddr),
    /// The computer's own network by passt, which is started for it.
    User,
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("the address is empty".to_owned());
        }
        let address = match text.strip_prefix("localhost:") {
            Some(port) => {
                let port = port
                    .parse()
                    .map_err(|_| format!("'{port}' is not a port"))?;
                SocketAddr::from((Ipv4Addr::LOCALHOST, port))
            }
            None => match text.parse::<SocketAddr>() {
                Ok(address) => address,
                Err(_) => return Ok(Self::Unix(text.into())),
            },
        };
        if !address.ip().is_loopback() {
            // A host that reaches the port is in the machine's Ethernet.
            return Err(format!("'{text}' is not a loopback address"));
        }
        Ok(Self::Tcp(address))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => path.display().fmt(f),
            Self::Tcp(address) => address.fmt(f),
            Self::User => f.write_str("the user's network"),
        }
    }
}

/// Starts passt, which is the peer at the other end of its standard input until this end is
/// closed. It needs no privilege: what the machine sends goes out as its user's.
fn passt() -> io::Result<OwnedFd> {
    let (ours, peer) = UnixStream::pair()?;
    // Its own process ends with the socket.
    Command::new("passt")
        .args(["--foreground", "--quiet", "--fd", "0"])
        .stdin(OwnedFd::from(peer))
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => io::Error::new(
                io::ErrorKind::NotFound,
                "there is no program passt (apt-get install passt)",
            ),
            _ => error,
        })?;
    unix(ours)
}

fn unix(stream: UnixStream) -> io::Result<OwnedFd> {
    stream.set_nonblocking(true)?;
    Ok(stream.into())
}

fn tcp(stream: TcpStream) -> io::Result<OwnedFd> {
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    if stream.local_addr()? == stream.peer_addr()? {
        // TCP connects a port to itself if nothing listens there.
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(stream.into())
}

impl Address {
    /// Goes to the peer that waits here.
    pub(super) fn connect(&self) -> io::Result<OwnedFd> {
        match self {
            Self::Unix(path) => unix(UnixStream::connect(path)?),
            Self::Tcp(address) => tcp(TcpStream::connect(address)?),
            Self::User => passt(),
        }
    }
}

/// A socket that waits for peers.
#[derive(Debug)]
pub(super) enum Listener {
    /// At a path, which goes with it.
    Unix(UnixListener, PathBuf),
    /// At a port.
    Tcp(TcpListener),
}

impl Listener {
    /// Waits at `address`. A socket file that an earlier process left is replaced.
    pub(super) fn open(address: &Address) -> io::Result<Self> {
        let listener = match address {
            Address::Unix(path) => {
                let listener = listen_at(path)?;
                listener.set_nonblocking(true)?;
                Self::Unix(listener, path.clone())
            }
            Address::Tcp(address) => {
                let listener = TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                Self::Tcp(listener)
            }
            Address::User => return Err(io::ErrorKind::Unsupported.into()),
        };
        Ok(listener)
    }

    /// Takes a peer that has come.
    pub(super) fn accept(&self) -> io::Result<OwnedFd> {
        match self {
            Self::Unix(listener, _) => unix(listener.accept()?.0),
            Self::Tcp(listener) => tcp(listener.accept()?.0),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(listener, _) => listener.as_fd(),
            Self::Tcp(listener) => listener.as_fd(),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            // The next listener replaces it if it is still there.
            let _ = std::fs::remove_file(path);
        }
    }
}
