// SPDX-License-Identifier: Apache-2.0 OR MIT

//! ACPI tables and the start of firmware.

use super::*;
use crate::boot::acpi::Tables;
use crate::boot::span;
use crate::map::{Device, FIRMWARE_BASE, VIRT};
use crate::platform::PlatformError;

fn platform(cpus: usize, firmware: bool) -> (Ram, Platform) {
    let ram = Ram::with_firmware(1 << 30, b"firmware").unwrap();
    let config = PlatformConfig {
        board: &VIRT,
        cpus,
        firmware,
        ..PlatformConfig::default()
    };
    let platform = Platform::new(config, ram.map.clone()).unwrap();
    (ram, platform)
}

fn tables(cpus: usize) -> Tables {
    let (ram, platform) = platform(cpus, false);
    Tables::of(&platform, &span::memory(&ram.map)).unwrap()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn sums_to_zero(bytes: &[u8]) -> bool {
    bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)) == 0
}

/// Follows the addresses from the RSDP in `rsdp` on, in `bytes` that are at `base`; the
/// tables' signatures, each with its bytes.
fn follow<'a>(rsdp: &[u8], bytes: &'a [u8], base: u64) -> Vec<(&'a [u8], &'a [u8])> {
    assert_eq!(&rsdp[..8], b"RSD PTR ");
    assert!(sums_to_zero(&rsdp[..20]) && sums_to_zero(&rsdp[..36]));
    let table = |address: u64| {
        let table = &bytes[(address - base) as usize..];
        let table = &table[..u32_at(table, 4) as usize];
        (&table[..4], table)
    };
    let xsdt = table(u64_at(rsdp, 24));
    let mut all = vec![xsdt];
    all.extend(xsdt.1[36..].chunks(8).map(|entry| table(u64_at(entry, 0))));
    let fadt = all[1].1;
    all.push(table(u64_at(fadt, 140)));
    for (signature, table) in &all {
        assert!(sums_to_zero(table), "{signature:?}");
    }
    let facs = table(u64_at(fadt, 132));
    assert_eq!((facs.0, facs.1.len()), (&b"FACS"[..], 64));
    all
}

#[test]
fn tables_are_found_from_the_rsdp() {
    let base = 0x4_0000;
    let bytes = tables(6).at(base);
    assert!(bytes.len() < 0x8000);
    let all = follow(&bytes, &bytes, base);
    let names: Vec<&[u8]> = all.iter().map(|(name, _)| *name).collect();
    let expected = [
        "XSDT", "FACP", "APIC", "PPTT", "SRAT", "SPCR", "MCFG", "DSDT",
    ];
    assert_eq!(names, expected.map(str::as_bytes));
    let table = |name: &str| all.iter().find(|(n, _)| *n == name.as_bytes()).unwrap().1;
    // Reset, sleep control and status, in the registers of the power device.
    let fadt = table("FACP");
    let power = VIRT.place(Device::Power).unwrap().base;
    assert_eq!(u64_at(fadt, 116 + 4), power + 2);
    assert_eq!(fadt[128], 0x42);
    assert_eq!(u64_at(fadt, 244 + 4), power);
    assert_eq!(u64_at(fadt, 256 + 4), power + 1);
    // Six CPUs in two nodes, one controller of each further kind.
    let mut kinds = Vec::new();
    let mut rest = &table("APIC")[44..];
    while let [kind, length, ..] = rest {
        kinds.push(*kind);
        if *kind == 20 {
            assert_eq!(u64_at(rest, 5), 0b11);
        }
        rest = &rest[usize::from(*length)..];
    }
    assert_eq!(kinds, [17, 17, 17, 17, 17, 17, 20, 21, 22]);
    let mcfg = table("MCFG");
    assert_eq!(
        u64_at(mcfg, 44),
        VIRT.place(Device::PciConfig(0)).unwrap().base
    );
    assert_eq!(mcfg[54..56], [0, 127]);
}

#[test]
fn firmware_puts_the_tables_together() {
    let files = tables(2).files();
    let get = |name: &str| files.iter().find(|(n, _)| *n == name).unwrap().1.clone();
    let mut blobs = [
        ("etc/acpi/rsdp", 0xfff0u64),
        ("etc/acpi/tables", 0x9000_0000),
    ]
    .map(|(name, address)| (name, address, get(name)));
    let script = get("etc/table-loader");
    assert_eq!(script.len() % 128, 0);
    let mut allocated = Vec::new();
    for command in script.chunks(128) {
        let name = |at: usize| {
            let name = &command[at..at + 56];
            let end = name.iter().position(|&byte| byte == 0).unwrap();
            std::str::from_utf8(&name[..end]).unwrap().to_owned()
        };
        let file = name(4);
        let index = blobs.iter().position(|(n, ..)| *n == file).unwrap();
        match u32_at(command, 0) {
            1 => allocated.push((file, u32_at(command, 60), command[64])),
            2 => {
                let target = name(60);
                let address = blobs.iter().find(|(n, ..)| *n == target).unwrap().1;
                let (at, size) = (u32_at(command, 116) as usize, command[120]);
                assert_eq!(size, 8);
                let blob = &mut blobs[index].2;
                let offset = u64_at(blob, at);
                blob[at..at + 8].copy_from_slice(&(offset + address).to_le_bytes());
            }
            3 => {
                let [at, start, length] = [60, 64, 68].map(|at| u32_at(command, at) as usize);
                let blob = &mut blobs[index].2;
                assert_eq!(blob[at], 0, "it would be part of its own sum");
                let total = blob[start..start + length]
                    .iter()
                    .fold(0u8, |sum, byte| sum.wrapping_add(*byte));
                blob[at] = 0u8.wrapping_sub(total);
            }
            other => panic!("command {other}"),
        }
    }
    let expected = [("etc/acpi/rsdp", 16, 2), ("etc/acpi/tables", 64, 1)];
    assert_eq!(
        allocated,
        expected.map(|(name, alignment, zone)| (name.to_owned(), alignment, zone))
    );
    let [(_, _, rsdp), (_, base, bytes)] = &blobs;
    assert_eq!(follow(rsdp, bytes, *base).len(), 8);
}

