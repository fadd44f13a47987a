// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a machine has, as its user says it.

use super::console::{HostConsole, NullConsole};
use super::flash::FlashConfig;
use super::net::Net;
use super::virtio::disk::DriveConfig;
use crate::map::{Board, UARTS, VIRT_MMIO};
use std::path::PathBuf;

/// What the machine has beside CPUs and memory.
pub struct PlatformConfig {
    /// Which devices there are, and where.
    pub board: &'static Board,
    /// Number of CPUs, 1 to 16.
    pub cpus: usize,
    /// Whether the chip sends message interrupts to its CPUs.
    pub avec: bool,
    /// Unix time of the RTC at simulated time zero.
    pub epoch: i64,
    /// Seed of the entropy device and of what the loader gives the kernel.
    pub seed: u64,
    /// Host's sides of the UARTs.
    pub serial: [Box<dyn HostConsole>; UARTS],
    /// Host's side of the virtio console; without it there is none.
    pub console: Option<Box<dyn HostConsole>>,
    /// Block devices, in the order in which the machine sees them.
    pub drives: Vec<DriveConfig>,
    /// A directory of the host that the machine mounts by 9p.
    pub share: Option<PathBuf>,
    /// Whether the board starts its firmware, and so has its devices.
    pub firmware: bool,
    /// The file of the firmware's variables; without it they are lost.
    pub variables: Option<FlashConfig>,
    /// The link of the network device; without it there is none.
    pub net: Option<Net>,
}

impl Default for PlatformConfig {
    fn default() -> Self {
        Self {
            board: &VIRT_MMIO,
            cpus: 1,
            avec: false,
            // A fixed date, 2026-01-01 00:00:00 UTC, so that runs repeat.
            epoch: 1_767_225_600,
            seed: 0,
            serial: [Box::new(NullConsole), Box::new(NullConsole)],
            console: None,
            drives: Vec::new(),
            share: None,
            firmware: false,
            variables: None,
            net: None,
        }
    }
}

impl std::fmt::Debug for PlatformConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlatformConfig")
            .field("cpus", &self.cpus)
            .field("drives", &self.drives)
            .field("share", &self.share)
            .finish_non_exhaustive()
    }
}
