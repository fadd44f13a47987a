// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Fuzz target `images`: kernels, further files, initial RAM disks and device trees, made of any
//! bytes.

use super::random::Random;
use flate2::Compression;
use flate2::write::GzEncoder;
use lvz_sim::boot::{BootConfig, LoadFile};
use lvz_sim::cpu::Model;
use lvz_sim::engine::Machine;
use lvz_sim::map::VIRT;
use lvz_sim::mem::Ram;
use lvz_sim::platform::PlatformConfig;
use lvz_sim::run::start;
use std::io::Write as _;
use std::path::PathBuf;

const MEMORY: u64 = 16 << 20;

/// What addresses and sizes are made of.
const NUMBERS: [u64; 12] = [
    0,
    1,
    8,
    0x40,
    0x1000,
    0x20_0000,
    0x30_0000,
    0x9000_0000_0030_0000,
    MEMORY - 8,
    1 << 32,
    u64::MAX - 7,
    u64::MAX,
];

fn number(random: &mut Random<'_>) -> u64 {
    match random.below(8) {
        0 => random.next(),
        1 => random.below(0x1_0000) as u64,
        _ => random.one_of(&NUMBERS),
    }
}

/// The target: an image that can be loaded can be run.
///
/// # Panics
/// The loader does, or the machine.
pub fn images(bytes: &[u8]) {
    let mut random = Random::new(bytes);
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, contents: &[u8]| -> PathBuf {
        let path = directory.path().join(name);
        std::fs::write(&path, contents).expect("a file");
        path
    };
    let firmware = random.below(4) == 0;
    let mut config = BootConfig {
        firmware,
        acpi: random.below(2) == 1,
        ..BootConfig::default()
    };
    match random.below(4) {
        0 => config.device_tree = Some(file("tree", &tree(&mut random))),
        1 => config.initrd = Some(file("initrd", &bytes[..bytes.len().min(64)])),
        2 => config.files.push(LoadFile {
            path: file("other", &image(&mut random, bytes, 0)),
            address: (random.below(2) == 1).then(|| number(&mut random)),
        }),
        _ => {}
    }
    config.kernel = Some(file("kernel", &image(&mut random, bytes, 0)));
    if random.below(2) == 1 {
        config.command_line = Some("console=ttyS0".to_owned());
    }

    let ram = Ram::with_firmware(MEMORY, if firmware { bytes } else { &[] });
    let mut machine = Machine::with_memory(
        Model::default(),
        1,
        ram.expect("memory for a machine"),
        PlatformConfig {
            board: &VIRT,
            ..PlatformConfig::default()
        },
    )
    .expect("a machine without files");
    match start(&mut machine, &config) {
        Ok(_) => {
            let pc = machine.cpus[0].pc;
            assert!(machine.bus.ram.offset(pc).is_some() || firmware, "{pc:#x}");
            machine.run(1_000);
        }
        // One line.
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
}

/// An image, most often almost a right one.
fn image(random: &mut Random<'_>, bytes: &[u8], depth: u32) -> Vec<u8> {
    let mut image = match random.below(7) {
        0 => bytes.to_vec(),
        1 | 2 => elf(random),
        3 | 4 => efi(random),
        _ if depth > 3 => Vec::new(),
        5 => zboot(random, bytes, depth),
        _ => packed(&image(random, bytes, depth + 1)),
    };
    for _ in 0..random.below(4) {
        let length = image.len();
        if let Some(byte) = image.get_mut(random.below(0x100)) {
            *byte = random.next() as u8;
        }
        if random.below(8) == 0 {
            image.truncate(random.below(1 + length.min(0xffff)));
        }
    }
    image
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn elf(random: &mut Random<'_>) -> Vec<u8> {
    const HEADER: u16 = 64;
    const PROGRAM: u16 = 56;
    const LOAD: u32 = 1;
    let segments = random.below(4) as u16;
    let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
    elf.resize(16, 0);
    // Executable, for LoongArch, version.
    elf.extend([2, 0, 2, 1, 1, 0, 0, 0]);
    for long in [number(random), HEADER.into(), number(random)] {
        elf.extend(long.to_le_bytes());
    }
    elf.extend([0; 4]);
    for half in [HEADER, PROGRAM, segments, 64, 0, 0] {
        elf.extend(half.to_le_bytes());
    }
    for _ in 0..segments {
        elf.extend(LOAD.to_le_bytes());
        elf.extend([5, 0, 0, 0]);
        // Offset, virtual and physical address, size in the file and in memory, alignment.
        for _ in 0..6 {
            elf.extend(number(random).to_le_bytes());
        }
    }
    elf.resize(elf.len() + random.below(0x2000), 0x40);
    elf
}

fn efi(random: &mut Random<'_>) -> Vec<u8> {
    let mut efi = b"MZ\0\0\0\0\0\0".to_vec();
    for _ in 0..3 {
        efi.extend(number(random).to_le_bytes());
    }
    efi.resize(0x38, 0);
    efi.extend(0x8182_23cd_u32.to_le_bytes());
    efi.resize(0x40 + random.below(0x2000), 0x40);
    efi
}

fn zboot(random: &mut Random<'_>, bytes: &[u8], depth: u32) -> Vec<u8> {
    const HEADER: u32 = 0x40;
    let inside = image(random, bytes, depth + 1);
    let (kind, inside) = match random.below(4) {
        0 => ("zstd", [&[0x28, 0xb5, 0x2f, 0xfd], bytes].concat()),
        1 => ("lzma", inside),
        _ => ("gzip", packed(&inside)),
    };
    let mut zboot = b"MZ\0\0zimg".to_vec();
    let length = match random.below(4) {
        0 => number(random) as u32,
        _ => inside.len() as u32,
    };
    zboot.extend(HEADER.to_le_bytes());
    zboot.extend(length.to_le_bytes());
    zboot.resize(0x18, 0);
    zboot.extend(kind.bytes());
    zboot.resize(HEADER as usize, 0);
    zboot.extend(inside);
    zboot
}

/// A device tree of random elements, with offsets that may be wrong.
fn tree(random: &mut Random<'_>) -> Vec<u8> {
    const STRINGS: &[u8] = b"bootargs\0linux,initrd-start\0reg\0";
    let mut structure: Vec<u32> = vec![1, 0];
    for _ in 0..random.below(40) {
        match random.below(8) {
            0 | 1 => structure.extend([1, u32::from_be_bytes(*b"chos"), 0x656e_0000]),
            2 => structure.push(2),
            3 => structure.extend([3, 4, random.below(40) as u32, 0]),
            4 => structure.extend([3, 0, 0]),
            5 => structure.push(4),
            6 => structure.push(random.below(10) as u32),
            _ => structure.push(number(random) as u32),
        }
    }
    structure.extend([2; 2]);
    structure.push(9);
    let structure: Vec<u8> = structure.into_iter().flat_map(u32::to_be_bytes).collect();
    let reservations = 40;
    let at = reservations + 16;
    let strings = at + structure.len();
    let total = strings + STRINGS.len();
    let mut header = [
        0xd00d_feed,
        total as u32,
        at as u32,
        strings as u32,
        reservations as u32,
        17,
        16,
        0,
        STRINGS.len() as u32,
        structure.len() as u32,
    ];
    if random.below(4) == 0 {
        header[1 + random.below(9)] = number(random) as u32;
    }
    let header: Vec<u8> = header.into_iter().flat_map(u32::to_be_bytes).collect();
    [&header[..], &[0; 16], &structure, STRINGS].concat()
}
