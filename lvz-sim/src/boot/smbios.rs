// SPDX-License-Identifier: Apache-2.0 OR MIT

//! SMBIOS structures for firmware, which EDK2 cannot do without (OvmfPkg/SmbiosPlatformDxe):
//! the system, its processor and its memory (DMTF DSP0134, SMBIOS 3.0, 7.2, 7.5, 7.17, 7.18
//! and 7.20). The firmware adds what it is itself.

use super::fdt::CPU_CLOCK;
use super::span::{self, Span};
use acpi_tables::AmlSink as _;

pub(super) const TABLES_FILE: &str = "etc/smbios/smbios-tables";
pub(super) const ANCHOR_FILE: &str = "etc/smbios/smbios-anchor";

const SYSTEM: u8 = 1;
const PROCESSOR: u8 = 4;
const MEMORY_ARRAY: u8 = 16;
const MEMORY_DEVICE: u8 = 17;
const MEMORY_ADDRESSES: u8 = 19;
const END: u8 = 127;
/// What a structure begins with: type, length, handle.
const HEADER: usize = 4;

/// Fields that say nothing.
const UNKNOWN: u8 = 2;
const NO_HANDLE: u16 = 0xffff;
const NO_ERRORS: u16 = 0xfffe;
const NO_WIDTH: u16 = 0xffff;
/// The handle of the memory array; those of its device and of the addresses follow.
const ARRAY: u16 = 2;

const MHZ: u32 = 1_000_000;
const MIB: u64 = 1 << 20;

/// The files, by name, of a machine with so many CPUs and this memory on the board of that
/// name.
pub(super) fn files(board: &str, cpus: usize, memory: &[Span]) -> Vec<(&'static str, Vec<u8>)> {
    let mut tables = Vec::new();
    structure(&mut tables, SYSTEM, 0, &system(), &["lvz-sim", board]);
    let names = ["CPU 0", "Loongson", "Loongson-3A5000"];
    structure(&mut tables, PROCESSOR, 1, &processor(cpus as u8), &names);
    structure(&mut tables, MEMORY_ARRAY, ARRAY, &array(memory), &[]);
    let mut handle = ARRAY + 1;
    structure(
        &mut tables,
        MEMORY_DEVICE,
        handle,
        &device(memory),
        &["RAM"],
    );
    for span in memory {
        handle += 1;
        structure(
            &mut tables,
            MEMORY_ADDRESSES,
            handle,
            &addresses(*span),
            &[],
        );
    }
    structure(&mut tables, END, handle + 1, &[], &[]);
    let anchor = anchor(tables.len() as u32);
    vec![(TABLES_FILE, tables), (ANCHOR_FILE, anchor)]
}

/// Adds a structure with the strings that its fields number from 1 on.
fn structure(tables: &mut Vec<u8>, kind: u8, handle: u16, fields: &[u8], strings: &[&str]) {
    tables.vec(&[kind, (HEADER + fields.len()) as u8]);
    tables.word(handle);
    tables.vec(fields);
    for string in strings {
        tables.vec(string.as_bytes());
        tables.byte(0);
    }
    if strings.is_empty() {
        tables.byte(0);
    }
    tables.byte(0);
}

fn system() -> Vec<u8> {
    const POWER_SWITCH: u8 = 6;
    let mut fields = vec![1, 2, 0, 0];
    fields.vec(&[0; 16]);
    fields.vec(&[POWER_SWITCH, 0, 0]);
    fields
}

/// One package has all cores. Linux takes from here what its processors are called, and
/// how fast they are (arch/loongarch/kernel/setup.c: `parse_cpu_table`).
fn processor(cores: u8) -> Vec<u8> {
    const CENTRAL: u8 = 3;
    const POPULATED_AND_ENABLED: u8 = 0x41;
    const CAN_64_BIT: u16 = 1 << 2;
    let clock = (CPU_CLOCK / MHZ) as u16;
    let mut fields = vec![1, CENTRAL, UNKNOWN, 2];
    // Identifier, version; voltage and external clock: unknown.
    fields.vec(&[0; 8]);
    fields.vec(&[3, 0, 0, 0]);
    fields.word(clock);
    fields.word(clock);
    fields.vec(&[POPULATED_AND_ENABLED, UNKNOWN]);
    for _cache in 0..3 {
        fields.word(NO_HANDLE);
    }
    // Serial number, asset tag, part number.
    fields.vec(&[0; 3]);
    fields.vec(&[cores; 3]);
    fields.word(CAN_64_BIT);
    fields.word(UNKNOWN.into());
    for _count in 0..3 {
        fields.word(cores.into());
    }
    fields
}

