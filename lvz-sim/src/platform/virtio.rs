// SPDX-License-Identifier: Apache-2.0 OR MIT

//! virtio devices behind virtio-mmio transports. Requests complete at the
//! notification that announces them, so runs are deterministic.

pub(crate) mod block;
mod device;
pub(crate) mod disk;
mod entropy;
pub(crate) mod mmio;
mod net;
mod port;
mod share;

pub(crate) use block::Block;
pub(crate) use device::VirtioDevice;
pub(crate) use entropy::Entropy;
pub(crate) use net::Network;
pub(crate) use port::Port;
pub(crate) use share::Share;
