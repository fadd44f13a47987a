// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A machine with files, for the targets that are a hostile guest.

use super::random::Random;
use lvz_sim::boot::BootConfig;
use lvz_sim::cpu::Model;
use lvz_sim::engine::Machine;
use lvz_sim::map::{Board, Device};
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

/// Functions of the PCI bus, with the bridge.
pub(super) const FUNCTIONS: u64 = 5;
/// Their registers on PCI, each.
pub(super) const BAR: u64 = 0x4000;
const CONFIG: u64 = 0x1000;

/// What a machine is made of.
pub(super) struct Parts {
    pub(super) board: Board,
    cpus: usize,
    firmware: bool,
    message_interrupts: bool,
    directory: TempDir,
}

impl Parts {
    pub(super) fn choose(random: &mut Random<'_>) -> Self {
        let board = random.one_of(&[Board::Virt, Board::VirtMmio]);
        Self {
            cpus: 1 + random.below(6),
            firmware: board == Board::Virt && random.below(2) == 1,
            message_interrupts: random.below(2) == 1,
            ..Self::on(board)
        }
    }

    /// One CPU on a board, with firmware where there can be any.
    pub(super) fn on(board: Board) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let parts = Self {
            board,
            cpus: 1,
            firmware: board == Board::Virt,
            message_interrupts: false,
            directory,
        };
        // A drive may end inside a sector.
        std::fs::write(parts.path("drive"), [7; 10_000]).expect("a file");
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
            path: self.path("drive"),
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
        if self.board == Board::Virt {
            place(&mut machine.bus.platform);
        }
        machine
    }
}

/// Where function `number`'s configuration space is.
pub(super) fn config_space(number: u64) -> (u64, u64) {
    (Device::PciConfig.base() + (number << 15), CONFIG)
}

/// Where its registers are.
pub(super) fn registers(number: u64) -> u64 {
    Device::PciMemory.base() + number * BAR
}

/// Where its MSI-X table is.
pub(super) fn msix(number: u64) -> u64 {
    registers(FUNCTIONS + number)
}

/// Gives all functions their addresses, as firmware would.
fn place(platform: &mut Platform) {
    const COMMAND: u64 = 0x04;
    const MEMORY_AND_MASTER: u64 = 0b110;
    const MSIX_BAR: u64 = 0x14;
    const REGISTERS_BAR: u64 = 0x20;
    for number in 1..FUNCTIONS {
        let (config, _) = config_space(number);
        for (register, value) in [
            (MSIX_BAR, msix(number)),
            (REGISTERS_BAR, registers(number)),
            (COMMAND, MEMORY_AND_MASTER),
        ] {
            platform.mmio_write(0, config + register, 4, value);
        }
    }
}
