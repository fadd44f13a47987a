// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The Ethernet that the network device is at: a stream socket in the framing of
//! QEMU's `-netdev stream`, with one peer, which can be passt. `docs/platform.md` has the rules.

mod address;
mod config;
mod deframer;
mod error;
mod link;
mod lockstep;

pub use config::Mac;
pub(crate) use config::NetConfig;
pub(crate) use deframer::FRAME_MAX;
pub(crate) use error::NetError;
pub use link::Link;
#[cfg(test)]
pub(crate) use lockstep::QUANTUM;

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

    /// The same device with nothing at the other end, and nothing opened.
    pub(crate) fn alone(config: &NetConfig) -> Self {
        Self {
            mac: config.mac,
            mtu: config.mtu,
            link: Link::cut(),
        }
    }
}
