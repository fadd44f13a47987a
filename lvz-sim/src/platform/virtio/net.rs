// SPDX-License-Identifier: Apache-2.0 OR MIT
//! virtio network device (virtio 1.2, section 5.1): no offloads, one pair of
//! queues. A buffer takes a whole frame.

use super::device::{Completion, DeviceState, Input, Output, VirtioDevice};
use crate::platform::error::PlatformError;
use crate::platform::net::{FRAME_MAX, Link, Mac, Net};
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::os::fd::BorrowedFd;
use virtio_bindings::virtio_ids::VIRTIO_ID_NET;
use virtio_bindings::virtio_net::{
    VIRTIO_NET_F_MAC, VIRTIO_NET_F_MTU, VIRTIO_NET_F_STATUS, VIRTIO_NET_S_LINK_UP,
};

const F_MTU: u64 = 1 << VIRTIO_NET_F_MTU;
const F_MAC: u64 = 1 << VIRTIO_NET_F_MAC;
const F_STATUS: u64 = 1 << VIRTIO_NET_F_STATUS;

const STATUS_LINK_UP: u8 = VIRTIO_NET_S_LINK_UP as u8;

const RECEIVE: u16 = 0;
const TRANSMIT: u16 = 1;

/// `struct virtio_net_hdr`: no offload, one buffer.
const HEADER: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0];

/// Saved state: the options that the driver has seen, and where the link stood. The
/// link itself and what is on it are not saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NetState {
    mac: Mac,
    mtu: Option<u16>,
    up: bool,
    /// A frame of the driver waits until the link has room.
    waiting: bool,
    time: u64,
}

#[derive(Debug)]
pub(crate) struct Network {
    state: NetState,
    link: Link,
    /// The configuration has changed and the driver does not know it.
    changed: bool,
}

impl Network {
    /// The device at the end of a link.
    pub(crate) fn new(net: Net) -> Self {
        Self {
            state: NetState {
                mac: net.mac,
                mtu: net.mtu,
                up: net.link.up(),
                waiting: false,
                time: 0,
            },
            link: net.link,
            changed: false,
        }
    }

    fn receive(&mut self, output: &mut Output<'_>) -> Completion {
        while let Some(frame) = self.link.first() {
            // A frame that is longer than the buffer is lost.
            let fits = HEADER.len() + frame.len() <= output.available_bytes();
            let written = fits
                && output
                    .write_all(&HEADER)
                    .and_then(|()| output.write_all(frame))
                    .is_ok();
            self.link.remove_first();
            if written {
                return Completion::Used(output.bytes_written());
            }
        }
        Completion::Later
    }

    fn transmit(&mut self, input: &mut Input<'_>) -> Completion {
        self.state.waiting = !self.link.room();
        if self.state.waiting {
            return Completion::Later;
        }
        let mut header = HEADER;
        let length = input.available_bytes().saturating_sub(header.len());
        if (1..=FRAME_MAX).contains(&length) {
            let mut frame = vec![0; length];
            let read = input
                .read_exact(&mut header)
                .and_then(|()| input.read_exact(&mut frame));
            if read.is_ok() {
                self.link.send(&frame);
            }
        }
        Completion::Used(0)
    }
}

impl VirtioDevice for Network {
    fn id(&self) -> u32 {
        VIRTIO_ID_NET
    }

    fn features(&self) -> u64 {
        F_MAC | F_STATUS | self.state.mtu.map_or(0, |_| F_MTU)
    }

    fn queues(&self) -> &'static [u16] {
        &[256, 256]
    }

    fn config(&self) -> Vec<u8> {
        let mut config = self.state.mac.0.to_vec();
        config.extend([if self.state.up { STATUS_LINK_UP } else { 0 }, 0]);
        // Pairs of queues, which are not offered.
        config.extend([0, 0]);
        config.extend(self.state.mtu.unwrap_or(0).to_le_bytes());
        config
    }

    fn handle(&mut self, queue: u16, input: &mut Input<'_>, output: &mut Output<'_>) -> Completion {
        match queue {
            RECEIVE => self.receive(output),
            TRANSMIT => self.transmit(input),
            _ => Completion::Used(0),
        }
    }

    fn poll(&mut self, now: u64, started: bool) {
        self.link.transfer();
        if !started {
            self.link.discard();
        }
        self.state.time = now;
        self.changed |= self.state.up != self.link.up();
        self.state.up = self.link.up();
    }

    fn ready(&self, queue: u16) -> bool {
        match queue {
            RECEIVE => self.link.first().is_some(),
            TRANSMIT => self.state.waiting && self.link.room(),
            _ => false,
        }
    }

    fn take_config_change(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    fn input(&self) -> Option<BorrowedFd<'_>> {
        self.link.input()
    }

    fn takes_input(&self) -> bool {
        self.link.takes()
    }

    fn next_event(&self) -> Option<u64> {
        self.link.next_event()
    }

    fn synchronize(&mut self, now: u64) -> bool {
        self.link.synchronize(now)
    }

    fn reset(&mut self) {
        self.changed = false;
        self.state.waiting = false;
    }

    fn save(&self) -> Result<DeviceState, PlatformError> {
        Ok(DeviceState::Network(self.state.clone()))
    }

    fn restore(&mut self, state: &DeviceState) -> Result<(), PlatformError> {
        match state {
            DeviceState::Network(state)
                if (state.mac, state.mtu) == (self.state.mac, self.state.mtu) =>
            {
                self.state = state.clone();
                self.link.set_time(state.time);
            }
            _ => return Err(PlatformError::Mismatch("the network device")),
        }
        Ok(())
    }
}
