// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Every device of a board is in its device tree, or is known to have no place there.

use super::*;
use crate::map::{BOARDS, Board, Device, DeviceMap, Population, PowerControl};

/// Enough for two nodes of the chip.
const CPUS: usize = 5;

/// Why the tree of `board` has nothing at the registers of `device`, if that is meant so.
fn without_node(board: &Board, device: Device) -> Option<&'static str> {
    match (device, board.power) {
        (Device::Chip(_) | Device::ChipUpper(_), _) => {
            Some("CPUs reach them in IOCSR space; a LIOINTC among them has a node of its own")
        }
        (Device::PowerManagement, PowerControl::Registers { .. }) => {
            Some("other registers power off; Linux reaches these from the RTC's, by ACPI")
        }
        (Device::Events, _) => Some("events of ACPI, whose tables have them"),
        (Device::Avec, _) => {
            Some("Linux finds it by ACPI alone (irq-loongarch-avec.c: avecintc_acpi_init)")
        }
        _ => None,
    }
}

/// A number of some cells.
fn number(cells: &[u32]) -> u64 {
    cells
        .iter()
        .fold(0, |number, &cell| number << 32 | u64::from(cell))
}

/// Address and size of all that the nodes of `tree` say to be in physical address space, by
/// `reg` or `ranges`. The root has two cells for each.
fn places(tree: &::fdt::Fdt<'_>) -> Vec<(u64, u64)> {
    const ADDRESS: usize = 2;
    const SIZE: usize = 2;
    let mut places = Vec::new();
    for node in tree.all_nodes() {
        let cells = |name: &str| -> Vec<u32> {
            let value = node.property(name).map_or(&[][..], |found| found.value);
            let words = value.chunks_exact(4).map(|word| word.try_into().unwrap());
            words.map(u32::from_be_bytes).collect()
        };
        for region in cells("reg").chunks_exact(ADDRESS + SIZE) {
            places.push((number(&region[..ADDRESS]), number(&region[ADDRESS..])));
        }
        let ranges = cells("ranges");
        if ranges.is_empty() {
            continue;
        }
        // Each has the address behind the bus first.
        let own = cells("#address-cells")[0] as usize;
        let size = cells("#size-cells")[0] as usize;
        for range in ranges.chunks_exact(own + ADDRESS + size) {
            let (address, size) = range[own..].split_at(ADDRESS);
            places.push((number(address), number(size)));
        }
    }
    places
}

/// A machine on `board` with all that it can have beside virtio devices.
fn machine_on(board: &'static Board) -> (Ram, Platform) {
    let firmware = board.firmware.is_some();
    let ram = match firmware {
        true => Ram::with_firmware(64 << 20, b"firmware").unwrap(),
        false => Ram::new(64 << 20).unwrap(),
    };
    let config = PlatformConfig {
        board,
        cpus: CPUS,
        avec: true,
        firmware,
        ..PlatformConfig::default()
    };
    let platform = Platform::new(config, ram.map.clone()).unwrap();
    (ram, platform)
}

#[test]
fn every_device_is_in_the_tree() {
    for board in BOARDS {
        let (ram, platform) = machine_on(board);
        let config = BootConfig {
            firmware: board.firmware.is_some(),
            ..BootConfig::default()
        };
        let loaded = load(&ram.map, &platform, &config).unwrap();
        let places = places(&::fdt::Fdt::new(&loaded.tree).unwrap());
        let has = Population {
            nodes: 2,
            virtio: platform.virtio_devices(),
            avec: true,
            firmware: config.firmware,
        };
        for (device, place) in DeviceMap::new(board, has).devices() {
            let there = places.contains(&(place.base, place.size));
            let name = board.name;
            match without_node(board, *device) {
                None => assert!(there, "{name}: {device:?} at {place:x?} is not in the tree"),
                Some(why) => assert!(!there, "{name}: {device:?} is in the tree, though: {why}"),
            }
        }
    }
}