#[test]
fn a_kernel_is_told_of_the_tables_if_that_is_wanted() {
    let (ram, platform) = platform(1, false);
    let kernel = file(&elf());
    let mut config = BootConfig {
        kernel: Some(kernel.path().to_owned()),
        acpi: true,
        ..BootConfig::default()
    };
    let guid = [
        0x71, 0xe8, 0x68, 0x88, 0xf1, 0xe4, 0xd3, 0x11, 0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88,
        0x81,
    ];
    for acpi in [true, false] {
        config.acpi = acpi;
        let loaded = load(&ram.map, &platform, &config).unwrap();
        let table = read_u64(&ram.map, loaded.boot_args[2] + 112);
        let count = read_u64(&ram.map, loaded.boot_args[2] + 104);
        let pointers: Vec<u64> = (0..count)
            .filter_map(|index| {
                let at = table + 24 * index;
                let found: [u8; 16] = ram.map.read_obj(GuestAddress(at)).unwrap();
                (found == guid).then(|| read_u64(&ram.map, at + 16))
            })
            .collect();
        assert_eq!(pointers.len(), usize::from(acpi));
        if let Some(&rsdp) = pointers.first() {
            let mut bytes = vec![0; 0x8000];
            ram.map.read_slice(&mut bytes, GuestAddress(rsdp)).unwrap();
            follow(&bytes, &bytes, rsdp);
        }
    }
    let (ram, without_pci) = machine(1, 64 << 20);
    config.acpi = true;
    let error = load(&ram.map, &without_pci, &config)
        .unwrap_err()
        .to_string();
    assert!(error.contains("machine virt"), "{error}");
}

#[test]
fn firmware_begins_with_a_tree_and_items() {
    let (ram, platform) = platform(2, true);
    let kernel = file(&pe());
    let initrd = file(b"initial RAM disk");
    let mut config = BootConfig {
        kernel: Some(kernel.path().to_owned()),
        initrd: Some(initrd.path().to_owned()),
        command_line: Some("quiet".to_owned()),
        firmware: true,
        ..BootConfig::default()
    };
    let loaded = load(&ram.map, &platform, &config).unwrap();
    assert_eq!(loaded.boot_pc, Some(FIRMWARE_BASE));
    assert_eq!(loaded.secondary_pc, FIRMWARE_BASE);
    assert!(loaded.items.is_some());
    let tree = ::fdt::Fdt::new(&loaded.tree).unwrap();
    for (kind, device) in [
        ("cfi-flash", Device::Flash),
        ("qemu,fw-cfg-mmio", Device::FwCfg),
    ] {
        let place = VIRT.place(device).unwrap();
        let node = tree.find_compatible(&[kind]).unwrap();
        let region = node.reg().unwrap().next().unwrap();
        let found = (region.starting_address as u64, region.size.unwrap() as u64);
        assert_eq!(found, (place.base, place.size), "{kind}");
    }
    let mut magic = [0; 4];
    ram.map.read_slice(&mut magic, GuestAddress(FDT)).unwrap();
    assert_eq!(magic, [0xd0, 0x0d, 0xfe, 0xed]);
    // Firmware starts EFI images alone.
    let other = file(&elf());
    config.kernel = Some(other.path().to_owned());
    let error = load(&ram.map, &platform, &config).unwrap_err().to_string();
    assert!(error.contains("not an EFI image"), "{error}");
}

#[test]
fn firmware_is_read_only_and_stays() {
    let (mut ram, _platform) = platform(1, true);
    let at = ram.offset(FIRMWARE_BASE).unwrap();
    assert_eq!(ram.address(at), FIRMWARE_BASE);
    assert_eq!(ram.bytes()[at..at + 9], *b"firmware\xff");
    assert_eq!(ram.offset(FIRMWARE_BASE + 4096), None);
    ram.clear();
    assert_eq!(ram.bytes()[at..at + 8], *b"firmware");
    // Devices do not reach it.
    assert!(ram.map.write_obj(0u8, GuestAddress(FIRMWARE_BASE)).is_err());
    assert!(Ram::with_firmware(16 << 20, &vec![0; (16 << 20) + 1]).is_err());
    let config = PlatformConfig {
        firmware: true,
        ..PlatformConfig::default()
    };
    let refused = Platform::new(config, ram.map.clone());
    assert!(matches!(refused, Err(PlatformError::NoFlash)));
}
