// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Direct boot: puts a kernel, an initial RAM disk and what firmware would
//! hand over into memory.
//!
//! The kernel starts as Linux documents it for LoongArch
//! (Documentation/arch/loongarch/booting.rst): in direct-address mode, with
//! a0 = 1 (EFI), a1 the command line and a2 the EFI system table. All further
//! CPUs start in a parking loop and wait for an IPI with an entry address in
//! mailbox 0.

mod compression;
mod efi;
mod elf;
mod error;
pub(crate) mod fdt;
mod image;
mod parking;
mod pe;
#[cfg(test)]
mod tests;

pub(crate) use error::{BootError, ImageError};

use crate::map::RAM_SIZES;
use crate::mem::GuestRam;
use crate::platform::Platform;
use error::failed;
use std::path::{Path, PathBuf};
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryRegion};

/// Below this address are the parking loop and the firmware's tables. Linux
/// never uses these two megabytes (arch/loongarch/kernel/mem.c:
/// `memblock_init`).
pub(crate) const FIRMWARE_END: u64 = 0x20_0000;
const PARKING: u64 = 0x1000;
const COMMAND_LINE: u64 = 0x1_0000;
/// Linux's COMMAND_LINE_SIZE, with the terminating zero.
const COMMAND_LINE_SIZE: usize = 4096;
const EFI_TABLES: u64 = 0x2_0000;
const FDT: u64 = 0x10_0000;
const FDT_SIZE: u64 = FIRMWARE_END - FDT;
/// Least RAM that the machine works with, and least of it at physical address 0.
const RAM_MIN: u64 = *RAM_SIZES.start();
/// Largest file or unpacked image.
const IMAGE_MAX: u64 = 4 << 30;
const ALIGN: u64 = 0x1_0000;

/// What to boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BootConfig {
    /// ELF `vmlinux`, EFI image, EFI zboot image, or one of them compressed
    /// with gzip or Zstandard.
    pub kernel: PathBuf,
    /// Initial RAM disk.
    pub initrd: Option<PathBuf>,
    /// Kernel command line.
    pub command_line: String,
}

/// How the CPUs of a loaded machine start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LoadedMachine {
    /// Address at which CPU 0 starts.
    pub boot_pc: u64,
    /// Its arguments a0 to a2.
    pub boot_args: [u64; 3],
    /// Address at which the other CPUs start.
    pub secondary_pc: u64,
}

/// A range of physical memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) length: u64,
}

impl Span {
    fn end(self) -> u64 {
        self.start.saturating_add(self.length)
    }
}

/// The ranges of `ram`, lowest first.
fn memory(ram: &GuestRam) -> Vec<Span> {
    ram.iter()
        .map(|region| Span {
            start: region.start_addr().0,
            length: region.len(),
        })
        .collect()
}

/// Loads what `config` names into the memory of `platform`'s machine. The
/// memory below the kernel and outside what is loaded stays as it is: clear
/// it first if the machine ran before.
pub(crate) fn load(
    ram: &GuestRam,
    platform: &Platform,
    config: &BootConfig,
) -> Result<LoadedMachine, BootError> {
    let memory = memory(ram);
    let total: u64 = memory.iter().map(|span| span.length).sum();
    if total < RAM_MIN || memory.first().is_none_or(|low| low.end() < RAM_MIN) {
        return Err(BootError::SmallMemory(total));
    }
    let command_line = config.command_line.as_bytes();
    if command_line.len() >= COMMAND_LINE_SIZE || command_line.contains(&0) {
        return Err(BootError::CommandLine(command_line.len()));
    }

    let file = |path: &Path| image::read(path, total.min(IMAGE_MAX));
    let kernel = file(&config.kernel)
        .and_then(|bytes| image::parse(bytes, total.min(IMAGE_MAX)))
        .and_then(|image| image.load(ram).map(|()| image))
        .map_err(failed("kernel", &config.kernel))?;
    let initrd = match &config.initrd {
        Some(path) => Some(
            file(path)
                .and_then(|bytes| place_initrd(ram, &memory, kernel.end(), &bytes))
                .map_err(failed("initrd", path))?,
        ),
        None => None,
    };

    let tree = fdt::build(&fdt::Machine {
        platform,
        memory: &memory,
        command_line: &config.command_line,
        initrd,
    })?;
    if tree.len() as u64 > FDT_SIZE {
        return Err(BootError::TreeSize(tree.len()));
    }
    let tables = efi::tables(EFI_TABLES, FDT, &memory, initrd);
    let mut line = command_line.to_vec();
    line.resize(COMMAND_LINE_SIZE, 0);
    let parts: [(u64, &[u8]); 4] = [
        (PARKING, &parking::code()),
        (COMMAND_LINE, &line),
        (EFI_TABLES, &tables),
        (FDT, &tree),
    ];
    for (address, bytes) in parts {
        ram.write_slice(bytes, GuestAddress(address))
            .map_err(|_| BootError::SmallMemory(total))?;
    }
    Ok(LoadedMachine {
        boot_pc: kernel.entry(),
        boot_args: [1, COMMAND_LINE, EFI_TABLES],
        secondary_pc: PARKING,
    })
}

/// Puts an initial RAM disk at the start of high memory (after a kernel that
/// is there) if it fits, otherwise at the end of low memory: far from the kernel, which may move
/// itself upwards (CONFIG_RANDOMIZE_BASE).
fn place_initrd(
    ram: &GuestRam,
    memory: &[Span],
    kernel_end: u64,
    bytes: &[u8],
) -> Result<Span, ImageError> {
    let length = bytes.len() as u64;
    if length == 0 {
        return Err(ImageError::Empty);
    }
    // Where it can begin in a range: not before the kernel's end.
    let first = |span: &Span| kernel_end.next_multiple_of(ALIGN).max(span.start);
    let high = memory
        .iter()
        .skip(1)
        .find(|span| first(span).saturating_add(length) <= span.end());
    let start = match (high, memory.first()) {
        (Some(high), _) => Some(first(high)),
        (None, Some(low)) => low
            .end()
            .checked_sub(length)
            .map(|start| start & !(ALIGN - 1))
            .filter(|&start| start >= kernel_end.max(FIRMWARE_END)),
        (None, None) => None,
    };
    let start = start.ok_or(ImageError::NoRoom(length))?;
    ram.write_slice(bytes, GuestAddress(start))
        .map_err(|_| ImageError::NoRoom(length))?;
    Ok(Span { start, length })
}

/// Whether `ram` has all of a range.
fn holds(ram: &GuestRam, start: u64, length: u64) -> bool {
    usize::try_from(length).is_ok_and(|length| ram.check_range(GuestAddress(start), length))
}
