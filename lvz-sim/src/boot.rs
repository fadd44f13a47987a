// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a machine starts with. Direct boot puts a kernel, other files, an initial RAM disk and what firmware
//! would hand over into memory; with firmware ([`firmware`]) that is the firmware's part.
//!
//! The kernel starts in direct-address mode, with arguments as [`Protocol`] says. All
//! further CPUs start in a parking loop and wait for an IPI with an entry address in
//! mailbox 0.

mod acpi;
mod compression;
mod config;
mod device_tree;
mod dtb;
mod efi;
mod elf;
mod error;
pub(crate) mod fdt;
mod files;
mod firmware;
mod format;
mod image;
mod parking;
mod pe;
mod smbios;
mod span;
#[cfg(test)]
mod tests;

pub(crate) use config::LoadedMachine;
pub use config::{BootConfig, LoadFile, Protocol};
pub(crate) use dtb::memory as tree_memory;
pub use error::{BootError, ImageError};
pub(crate) use firmware::code as firmware_code;
pub(crate) use image::is_elf;

use crate::map::RAM_SIZES;
use crate::mem::GuestRam;
use crate::platform::Platform;
use device_tree::FDT;
use files::Files;
use vm_memory::{Bytes, GuestAddress};

const PARKING: u64 = 0x1000;
const COMMAND_LINE: u64 = 0x1_0000;
/// Linux's COMMAND_LINE_SIZE, with the terminating zero.
const COMMAND_LINE_SIZE: usize = 4096;
const EFI_TABLES: u64 = 0x2_0000;
/// RSDP and behind it the ACPI tables.
const ACPI: u64 = 0x4_0000;
/// Least RAM that the machine works with, and least of it at physical address 0.
const RAM_MIN: u64 = *RAM_SIZES.start();

/// The command line if none is given and no device tree either.
const DEFAULT_COMMAND_LINE: &str = "console=ttyS0";

/// Loads what `config` names into the memory of `platform`'s machine. The
/// memory below the kernel and outside what is loaded stays as it is: clear
/// it first if the machine ran before.
pub(crate) fn load(
    ram: &GuestRam,
    platform: &Platform,
    config: &BootConfig,
) -> Result<LoadedMachine, BootError> {
    let memory = span::memory(ram);
    if span::total(&memory) < RAM_MIN || memory.first().is_none_or(|low| low.end() < RAM_MIN) {
        return Err(BootError::SmallMemory(span::total(&memory)));
    }
    let command_line = command_line(config)?;
    if config.firmware {
        return firmware::load(ram, platform, config, &memory, command_line);
    }
    let files = Files::load(ram, &memory, config)?;
    let tree = device_tree::of(platform, config, &memory, command_line, files.initrd)?;
    let acpi = match config.acpi {
        true => acpi::Tables::of(platform, &memory)?.at(ACPI),
        false => Vec::new(),
    };
    let tables = efi::tables(
        EFI_TABLES,
        &efi::Pointers {
            fdt: FDT,
            rsdp: config.acpi.then_some(ACPI),
            initrd: files.initrd,
        },
        &memory,
    );
    let mut line = command_line.as_bytes().to_vec();
    line.resize(COMMAND_LINE_SIZE, 0);
    let secondary_pc = park(ram)?;
    let parts: [(u64, &[u8]); 4] = [
        (COMMAND_LINE, &line),
        (EFI_TABLES, &tables),
        (ACPI, &acpi),
        (FDT, &tree),
    ];
    for (address, bytes) in parts {
        ram.write_slice(bytes, GuestAddress(address))
            .map_err(|_| BootError::SmallMemory(span::total(&memory)))?;
    }
    Ok(LoadedMachine {
        boot_pc: files.entry,
        boot_args: match config.protocol {
            Protocol::Efi => [1, COMMAND_LINE, EFI_TABLES],
            Protocol::Fdt => [-2i64 as u64, FDT, 0],
        },
        secondary_pc,
        tree,
        items: None,
    })
}

/// Puts the loop in which CPUs other than the first wait into memory; its address.
///
/// # Errors
/// The memory has not that address.
pub(crate) fn park(ram: &GuestRam) -> Result<u64, BootError> {
    ram.write_slice(&parking::code(), GuestAddress(PARKING))
        .map_err(|_| BootError::SmallMemory(span::total(&span::memory(ram))))?;
    Ok(PARKING)
}

/// The kernel's command line, which fits.
fn command_line(config: &BootConfig) -> Result<&str, BootError> {
    let line = config.command_line.as_deref();
    let line = line.unwrap_or(DEFAULT_COMMAND_LINE);
    if line.len() >= COMMAND_LINE_SIZE || line.contains('\0') {
        return Err(BootError::CommandLine(line.len()));
    }
    Ok(line)
}
