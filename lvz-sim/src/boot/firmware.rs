// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What firmware starts with: a device tree in memory, and everything else through the
//! configuration device, as on QEMU's LoongArch `virt` board (hw/loongarch/virt.c:
//! `fw_cfg_add_memory`, hw/loongarch/boot.c: `fw_cfg_add_kernel_info`). All CPUs begin at
//! the firmware's first instruction.

use super::acpi::Tables;
use super::config::{BootConfig, LoadedMachine};
use super::device_tree::{self, FDT};
use super::error::{BootError, ImageError, failed};
use super::image::{self, IMAGE_MAX};
use super::span::{self, Span};
use super::{pe, smbios};
use crate::map::{FIRMWARE_BASE, FIRMWARE_MAX};
use crate::mem::GuestRam;
use crate::platform::Platform;
use crate::platform::fw_cfg::{Items, key};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use vm_memory::{Bytes, GuestAddress};

/// The machine's memory, as firmware reads of it.
const MEMORY_FILE: &str = "etc/memmap";
/// The type of memory that is free (ACPI's AddressRangeMemory).
const FREE: u32 = 1;

/// The firmware in a file.
pub(crate) fn code(path: &Path) -> Result<Vec<u8>, BootError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map(|file| file.take(FIRMWARE_MAX + 1));
    file.and_then(|mut file| file.read_to_end(&mut bytes))
        .map_err(|error| failed("firmware", path)(error.into()))?;
    if !(1..=FIRMWARE_MAX).contains(&(bytes.len() as u64)) {
        return Err(failed("firmware", path)(ImageError::FirmwareSize));
    }
    Ok(bytes)
}

/// Prepares what `config` names for the firmware of `platform`'s machine.
pub(super) fn load(
    ram: &GuestRam,
    platform: &Platform,
    config: &BootConfig,
    memory: &[Span],
    command_line: &str,
) -> Result<LoadedMachine, BootError> {
    let total = span::total(memory);
    let mut items = Items::default();
    let cpus = (platform.cpus() as u16).to_le_bytes().to_vec();
    items.add(key::RAM_SIZE, total.to_le_bytes().to_vec());
    items.add(key::CPUS, cpus.clone());
    items.add(key::MAX_CPUS, cpus);
    let read = |path: &Path| image::read(path, total.min(IMAGE_MAX - 1));
    if let Some(path) = &config.kernel {
        let kernel = read(path)
            .and_then(|kernel| match pe::is_efi(&kernel) {
                true => Ok(kernel),
                false => Err(ImageError::NotEfi),
            })
            .map_err(failed("kernel", path))?;
        items.add_sized(key::KERNEL_SIZE, key::KERNEL, kernel);
        let line = [command_line.as_bytes(), &[0]].concat();
        items.add_sized(key::COMMAND_LINE_SIZE, key::COMMAND_LINE, line);
    }
    if let Some(path) = &config.initrd {
        let initrd = read(path).map_err(failed("initrd", path))?;
        items.add_sized(key::INITRD_SIZE, key::INITRD, initrd);
    }
    let mut files = Tables::of(platform, memory)?.files();
    files.append(&mut smbios::files(
        platform.board().name,
        platform.cpus(),
        memory,
    ));
    files.push((MEMORY_FILE, memory_map(memory)));
    items.add_files(files);

    let tree = device_tree::of(platform, config, memory, command_line, None)?;
    ram.write_slice(&tree, GuestAddress(FDT))
        .map_err(|_| BootError::SmallMemory(total))?;
    Ok(LoadedMachine {
        boot_pc: Some(FIRMWARE_BASE),
        boot_args: [0; 3],
        secondary_pc: FIRMWARE_BASE,
        tree,
        items: Some(items),
    })
}

fn memory_map(memory: &[Span]) -> Vec<u8> {
    let mut map = Vec::new();
    for span in memory {
        map.extend(span.start.to_le_bytes());
        map.extend(span.length.to_le_bytes());
        map.extend(FREE.to_le_bytes());
        map.extend([0; 4]);
    }
    map
}
