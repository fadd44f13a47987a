// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The Ethernet that the network device is at: a stream socket in the framing of
//! QEMU's `-netdev stream`, with one peer, which can be passt. `docs/platform.md` has the rules.

mod address;
mod deframer;
mod link;
mod lockstep;

pub(crate) use address::Address;
pub use link::Link;
#[cfg(test)]
pub(crate) use lockstep::QUANTUM;

use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::str::FromStr;

/// Longest frame: 64 KiB of payload and an Ethernet header.
pub(crate) const FRAME_MAX: usize = (64 << 10) + 14;

/// Range of `mtu=`: what IPv4 wants at least (RFC 791), and what fits a frame.
const MTU: std::ops::RangeInclusive<u16> = 68..=65_535;

/// An Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mac(pub [u8; 6]);

impl FromStr for Mac {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes: Option<Vec<u8>> = text
            .split(':')
            .map(|part| match part.len() {
                2 => u8::from_str_radix(part, 16).ok(),
                _ => None,
            })
            .collect();
        let bytes = bytes
            .and_then(|bytes| <[u8; 6]>::try_from(bytes).ok())
            .ok_or_else(|| format!("'{text}' is not an Ethernet address like 52:4c:56:5a:00:03"))?;
        if bytes[0] & 1 != 0 || bytes == [0; 6] {
            return Err(format!("'{text}' is not the address of one device"));
        }
        Ok(Self(bytes))
    }
}

/// Which end of the socket the machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Waits for peers, one after the other.
    Listen,
    /// Goes to a peer that waits.
    Connect,
}

/// A network device, as `--net` describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetConfig {
    /// Its end of the socket.
    pub role: Role,
    /// Where the socket is.
    pub address: Address,
    /// Its Ethernet address.
    pub mac: Mac,
    /// The MTU that the driver is told, if any.
    pub mtu: Option<u16>,
    /// Whether the machine goes in lock-step with its peer, another simulator.
    pub lockstep: bool,
}

impl FromStr for NetConfig {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',');
        let (mut mac, mut mtu, mut lockstep) = (None, None, false);
        let user = Some((Role::Connect, Address::User));
        let (mut end, stream) = match parts.next() {
            Some("stream") => (None, true),
            Some("user") => (user, false),
            _ => return Err("begins with 'stream,' or 'user'".to_owned()),
        };
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let repeated = match name {
                "connect" if stream => end.replace((Role::Connect, value.parse()?)).is_some(),
                "listen" if stream => end.replace((Role::Listen, value.parse()?)).is_some(),
                "mac" => mac.replace(value.parse()?).is_some(),
                "mtu" => mtu.replace(parse_mtu(value)?).is_some(),
                "lockstep" if stream && value.is_empty() => std::mem::replace(&mut lockstep, true),
                _ => return Err(format!("'{part}' is not known")),
            };
            if repeated {
                return Err(format!("'{part}' is one too many"));
            }
        }
        let (role, address) = end.ok_or("needs connect=ADDRESS or listen=ADDRESS")?;
        // The two ends of a socket are two devices of one Ethernet.
        let last = match role {
            Role::Listen => 1,
            Role::Connect => 2,
        };
        Ok(Self {
            role,
            address,
            mac: mac.unwrap_or(Mac([0x52, b'L', b'V', b'Z', 0, last])),
            mtu,
            lockstep,
        })
    }
}

fn parse_mtu(text: &str) -> Result<u16, String> {
    let mtu = text.parse().ok().filter(|mtu| MTU.contains(mtu));
    mtu.ok_or_else(|| format!("the MTU is {} to {}", MTU.start(), MTU.end()))
}

/// A network device with its link, for a machine that is to be built.
#[derive(Debug)]
pub struct Net {
    /// Its Ethernet address.
    pub mac: Mac,
    /// The MTU that the driver is told, if any.
    pub mtu: Option<u16>,
    /// The socket.
    pub link: Link,
}

