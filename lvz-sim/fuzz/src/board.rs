// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A machine with files, for the targets that are a hostile guest.

use super::random::Random;
use lvz_sim::boot::BootConfig;
use lvz_sim::cpu::Model;
use lvz_sim::engine::Machine;
use lvz_sim::map::{BOARDS, Board, ConfigFormat, PciHost};
use lvz_sim::mem::Ram;
use lvz_sim::platform::{
    BufferConsole, DriveConfig, DriveMode, FlashConfig, Platform, PlatformConfig,
};
use lvz_sim::run::start;
use std::path::PathBuf;
use tempfile::TempDir;

pub(super) const MEMORY: u64 = 16 << 20;
/// The flash's size.
pub(super) const FLASH: usize = 256 << 10;

/// Virtio devices, which may be functions of a PCI bus: entropy, two drives, console.
pub(super) const FUNCTIONS: u64 = 4;
/// Their registers on PCI, each.
pub(super) const BAR: u64 = 0x4000;
const CONFIG: u64 = 0x1000;

/// What a machine is made of.
pub(super) struct Parts {
    pub(super) board: &'static Board,
    cpus: usize,
    firmware: bool,
    message_interrupts: bool,
    directory: TempDir,
}

impl Parts {
    pub(super) fn choose(random: &mut Random<'_>) -> Self {
        let board = random.one_of(&BOARDS);
        Self {
            cpus: 1 + random.below(6),
            firmware: board.firmware.is_some() && random.below(2) == 1,
            message_interrupts: random.below(2) == 1,
            ..Self::on(board)
        }
    }

    /// One CPU on a board, with firmware where there can be any.
    pub(super) fn on(board: &'static Board) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let parts = Self {
            board,
            cpus: 1,
            firmware: board.firmware.is_some(),
            message_interrupts: false,
            directory,
        };
        // A drive may end inside a sector.
        for name in ["drive", "volatile"] {
            std::fs::write(parts.path(name), [7; 10_000]).expect("a file");
        }
        std::fs::write(parts.path("flash"), vec![0xff; FLASH]).expect("a file");
        parts
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What is in the flash's file.
    pub(super) fn flash(&self) -> Vec<u8> {
        std::fs::read(self.path("flash")).expect("a file")
    }

    fn drive(&self, mode: DriveMode) -> DriveConfig {
        DriveConfig {
            path: self.path(match mode {
                DriveMode::Volatile => "volatile",
                _ => "drive",
            }),
            mode,
        }
    }

    pub(super) fn config(&self) -> PlatformConfig {
        PlatformConfig {
            board: self.board,
            cpus: self.cpus,
            console: Some(Box::new(BufferConsole::default())),
            drives: vec![
                self.drive(DriveMode::Volatile),
                self.drive(DriveMode::ReadWrite),
            ],
            firmware: self.firmware,
            variables: Some(FlashConfig {
                path: self.path("flash"),
                volatile: false,
            }),
            ..PlatformConfig::default()
        }
    }

    pub(super) fn machine(&self) -> Machine {
        self.machine_of(self.config())
    }

    /// The machine of a changed [`Self::config`], with what firmware can read, if there is firmware.
    pub(super) fn machine_of(&self, config: PlatformConfig) -> Machine {
        let model = match self.message_interrupts {
            true => "la664,avec=on",
            false => "la464",
        };
        let model: Model = model.parse().expect("a model");
        let firmware: &[u8] = if self.firmware { &[0; 64] } else { &[] };
        let ram = Ram::with_firmware(MEMORY, firmware).expect("memory for a machine");
        let mut machine =
            Machine::with_memory(model, self.cpus, ram, config).expect("a machine with its files");
        if self.firmware {
            let boot = BootConfig {
                firmware: true,
                ..BootConfig::default()
            };
            start(&mut machine, &boot).expect("firmware");
        }
        if let Some(host) = self.board.pci() {
            place(&mut machine.bus.platform, host);
        }
        machine
    }
}

/// Where the configuration space of device `number` of a bus is, in each window.
pub(super) fn config_space(host: &PciHost, number: u8) -> impl Iterator<Item = (u64, u64)> {
    host.config.iter().map(move |window| {
        let shift = match window.format {
            ConfigFormat::Ecam => 15,
            ConfigFormat::Standard | ConfigFormat::Extended => 11,
        };
        (window.place.base + (u64::from(number) << shift), CONFIG)
    })
}

/// Where function `index`'s registers are.
pub(super) fn registers(host: &PciHost, index: u64) -> u64 {
    host.memory.base + index * BAR
}

/// Where its MSI-X table is.
pub(super) fn msix(host: &PciHost, index: u64) -> u64 {
    registers(host, FUNCTIONS + index)
}

/// Gives all functions their addresses, as firmware would.
fn place(platform: &mut Platform, host: &PciHost) {
    const COMMAND: u64 = 0x04;
    const MEMORY_AND_MASTER: u64 = 0b110;
    const MSIX_BAR: u64 = 0x14;
    const REGISTERS_BAR: u64 = 0x20;
    for (index, slot) in (0..FUNCTIONS).zip(host.slots) {
        for (config, _) in config_space(host, slot.device) {
            for (register, value) in [
                (MSIX_BAR, msix(host, index)),
                (REGISTERS_BAR, registers(host, index)),
                (COMMAND, MEMORY_AND_MASTER),
            ] {
                platform.mmio_write(0, config + register, 4, value);
            }
        }
    }
}
