// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Sockets that cannot be used, and links that go down.

use super::address::Address;
use super::deframer::FRAME_MAX;
use std::fmt;
use std::io;

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
pub(super) enum Lost {
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
