// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Tests of the loader: images of each kind, the tables as a kernel reads
//! them, and damaged files.

mod devices;
mod files;
mod firmware;
mod loongson;

use super::span::Taken;
use super::*;
use crate::map::HIGH_RAM_BASE;
use crate::mem::Ram;
use crate::platform::PlatformConfig;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::io::Write as _;
use tempfile::NamedTempFile;
use vm_memory::Bytes;

const LOAD: u64 = 0x20_0000;
const VIRTUAL: u64 = 0x9000_0000_0000_0000;

/// An interrupt's type in a device tree.
const LEVEL_HIGH: u32 = 4;

/// The machine's memory, which its devices share.
fn machine(cpus: usize, size: u64) -> (Ram, Platform) {
    let ram = Ram::new(size).unwrap();
    let config = PlatformConfig {
        cpus,
        ..PlatformConfig::default()
    };
    let platform = Platform::new(config, ram.map.clone()).unwrap();
    (ram, platform)
}

fn file(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn property<'a>(tree: &'a ::fdt::Fdt<'a>, node: &str, name: &str) -> Option<&'a [u8]> {
    Some(tree.find_node(node)?.property(name)?.value)
}

/// A property's cells.
fn words(tree: &::fdt::Fdt<'_>, node: &str, name: &str) -> Vec<u32> {
    let value = property(tree, node, name).unwrap();
    let words = value.chunks_exact(4).map(|word| word.try_into().unwrap());
    words.map(u32::from_be_bytes).collect()
}

fn read_u64(ram: &GuestRam, at: u64) -> u64 {
    u64::from_le(ram.read_obj(GuestAddress(at)).unwrap())
}

/// An ELF file with one segment of 16 bytes in a memory size of 64.
fn elf() -> Vec<u8> {
    let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
    elf.resize(16, 0);
    elf.extend(2u16.to_le_bytes());
    elf.extend(258u16.to_le_bytes());
    elf.extend(1u32.to_le_bytes());
    elf.extend((VIRTUAL + LOAD + 4).to_le_bytes());
    elf.extend(64u64.to_le_bytes());
    elf.extend(0u64.to_le_bytes());
    elf.extend(0x43u32.to_le_bytes());
    for half in [64u16, 56, 1, 64, 0, 0] {
        elf.extend(half.to_le_bytes());
    }
    elf.extend(1u32.to_le_bytes());
    elf.extend(7u32.to_le_bytes());
    for word in [120, VIRTUAL + LOAD, VIRTUAL + LOAD, 16, 64, 0x1000] {
        elf.extend(word.to_le_bytes());
    }
    elf.extend(*b"sixteen bytes...");
    elf
}

/// An EFI image of 0x100 bytes.
fn pe() -> Vec<u8> {
    let mut pe = b"MZ".to_vec();
    pe.resize(0x100, 0xa5);
    pe[0x08..0x10].copy_from_slice(&(LOAD + 0x80).to_le_bytes());
    pe[0x10..0x18].copy_from_slice(&0x1000u64.to_le_bytes());
    pe[0x18..0x20].copy_from_slice(&LOAD.to_le_bytes());
    pe[0x38..0x3c].copy_from_slice(&0x8182_23cd_u32.to_le_bytes());
    pe
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn zboot(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut image = b"MZ\0\0zimg".to_vec();
    image.extend(0x80u32.to_le_bytes());
    image.extend((payload.len() as u32).to_le_bytes());
    image.resize(0x18, 0);
    image.extend(kind.as_bytes());
    image.resize(0x38, 0);
    image.extend(0x8182_23cd_u32.to_le_bytes());
    image.resize(0x80, 0);
    image.extend(payload);
    // The size of the unpacked data follows.
    image.extend([1, 2, 3, 4]);
    image
}

fn boot(kernel: &[u8], size: u64) -> Result<(Ram, LoadedMachine), BootError> {
    let (ram, platform) = machine(1, size);
    let kernel = file(kernel);
    let config = BootConfig {
        kernel: Some(kernel.path().to_owned()),
        ..BootConfig::default()
    };
    load(&ram.map, &platform, &config).map(|loaded| (ram, loaded))
}

#[test]
fn elf_is_loaded_at_its_physical_address() {
    let (ram, platform) = machine(1, 64 << 20);
    let ram = &ram.map;
    ram.write_slice(&[0xff; 64], GuestAddress(LOAD)).unwrap();
    let kernel = file(&elf());
    let config = BootConfig {
        kernel: Some(kernel.path().to_owned()),
        ..BootConfig::default()
    };
    let loaded = load(ram, &platform, &config).unwrap();
    assert_eq!(loaded.boot_pc, Some(LOAD + 4));
    let mut memory = [0; 65];
    ram.read_slice(&mut memory, GuestAddress(LOAD)).unwrap();
    assert_eq!(&memory[..16], b"sixteen bytes...");
    assert!(memory[16..].iter().all(|&byte| byte == 0));
}

#[test]
fn efi_images_are_loaded_plain_and_compressed() {
    let images = [
        pe(),
        gzip(&pe()),
        zstd(&pe()),
        zboot("gzip", &gzip(&pe())),
        zboot("zstd", &zstd(&pe())),
        gzip(&zboot("gzip", &gzip(&pe()))),
    ];
    for image in images {
        let (ram, loaded) = boot(&image, 64 << 20).unwrap();
        assert_eq!(loaded.boot_pc, Some(LOAD + 0x80));
        let mut memory = [0; 0x100];
        ram.map.read_slice(&mut memory, GuestAddress(LOAD)).unwrap();
        assert_eq!(memory.as_slice(), pe());
    }
    let (_, loaded) = boot(&gzip(&elf()), 64 << 20).unwrap();
    assert_eq!(loaded.boot_pc, Some(LOAD + 4));
}

/// Follows the pointers as Linux does (arch/loongarch/kernel/efi.c).
#[test]
fn tables_are_what_linux_reads() {
    let (ram, platform) = machine(2, 1 << 30);
    let ram = &ram.map;
    let (kernel, initrd) = (file(&elf()), file(b"initrd contents"));
    let config = BootConfig {
        kernel: Some(kernel.path().to_owned()),
        initrd: Some(initrd.path().to_owned()),
        command_line: Some("console=ttyS0 quiet".into()),
        ..BootConfig::default()
    };
    let loaded = load(ram, &platform, &config).unwrap();
    let [efi, line, system_table] = loaded.boot_args;
    assert_eq!(efi, 1);
    let mut text = [0; 20];
    ram.read_slice(&mut text, GuestAddress(line)).unwrap();
    assert_eq!(&text, b"console=ttyS0 quiet\0");

    assert_eq!(read_u64(ram, system_table), 0x5453_5953_2049_4249);
    let mut header = [0; 120];
    ram.read_slice(&mut header, GuestAddress(system_table))
        .unwrap();
    let crc: u32 = ram.read_obj(GuestAddress(system_table + 16)).unwrap();
    header[16..20].fill(0);
    assert_eq!(crc, crc32fast::hash(&header));
    // No runtime services.
    assert_eq!(read_u64(ram, system_table + 88), 0);
    let count = read_u64(ram, system_table + 104);
    let tables = read_u64(ram, system_table + 112);
    let find = |guid: [u8; 16]| {
        (0..count).map(|index| tables + index * 24).find_map(|at| {
            let mut found = [0; 16];
            ram.read_slice(&mut found, GuestAddress(at)).unwrap();
            (found == guid).then(|| read_u64(ram, at + 16))
        })
    };
    let initrd_table = find([
        0x27, 0xe4, 0x68, 0x55, 0xfc, 0x68, 0x3d, 0x4f, 0xac, 0x74, 0xca, 0x55, 0x52, 0x31, 0xcc,
        0x68,
    ])
    .unwrap();
    let (start, length) = (read_u64(ram, initrd_table), read_u64(ram, initrd_table + 8));
    assert_eq!((start, length), (HIGH_RAM_BASE, 15));
    let mut contents = [0; 15];
    ram.read_slice(&mut contents, GuestAddress(start)).unwrap();
    assert_eq!(&contents, b"initrd contents");

    let memmap = find([
        0x3f, 0x68, 0x0f, 0x80, 0x8b, 0xd0, 0x3a, 0x42, 0xa2, 0x93, 0x96, 0x5c, 0x3c, 0x6f, 0xe2,
        0xb4,
    ])
    .unwrap();
    assert_eq!(read_u64(ram, memmap), 3 * 40);
    assert_eq!(read_u64(ram, memmap + 8), 40);
    let descriptors: Vec<_> = (0..3)
        .map(|index| memmap + 40 + index * 40)
        .map(|at| {
            let kind: u32 = ram.read_obj(GuestAddress(at)).unwrap();
            (kind, read_u64(ram, at + 8), read_u64(ram, at + 24) * 4096)
        })
        .collect();
    assert_eq!(
        descriptors,
        [
            (0, 0, 0x20_0000),
            (7, 0x20_0000, 0xfe0_0000),
            (7, 0x8000_0000, 0x3000_0000)
        ]
    );

    let tree = find([
        0xd5, 0x21, 0xb6, 0xb1, 0x9c, 0xf1, 0xa5, 0x41, 0x83, 0x0b, 0xd9, 0x15, 0x2c, 0x69, 0xaa,
        0xe0,
    ])
    .unwrap();
    let magic: u32 = ram.read_obj(GuestAddress(tree)).unwrap();
    assert_eq!(u32::from_be(magic), 0xd00d_feed);
}

#[test]
fn initrd_goes_to_the_end_of_low_memory_without_high_memory() {
    let (ram, platform) = machine(1, 64 << 20);
    let ram = &ram.map;
    let (kernel, initrd) = (file(&elf()), file(&[7; 100]));
    let config = BootConfig {
        kernel: Some(kernel.path().to_owned()),
        initrd: Some(initrd.path().to_owned()),
        ..BootConfig::default()
    };
    load(ram, &platform, &config).unwrap();
    let byte: u8 = ram.read_obj(GuestAddress((64 << 20) - 0x1_0000)).unwrap();
    assert_eq!(byte, 7);
    let large = file(&vec![7; 63 << 20]);
    let config = BootConfig {
        initrd: Some(large.path().to_owned()),
        ..config
    };
    let error = load(ram, &platform, &config).unwrap_err().to_string();
    assert!(error.contains("no room for its"), "{error}");
    assert!(error.contains(large.path().to_str().unwrap()), "{error}");
}

#[test]
fn the_tree_describes_the_machine() {
    let (ram, platform) = machine(6, 1 << 30);
    let ram = &ram.map;
    let memory = span::memory(ram);
    let bytes = fdt::build(&fdt::Machine {
        platform: &platform,
        memory: &memory,
        command_line: "root=/dev/vda",
        initrd: None,
    })
    .unwrap();
    let tree = ::fdt::Fdt::new(&bytes).unwrap();
    assert_eq!(tree.cpus().count(), 6);
    let ids: Vec<_> = tree.cpus().map(|cpu| cpu.ids().first()).collect();
    assert_eq!(ids, [0, 1, 2, 3, 4, 5]);
    assert_eq!(tree.chosen().bootargs(), Some("root=/dev/vda"));
    let stdout = tree.chosen().stdout().unwrap();
    assert_eq!(stdout.name, "serial@1fe001e0");
    let ranges: Vec<_> = tree
        .find_all_nodes("/memory")
        .flat_map(|node| node.reg().unwrap())
        .map(|range| (range.starting_address as u64, range.size.unwrap() as u64))
        .collect();
    assert_eq!(ranges, [(0, 0x1000_0000), (HIGH_RAM_BASE, 0x3000_0000)]);

    let handle = |path: &str| {
        let node = tree.find_node(path).unwrap();
        node.property("phandle").unwrap().as_usize().unwrap()
    };
    let parent = |path: &str| {
        let node = tree.find_node(path).unwrap();
        node.property("interrupt-parent")
            .unwrap()
            .as_usize()
            .unwrap()
    };
    assert_eq!(parent("/eiointc@1400"), handle("/cpuic"));
    assert_eq!(parent("/platic@10000000"), handle("/eiointc@1400"));
    assert_eq!(parent("/msi@2ff00000"), handle("/eiointc@1400"));
    for device in [
        "/serial@1fe001e0",
        "/serial@1fe002e0",
        "/rtc@100d0100",
        "/virtio_mmio@16000000",
    ] {
        assert_eq!(parent(device), handle("/platic@10000000"));
    }
    for (node, compatible) in [
        ("/serial@1fe001e0", "ns16550a"),
        ("/serial@1fe002e0", "ns16550a"),
        ("/rtc@100d0100", "loongson,ls7a-rtc"),
        ("/eiointc@1400", "loongson,ls2k2000-eiointc"),
        ("/platic@10000000", "loongson,pch-pic-1.0"),
        ("/msi@2ff00000", "loongson,pch-msi-1.0"),
        ("/cpuic", "loongson,cpu-interrupt-controller"),
        ("/poweroff", "syscon-poweroff"),
        ("/reboot", "syscon-reboot"),
        ("/virtio_mmio@16000000", "virtio,mmio"),
    ] {
        let found = tree.find_node(node).unwrap().compatible().unwrap();
        assert_eq!(found.first(), compatible);
    }
    let off = tree.find_node("/poweroff").unwrap();
    assert_eq!(off.property("value").unwrap().as_usize(), Some(0x34));
    assert_eq!(
        off.property("regmap").unwrap().as_usize(),
        Some(handle("/power@100e001c"))
    );
    let reboot = tree.find_node("/reboot").unwrap();
    assert_eq!(reboot.property("value").unwrap().as_usize(), Some(0x42));
    assert_eq!(reboot.property("offset").unwrap().as_usize(), Some(2));
}

#[test]
fn errors_are_one_line_that_names_the_file() {
    let cases: [(&[u8], &str); 9] = [
        (b"", "the file is empty"),
        (b"#!/bin/sh\n", "not an ELF, EFI"),
        (b"\x7fELF", "damaged ELF header"),
        (&elf()[..130], "damaged ELF segment"),
        (&zboot("lzma", b""), "compressed with \"lzma\""),
        (&zboot("gzip", b"no gzip"), "cannot unpack its gzip data"),
        (&zboot("zstd", b"no zstd"), "cannot unpack its zstd data"),
        (&gzip(&pe())[..40], "cannot unpack its gzip data"),
        (&pe()[..0x3c][..0x3b], "not an ELF, EFI"),
    ];
    for (bytes, expected) in cases {
        let kernel = file(bytes);
        let (ram, platform) = machine(1, 64 << 20);
        let ram = &ram.map;
        let config = BootConfig {
            kernel: Some(kernel.path().to_owned()),
            ..BootConfig::default()
        };
        let error = load(ram, &platform, &config).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}: not {expected}");
        assert!(error.contains(kernel.path().to_str().unwrap()), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    let (ram, platform) = machine(1, 64 << 20);
    let ram = &ram.map;
    let config = BootConfig {
        kernel: Some("/no/such/kernel".into()),
        ..BootConfig::default()
    };
    let error = load(ram, &platform, &config).unwrap_err().to_string();
    assert!(
        error.starts_with("kernel /no/such/kernel: cannot read"),
        "{error}"
    );
}

#[test]
fn images_that_do_not_fit_are_refused() {
    // Into the firmware's memory.
    let mut low = pe();
    low[0x18..0x20].copy_from_slice(&0x1000u64.to_le_bytes());
    low[0x08..0x10].copy_from_slice(&0x1080u64.to_le_bytes());
    let error = boot(&low, 64 << 20).unwrap_err().to_string();
    assert!(
        error.contains("wants memory from 0x1000 on, but below 0x200000"),
        "{error}"
    );
    // Beyond the end, and around the end of the address space.
    for size in [64u64 << 20, u64::MAX, u64::MAX - LOAD] {
        let mut large = pe();
        large[0x10..0x18].copy_from_slice(&size.to_le_bytes());
        let error = boot(&large, 64 << 20).unwrap_err().to_string();
        assert!(error.contains("wants memory 0x200000"), "{error}");
    }
    // Unpacks to more than the memory.
    let bomb = gzip(&vec![0; 17 << 20]);
    let error = boot(&bomb, 16 << 20).unwrap_err().to_string();
    assert!(error.contains("more than 16777216 bytes"), "{error}");
    // A command line that is too long, and too little memory for anything.
    let (ram, platform) = machine(1, 64 << 20);
    let ram = &ram.map;
    let kernel = file(&elf());
    let mut config = BootConfig {
        kernel: Some(kernel.path().to_owned()),
        command_line: Some("x".repeat(4096)),
        ..BootConfig::default()
    };
    assert!(matches!(
        load(ram, &platform, &config),
        Err(BootError::CommandLine(4096))
    ));
    config.command_line = Some("x".repeat(4095));
    load(ram, &platform, &config).unwrap();
    let small = GuestRam::from_ranges(&[(GuestAddress(0), 8 << 20)]).unwrap();
    assert!(matches!(
        load(&small, &platform, &config),
        Err(BootError::SmallMemory(_))
    ));
}

#[test]
fn segments_must_not_overlap() {
    let mut twice = elf();
    // A second program header, equal to the first.
    twice[56] = 2;
    let header = twice[64..120].to_vec();
    twice.splice(120..120, header);
    twice[72] = 176;
    twice[128] = 176;
    let error = boot(&twice, 64 << 20).unwrap_err().to_string();
    assert!(error.contains("segments overlap"), "{error}");
    // Side by side they are fine.
    twice[128 + 8] = 64;
    twice[128 + 16] = 64;
    boot(&twice, 64 << 20).unwrap();
}

#[test]
fn initrd_goes_behind_a_kernel_in_high_memory() {
    let mut kernel = elf();
    for at in [24, 80, 88] {
        kernel[at..at + 8].copy_from_slice(&HIGH_RAM_BASE.to_le_bytes());
    }
    let (ram, platform) = machine(1, 1 << 30);
    let ram = &ram.map;
    let (kernel, initrd) = (file(&kernel), file(&[7; 100]));
    let config = BootConfig {
        kernel: Some(kernel.path().to_owned()),
        initrd: Some(initrd.path().to_owned()),
        ..BootConfig::default()
    };
    let loaded = load(ram, &platform, &config).unwrap();
    assert_eq!(loaded.boot_pc, Some(HIGH_RAM_BASE));
    let at = GuestAddress(HIGH_RAM_BASE + 0x1_0000);
    assert_eq!(ram.read_obj::<u8>(at).unwrap(), 7);
}

/// No damage to a file may do more than make it an error.
#[test]
fn damaged_files_never_panic() {
    let (ram, _) = machine(1, 16 << 20);
    let ram = &ram.map;
    let try_image = |bytes: Vec<u8>| {
        if let Ok(image) = format::parse(bytes, 1 << 20) {
            let _ = image.load(ram, &mut Taken::default());
        }
    };
    let originals = [
        elf(),
        pe(),
        zboot("gzip", &gzip(&pe())),
        zboot("zstd", &zstd(&pe())),
        gzip(&elf()),
    ];
    let mut generator = SplitMix64::seed_from_u64(1);
    for original in &originals {
        for length in 0..original.len() {
            try_image(original[..length].to_vec());
        }
        for at in 0..original.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bytes = original.clone();
                bytes[at] = value;
                try_image(bytes);
            }
        }
        for _ in 0..2000 {
            let mut bytes = original.clone();
            for _ in 0..4 {
                let random = generator.next_u64();
                let at = (random >> 8) as usize % bytes.len();
                bytes[at] = random as u8;
            }
            try_image(bytes);
        }
    }
}
