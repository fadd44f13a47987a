// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The EFI tables that Linux reads when it is started as by its EFI stub:
//! system table, configuration tables, memory map and initrd (UEFI 2.10,
//! sections 4.3 and 7.2; Linux include/linux/efi.h: `efi_boot_memmap`,
//! `linux_efi_initrd`; arch/loongarch/kernel/efi.c: `efi_init`). There are no
//! runtime services.

use super::span::{FIRMWARE_END, Span};

const SIGNATURE: u64 = u64::from_le_bytes(*b"IBI SYST");
const REVISION: u32 = 2 << 16 | 100;
const HEADER_SIZE: usize = 120;
const FIRMWARE_REVISION: u32 = 1 << 16;
const VENDOR: &str = "lvz-sim";

/// Offsets of the tables from the system table.
const VENDOR_AT: usize = 0x100;
const CONFIGURATION_AT: usize = 0x200;
const INITRD_AT: usize = 0x300;
const MEMMAP_AT: usize = 0x400;

const DEVICE_TREE: Guid = guid(0xb1b6_21d5, 0xf19c, 0x41a5, 0x830b_d915_2c69_aae0);
const ACPI_20: Guid = guid(0x8868_e871, 0xe4f1, 0x11d3, 0xbc22_0080_c73c_8881);
const BOOT_MEMMAP: Guid = guid(0x800f_683f, 0xd08b, 0x423a, 0xa293_965c_3c6f_e2b4);
const INITRD_MEDIA: Guid = guid(0x5568_e427, 0x68fc, 0x4f3d, 0xac74_ca55_5231_cc68);

const RESERVED: u32 = 0;
const CONVENTIONAL: u32 = 7;
const WRITE_BACK: u64 = 1 << 3;
const PAGE: u64 = 4096;
const DESCRIPTOR_SIZE: u64 = 40;
const DESCRIPTOR_VERSION: u32 = 1;

type Guid = [u8; 16];

/// A GUID from its parts as they are written, the last two as one number.
const fn guid(a: u32, b: u16, c: u16, d: u64) -> Guid {
    let (a, b, c, d) = (
        a.to_le_bytes(),
        b.to_le_bytes(),
        c.to_le_bytes(),
        d.to_be_bytes(),
    );
    [
        a[0], a[1], a[2], a[3], b[0], b[1], c[0], c[1], d[0], d[1], d[2], d[3], d[4], d[5], d[6],
        d[7],
    ]
}

/// Bytes that grow field by field.
#[derive(Default)]
struct Table(Vec<u8>);

impl Table {
    fn u32(&mut self, value: u32) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    fn pad_to(&mut self, offset: usize) -> &mut Self {
        self.0.resize(offset.max(self.0.len()), 0);
        self
    }
}

/// The memory map: the firmware's part is reserved, all else is free.
fn memory_map(memory: &[Span]) -> Vec<(u32, Span)> {
    let mut map = vec![(
        RESERVED,
        Span {
            start: 0,
            length: FIRMWARE_END,
        },
    )];
    for span in memory {
        let start = span.start.max(FIRMWARE_END);
        let length = span.end().saturating_sub(start);
        if length > 0 {
            map.push((CONVENTIONAL, Span { start, length }));
        }
    }
    map
}

/// What the configuration tables point to.
pub(super) struct Pointers {
    pub(super) fdt: u64,
    pub(super) rsdp: Option<u64>,
    pub(super) initrd: Option<Span>,
}

/// The tables, to be put at address `base`, where the system table is then.
pub(super) fn tables(base: u64, pointers: &Pointers, memory: &[Span]) -> Vec<u8> {
    let initrd = pointers.initrd;
    let at = |offset: usize| base + offset as u64;
    let mut configuration = vec![(DEVICE_TREE, pointers.fdt), (BOOT_MEMMAP, at(MEMMAP_AT))];
    configuration.extend(pointers.rsdp.map(|rsdp| (ACPI_20, rsdp)));
    if initrd.is_some() {
        configuration.push((INITRD_MEDIA, at(INITRD_AT)));
    }

    let mut table = Table::default();
    table.u64(SIGNATURE).u32(REVISION).u32(HEADER_SIZE as u32);
    // CRC (filled in below), reserved.
    table.u32(0).u32(0);
    table.u64(at(VENDOR_AT)).u32(FIRMWARE_REVISION).u32(0);
    // Console handles and protocols, runtime and boot services: none.
    for _ in 0..8 {
        table.u64(0);
    }
    table
        .u64(configuration.len() as u64)
        .u64(at(CONFIGURATION_AT));
    let crc = crc32fast::hash(&table.0);
    table.0[16..20].copy_from_slice(&crc.to_le_bytes());

    table.pad_to(VENDOR_AT);
    for unit in VENDOR.encode_utf16().chain([0]) {
        table.0.extend_from_slice(&unit.to_le_bytes());
    }
    table.pad_to(CONFIGURATION_AT);
    for (guid, address) in configuration {
        table.0.extend_from_slice(&guid);
        table.u64(address);
    }
    table.pad_to(INITRD_AT);
    if let Some(initrd) = initrd {
        table.u64(initrd.start).u64(initrd.length);
    }
    table.pad_to(MEMMAP_AT);
    let map = memory_map(memory);
    let size = map.len() as u64 * DESCRIPTOR_SIZE;
    table.u64(size).u64(DESCRIPTOR_SIZE);
    table.u32(DESCRIPTOR_VERSION).u32(0);
    // Map key, size of the buffer.
    table.u64(0).u64(size);
    for (kind, span) in map {
        table.u32(kind).u32(0).u64(span.start).u64(0);
        table.u64(span.length / PAGE).u64(WRITE_BACK);
    }
    table.0
}
