// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a virtio device is to its transport and to the machine.

use super::{disk, net};
use crate::mem::DirtyPages;
use crate::platform::console::HostConsole;
use crate::platform::error::PlatformError;
use rand_xoshiro::SplitMix64;
use serde::{Deserialize, Serialize};
use std::os::fd::BorrowedFd;
use vm_memory::bitmap::BS;

/// What the driver wrote for the device, across all descriptors of a request.
pub(crate) type Input<'a> = virtio_queue::Reader<'a, BS<'a, DirtyPages>>;
/// Where the device answers.
pub(crate) type Output<'a> = virtio_queue::Writer<'a, BS<'a, DirtyPages>>;

/// The outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Completion {
    /// Done, with so many bytes written for the driver.
    Used(usize),
    /// The device has nothing to answer with yet; the request stays queued.
    Later,
}

/// A virtio device, apart from its transport.
pub(crate) trait VirtioDevice: Send {
    /// Device type (virtio specification, section 5).
    fn id(&self) -> u32;

    /// Feature bits of the device type.
    fn features(&self) -> u64 {
        0
    }

    /// Most entries of each of its queues, powers of two.
    fn queues(&self) -> &'static [u16];

    /// Its configuration space, little-endian, as the driver reads it.
    fn config(&self) -> Vec<u8>;

    /// Serves one request of queue number `queue`.
    fn handle(&mut self, queue: u16, input: &mut Input<'_>, output: &mut Output<'_>) -> Completion;

    /// Looks for what comes from outside the machine, at time `now`; `started`
    /// says whether a driver is there for it.
    fn poll(&mut self, _now: u64, _started: bool) {}

    /// Whether requests of a queue that had to wait can go on.
    fn ready(&self, _queue: u16) -> bool {
        false
    }

    /// True once after [`Self::poll`] has changed the configuration space. There is
    /// no field in it that changes and takes two accesses to read, so the
    /// transport's generation stays the same.
    fn take_config_change(&mut self) -> bool {
        false
    }

    /// Readable when something comes at a time that is not foreseen.
    fn input(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Whether that is taken now: not while the driver leaves what came before.
    fn takes_input(&self) -> bool {
        true
    }

    /// The next time at which something comes that is foreseen.
    fn next_event(&self) -> Option<u64> {
        None
    }

    /// Waits until the outside has come to time `now` too; false if it takes long:
    /// then again.
    fn synchronize(&mut self, _now: u64) -> bool {
        true
    }

    /// Its host console, if it has one.
    fn host(&self) -> Option<&dyn HostConsole> {
        None
    }

    /// Passes on what it holds back for the host.
    fn flush(&mut self) {}

    /// Returns to the state before any driver used it.
    fn reset(&mut self) {}

    /// Its state, for a snapshot.
    fn save(&self) -> Result<DeviceState, PlatformError>;

    /// Takes over a saved state.
    fn restore(&mut self, state: &DeviceState) -> Result<(), PlatformError>;
}

/// Saved state of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum DeviceState {
    /// What a volatile drive has been written.
    Block(disk::DiskState),
    /// A console: input that was not yet delivered.
    Console(Vec<u8>),
    /// The generator of an entropy source.
    Entropy(SplitMix64),
    /// A shared directory, not mounted.
    Share,
    /// A network device, without its link.
    Network(net::NetState),
}
