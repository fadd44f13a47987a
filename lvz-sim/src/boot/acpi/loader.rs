// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The tables as firmware gets them through the configuration device: two files, whose
//! addresses the firmware chooses, and a script that says which fields depend on them
//! (QEMU: hw/acpi/bios-linker-loader.c; EDK2: OvmfPkg/Include/IndustryStandard/QemuLoader.h).

use super::{CHECKSUM, RSDP_CHECKSUMS, RSDP_XSDT, Tables, rsdp};
use std::ops::Range;

pub(crate) const TABLES_FILE: &str = "etc/acpi/tables";
pub(crate) const RSDP_FILE: &str = "etc/acpi/rsdp";
pub(crate) const SCRIPT_FILE: &str = "etc/table-loader";

const NAME: usize = 56;
const COMMAND: usize = 128;

const ALLOCATE: u32 = 1;
const ADD_POINTER: u32 = 2;
const ADD_CHECKSUM: u32 = 3;

/// Zones of memory: anywhere, and where a BIOS would look.
const HIGH: u8 = 1;
const BIOS_SEGMENT: u8 = 2;

/// The commands, each padded to one length.
#[derive(Default)]
struct Script(Vec<u8>);

impl Script {
    fn command(&mut self, command: u32, files: &[&str], rest: &[&[u8]]) {
        let end = self.0.len() + COMMAND;
        self.0.extend(command.to_le_bytes());
        for file in files {
            let name = self.0.len() + NAME;
            self.0.extend(file.bytes());
            self.0.resize(name, 0);
        }
        self.0.extend(rest.concat());
        self.0.resize(end, 0);
    }

    fn allocate(&mut self, file: &str, alignment: u32, zone: u8) {
        self.command(ALLOCATE, &[file], &[&alignment.to_le_bytes(), &[zone]]);
    }

    /// A field of 8 bytes has an offset in the tables, which becomes an address.
    fn add_pointer(&mut self, file: &str, field: usize) {
        let size = size_of::<u64>() as u8;
        let field = (field as u32).to_le_bytes();
        self.command(ADD_POINTER, &[file, TABLES_FILE], &[&field, &[size]]);
    }

    fn add_checksum(&mut self, file: &str, at: usize, covered: Range<usize>) {
        let numbers = [at, covered.start, covered.len()];
        let numbers = numbers.map(|number| (number as u32).to_le_bytes());
        self.command(ADD_CHECKSUM, &[file], &[&numbers.concat()]);
    }
}

impl Tables {
    /// The files, by name.
    pub(crate) fn files(mut self) -> Vec<(&'static str, Vec<u8>)> {
        let mut script = Script::default();
        script.allocate(RSDP_FILE, 16, BIOS_SEGMENT);
        script.allocate(TABLES_FILE, 64, HIGH);
        for (field, _) in &self.pointers {
            script.add_pointer(TABLES_FILE, *field);
        }
        let mut changed: Vec<_> = self.pointers.iter().map(|(_, table)| table).collect();
        changed.dedup();
        for table in changed {
            let at = table.start + CHECKSUM;
            script.add_checksum(TABLES_FILE, at, table.clone());
            // It is not part of its own sum.
            if let Some(checksum) = self.bytes.get_mut(at) {
                *checksum = 0;
            }
        }
        let mut rsdp = rsdp(self.xsdt as u64);
        script.add_pointer(RSDP_FILE, RSDP_XSDT);
        for (at, covered) in RSDP_CHECKSUMS {
            if let Some(checksum) = rsdp.get_mut(at) {
                *checksum = 0;
            }
            script.add_checksum(RSDP_FILE, at, covered);
        }
        vec![
            (TABLES_FILE, self.bytes),
            (RSDP_FILE, rsdp),
            (SCRIPT_FILE, script.0),
        ]
    }
}
