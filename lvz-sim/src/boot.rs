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
pub use error::{BootError, ImageError};

use crate::map::RAM_SIZES;
use crate::mem::GuestRam;
use crate::mmu::PA_MASK;
use crate::platform::Platform;
use device_tree::FDT;
use error::failed;
use image::{IMAGE_MAX, Image};
use span::{FIRMWARE_END, Span};
use std::path::Path;
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
const ALIGN: u64 = 0x1_0000;

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
    let total: u64 = memory.iter().map(|span| span.length).sum();
    if total < RAM_MIN || memory.first().is_none_or(|low| low.end() < RAM_MIN) {
        return Err(BootError::SmallMemory(total));
    }
    let command_line = config.command_line.as_deref();
    let command_line = command_line.unwrap_or(DEFAULT_COMMAND_LINE);
    if command_line.len() >= COMMAND_LINE_SIZE || command_line.contains('\0') {
        return Err(BootError::CommandLine(command_line.len()));
    }
    if config.firmware {
        return firmware::load(ram, platform, config, &memory, command_line);
    }

    let file = |path: &Path| image::read(path, total.min(IMAGE_MAX));
    let image = |path: &Path| format::parse(file(path)?, total.min(IMAGE_MAX));
    let (mut taken, mut entry) = (Vec::new(), None);
    if let Some(path) = &config.kernel {
        let kernel = image(path)
            .and_then(|image| image.load(ram, &mut taken).map(|()| image))
            .map_err(failed("kernel", path))?;
        entry = Some(kernel.entry());
    }
    // Behind a kernel, which may move itself upwards (CONFIG_RANDOMIZE_BASE).
    let kernel_end = taken.iter().map(|span| span.end()).max().unwrap_or(0);
    for LoadFile { path, address } in &config.files {
        let loaded = match *address {
            Some(address) => file(path).and_then(|bytes| Image::raw(bytes, address & PA_MASK)),
            None => image(path),
        }
        .and_then(|image| image.load(ram, &mut taken).map(|()| image))
        .map_err(failed("file to load", path))?;
        entry.get_or_insert(loaded.entry());
    }
    let initrd = match &config.initrd {
        Some(path) => Some(
            file(path)
                .and_then(|bytes| place_initrd(ram, &memory, kernel_end, &taken, &bytes))
                .map_err(failed("initrd", path))?,
        ),
        None => None,
    };

    let tree = device_tree::of(platform, config, &memory, command_line, initrd)?;
    let acpi = match config.acpi {
        true => acpi::Tables::of(platform, &memory)?.at(ACPI),
        false => Vec::new(),
    };
    let tables = efi::tables(
        EFI_TABLES,
        &efi::Pointers {
            fdt: FDT,
            rsdp: config.acpi.then_some(ACPI),
            initrd,
        },
        &memory,
    );
    let mut line = command_line.as_bytes().to_vec();
    line.resize(COMMAND_LINE_SIZE, 0);
    let parts: [(u64, &[u8]); 5] = [
        (PARKING, &parking::code()),
        (COMMAND_LINE, &line),
        (EFI_TABLES, &tables),
        (ACPI, &acpi),
        (FDT, &tree),
    ];
    for (address, bytes) in parts {
        ram.write_slice(bytes, GuestAddress(address))
            .map_err(|_| BootError::SmallMemory(total))?;
    }
    Ok(LoadedMachine {
        boot_pc: entry,
        boot_args: match config.protocol {
            Protocol::Efi => [1, COMMAND_LINE, EFI_TABLES],
            Protocol::Fdt => [-2i64 as u64, FDT, 0],
        },
        secondary_pc: PARKING,
        tree,
        items: None,
    })
}

/// Puts an initial RAM disk at the start of high memory (after a kernel that
/// is there) if it fits, otherwise at the end of low memory, and nowhere in what is
/// `taken`.
fn place_initrd(
    ram: &GuestRam,
    memory: &[Span],
    kernel_end: u64,
    taken: &[Span],
    bytes: &[u8],
) -> Result<Span, ImageError> {
    let length = bytes.len() as u64;
    if length == 0 {
        return Err(ImageError::Empty);
    }
    let conflict = |start: u64| {
        let span = Span { start, length };
        taken.iter().find(|other| span.overlaps(**other))
    };
    let upwards = |range: &Span| {
        let mut start = kernel_end.next_multiple_of(ALIGN).max(range.start);
        while let Some(other) = conflict(start) {
            start = other.end().checked_next_multiple_of(ALIGN)?;
        }
        (start.checked_add(length)? <= range.end()).then_some(start)
    };
    let downwards = |range: &Span| {
        let mut start = range.end().checked_sub(length)? & !(ALIGN - 1);
        while let Some(other) = conflict(start) {
            start = other.start.checked_sub(length)? & !(ALIGN - 1);
        }
        (start >= kernel_end.max(FIRMWARE_END)).then_some(start)
    };
    let high = memory.iter().skip(1).find_map(upwards);
    let start = high.or_else(|| memory.first().and_then(downwards));
    let start = start.ok_or(ImageError::NoRoom(length))?;
    ram.write_slice(bytes, GuestAddress(start))
        .map_err(|_| ImageError::NoRoom(length))?;
    Ok(Span { start, length })
}