fn array(memory: &[Span]) -> Vec<u8> {
    const SYSTEM_BOARD: u8 = 3;
    const SYSTEM_MEMORY: u8 = 3;
    /// The size is in the last field.
    const EXTENDED: u32 = 0x8000_0000;
    let mut fields = vec![SYSTEM_BOARD, SYSTEM_MEMORY, UNKNOWN];
    fields.dword(EXTENDED);
    fields.word(NO_ERRORS);
    fields.word(1);
    fields.qword(span::total(memory));
    fields
}

/// All memory is one device, as far as anything is known of it.
fn device(memory: &[Span]) -> Vec<u8> {
    const OTHER_FORM: u8 = 1;
    const RAM: u8 = 7;
    const OTHER_DETAIL: u16 = 1 << 1;
    /// The size is in the field for larger ones.
    const EXTENDED: u16 = 0x7fff;
    let size = span::total(memory) / MIB;
    let mut fields = Vec::new();
    for word in [ARRAY, NO_ERRORS, NO_WIDTH, NO_WIDTH] {
        fields.word(word);
    }
    let small = u16::try_from(size).ok().filter(|size| *size < EXTENDED);
    fields.word(small.unwrap_or(EXTENDED));
    // In no set; its name, and no bank.
    fields.vec(&[OTHER_FORM, 0, 1, 0, RAM]);
    fields.word(OTHER_DETAIL);
    // Speed, manufacturer, serial number, asset tag, part number, rank.
    fields.vec(&[0; 7]);
    fields.dword(if small.is_some() { 0 } else { size as u32 });
    // Speed and voltages.
    fields.vec(&[0; 8]);
    fields
}

/// First and last KiB, which fit: there is at most 1 TiB.
fn addresses(span: Span) -> Vec<u8> {
    const SHIFT: u32 = 10;
    let mut fields = Vec::new();
    fields.dword((span.start >> SHIFT) as u32);
    fields.dword((span.end() >> SHIFT) as u32 - 1);
    fields.word(ARRAY);
    // One partition; the extended addresses, which are not used.
    fields.byte(1);
    fields.vec(&[0; 16]);
    fields
}

/// The entry point (5.2.2), whose address firmware fills in.
fn anchor(length: u32) -> Vec<u8> {
    let mut anchor = b"_SM3_".to_vec();
    // Checksum, length, version 3.0.0, revision of the entry point.
    anchor.vec(&[0, 24, 3, 0, 0, 1, 0]);
    anchor.dword(length);
    anchor.qword(0);
    super::acpi::sum(&mut anchor, 5);
    anchor
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// Structures by handle: type, and fields with the header.
    fn structures(tables: &[u8]) -> HashMap<u16, (u8, Vec<u8>)> {
        let mut found = HashMap::new();
        let mut rest = tables;
        while let [kind, length, low, high, ..] = *rest {
            let (fields, strings) = rest.split_at(length.into());
            let end = strings.windows(2).position(|pair| pair == [0, 0]);
            rest = &strings[end.expect("an end of the strings") + 2..];
            let handle = u16::from_le_bytes([low, high]);
            let before = found.insert(handle, (kind, fields.to_vec()));
            assert!(before.is_none(), "two structures {handle}");
        }
        assert!(rest.is_empty());
        found
    }

    #[test]
    fn memory_is_an_array_of_one_device() {
        for gib in [1, 31, 32, 1024] {
            let half = gib << 29;
            let memory = [0, 0x8000_0000].map(|start| Span {
                start,
                length: half,
            });
            let files = files("virt", 2, &memory);
            let tables = structures(&files[0].1);
            let field = |fields: &[u8], at: usize, size: usize| {
                let bytes = fields[at..at + size].iter().rev();
                bytes.fold(0, |value, byte| value << 8 | u64::from(*byte))
            };
            let of = |kind| tables.values().filter(move |(found, _)| *found == kind);
            let kinds = [1, 4, 16, 17, 19, 127].map(|kind| of(kind).count());
            assert_eq!(kinds, [1, 1, 1, 1, 2, 1]);
            let (_, array) = of(16).next().expect("an array");
            assert_eq!(field(array, 13, 2), 1, "devices");
            assert_eq!(field(array, 15, 8), gib << 30);
            let (_, device) = of(17).next().expect("a device");
            assert_eq!(device.len(), 0x28);
            let mib = match field(device, 12, 2) {
                0x7fff => field(device, 28, 4),
                size => size,
            };
            assert_eq!(mib, gib << 10);
            for (_, part) in of(17).chain(of(19)) {
                let at = if part[0] == 17 { 4 } else { 12 };
                let array = field(part, at, 2) as u16;
                assert_eq!(tables[&array].0, 16);
            }
        }
    }
}