impl Net {
    /// Opens the socket. With lock-step that takes until the peer is there.
    ///
    /// # Errors
    /// An address that cannot be used, a peer that is not there or does not go
    /// in lock-step.
    pub fn open(config: &NetConfig) -> Result<Self, NetError> {
        Ok(Self {
            mac: config.mac,
            mtu: config.mtu,
            link: Link::open(config)?,
        })
    }
}

/// A socket that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The system said no.
    #[error("net: cannot {action} {address}")]
    Socket {
        /// What could not be done, with its preposition: "connect to".
        action: &'static str,
        /// The end of the socket that `--net` names.
        address: Address,
        /// What the host answered.
        source: io::Error,
    },
    /// No peer for a machine that goes in lock-step.
    #[error("net: no peer at {0} within {1} s: start the other simulator")]
    NoPeer(Address, u64),
    /// A peer that does not go in lock-step, or not in this one's step.
    #[error("net: the peer at {0} does not go in lock-step: give both simulators ',lockstep'")]
    NotInStep(Address),
}

/// Why a link went down.
#[derive(Debug)]
enum Lost {
    /// The peer closed it, at the end of a frame or inside one.
    HungUp { inside: bool },
    /// The system said no.
    Failed(io::Error),
    /// A frame with a length that no frame has.
    Length(u32),
    /// More in a quantum than one has room for.
    Flood,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HungUp { inside: false } => write!(f, "the peer hung up"),
            Self::HungUp { inside: true } => write!(f, "the peer hung up inside a frame"),
            Self::Failed(error) => write!(f, "the link failed: {error}"),
            Self::Length(0) => write!(
                f,
                "link closed: a frame of 0 bytes (a peer in lock-step needs ',lockstep' here too)"
            ),
            Self::Length(length) => write!(
                f,
                "link closed: a frame of {length} bytes, they have at most {FRAME_MAX}"
            ),
            Self::Flood => write!(f, "link closed: the peer sent more than a quantum takes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options() {
        let config: NetConfig = "stream,listen=/tmp/ether".parse().unwrap();
        assert_eq!(config.role, Role::Listen);
        assert_eq!(config.address, Address::Unix("/tmp/ether".into()));
        assert_eq!((config.mtu, config.lockstep), (None, false));
        let other: NetConfig =
            "stream,mac=02:00:00:00:00:0f,connect=127.0.0.1:4000,mtu=9000,lockstep"
                .parse()
                .unwrap();
        assert_eq!(other.role, Role::Connect);
        assert_eq!(
            other.address,
            Address::Tcp("127.0.0.1:4000".parse().unwrap())
        );
        assert_eq!(other.mac, Mac([2, 0, 0, 0, 0, 15]));
        assert_eq!((other.mtu, other.lockstep), (Some(9000), true));
        let other: NetConfig = "stream,connect=/tmp/ether".parse().unwrap();
        assert_ne!(config.mac, other.mac, "two devices of one Ethernet");
        let user: NetConfig = "user,mtu=1400".parse().unwrap();
        assert_eq!((user.role, user.address), (Role::Connect, Address::User));
        assert_eq!((user.mtu, user.lockstep), (Some(1400), false));
        for (text, expected) in [
            ("tap,listen=a", "stream"),
            ("user,lockstep", "not known"),
            ("user,connect=a", "not known"),
            ("stream", "needs connect"),
            ("stream,listen=", "empty"),
            ("stream,listen=a,connect=b", "one too many"),
            ("stream,listen=a,lockstep,lockstep", "one too many"),
            ("stream,listen=a,lockstep=off", "not known"),
            ("stream,listen=a,mac=1:2:3:4:5:6", "Ethernet address"),
            ("stream,listen=a,mac=01:02:03:04:05:06", "one device"),
            ("stream,listen=a,mtu=67", "68 to 65535"),
            ("stream,listen=a,mtu=65536", "68 to 65535"),
            ("stream,listen=192.0.2.1:5", "loopback"),
            ("stream,connect=localhost:99999", "port"),
        ] {
            let error = text.parse::<NetConfig>().unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
