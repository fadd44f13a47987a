// SPDX-License-Identifier: Apache-2.0 OR MIT

//! ACPI tables: what the machine has, as Linux with ACPI looks for it (ACPI specification
//! 6.5, chapter 5; which tables and structures: QEMU's hw/loongarch/virt-acpi-build.c).
//! The device tree ([`super::fdt`]) says the same.

mod dsdt;
mod interrupts;
mod loader;
mod table;

use super::error::BootError;
use super::span::Span;
use crate::map::{PciHost, Place, PowerControl};
use crate::platform::{Platform, power};
use acpi_tables::facs::FACS;
use acpi_tables::fadt::{FADTBuilder, Flags};
use acpi_tables::gas::{AccessSize, AddressSpace, GAS};
use acpi_tables::mcfg::MCFG;
use acpi_tables::pptt::{PPTT, ProcessorNode};
use acpi_tables::rsdp::Rsdp;
use acpi_tables::sdt::Sdt;
use acpi_tables::srat::MemoryAffinity;
use acpi_tables::xsdt::XSDT;
use acpi_tables::{Aml, AmlSink};
use std::ops::Range;
use table::{HEADER, OEM, OEM_REVISION, OEM_TABLE, gsi_of, table};

/// Where in a table's header the checksum is.
const CHECKSUM: usize = 9;
/// The fields of an FADT that point to other tables: X_FIRMWARE_CTRL, X_DSDT.
const FADT_POINTERS: [usize; 2] = [132, 140];

/// The RSDP's fields: both checksums and what they cover, the XSDT's address.
const RSDP_CHECKSUMS: [(usize, Range<usize>); 2] = [(8, 0..20), (32, 0..36)];
const RSDP_XSDT: usize = 24;
/// Room for the RSDP before the tables.
const RSDP_ROOM: u64 = 64;

/// The tables, as they are if the first one's address is 0.
pub(super) struct Tables {
    bytes: Vec<u8>,
    /// Fields with the address of another table, and in which table they are.
    pointers: Vec<(usize, Range<usize>)>,
    xsdt: usize,
}

impl Tables {
    /// Those of a machine on a board with PCI and the registers of a generic event device.
    /// Linux sets its interrupt controllers up for the groups of buses that an MCFG names, so
    /// without one it has none (drivers/irqchip/irq-loongson-eiointc.c: `pci_mcfg_parse`).
    pub(super) fn of(platform: &Platform, memory: &[Span]) -> Result<Self, BootError> {
        let board = platform.board();
        let (Some(host), PowerControl::Registers { power, events }) = (board.pci(), board.power)
        else {
            return Err(BootError::NoAcpi);
        };
        let mut tables = Tables {
            bytes: Vec::new(),
            pointers: Vec::new(),
            xsdt: 0,
        };
        // EDK2 follows the RSDP's address of an RSDT, which is 0, to the first table and
        // takes it for one: FACS is not taken for more than it is
        // (OvmfPkg/LoongArchVirt/Library/ResetSystemAcpiLib).
        let facs = tables.add(&FACS::new()).start;
        let buses = dsdt::Bus {
            host,
            slots: platform.slots(),
        };
        let dsdt = dsdt::dsdt(platform.cpus(), board, events, &buses);
        let dsdt = tables.add(&dsdt).start;
        let fadt = tables.add(&fadt(power, facs, dsdt));
        for field in FADT_POINTERS {
            tables.pointers.push((fadt.start + field, fadt.clone()));
        }
        let cpus = platform.cpus();
        let [console, ..] = board.uarts;
        let listed = [
            fadt.start,
            tables.add(&interrupts::madt(cpus)).start,
            tables.add(&pptt(cpus)).start,
            tables.add(&srat(cpus, memory)).start,
            tables.add(&spcr(console.place)).start,
            tables.add(&mcfg(host)).start,
        ];
        let mut xsdt = XSDT::new(OEM, OEM_TABLE, OEM_REVISION);
        for table in listed {
            xsdt.add_entry(table as u64);
        }
        let xsdt = tables.add(&xsdt);
        for entry in 0..listed.len() {
            let field = xsdt.start + HEADER + size_of::<u64>() * entry;
            tables.pointers.push((field, xsdt.clone()));
        }
        tables.xsdt = xsdt.start;
        Ok(tables)
    }

    /// Adds a table; where it is.
    fn add(&mut self, table: &dyn Aml) -> Range<usize> {
        let start = self.bytes.len().next_multiple_of(64);
        self.bytes.resize(start, 0);
        table.to_aml_bytes(&mut self.bytes);
        start..self.bytes.len()
    }

    /// The RSDP and behind it the tables, to be put at address `base`, which is a
    /// multiple of 64.
    pub(super) fn at(mut self, base: u64) -> Vec<u8> {
        let first = base + RSDP_ROOM;
        for (field, table) in &self.pointers {
            add_to_pointer(&mut self.bytes, *field, first);
            if let Some(table) = self.bytes.get_mut(table.clone()) {
                sum(table, CHECKSUM);
            }
        }
        let mut all = rsdp(first + self.xsdt as u64);
        all.resize(RSDP_ROOM as usize, 0);
        all.append(&mut self.bytes);
        all
    }
}

/// Adds to an address in a table.
fn add_to_pointer(bytes: &mut [u8], field: usize, base: u64) {
    if let Some(pointer) = bytes.get_mut(field..).and_then(<[u8]>::first_chunk_mut) {
        *pointer = u64::from_le_bytes(*pointer)
            .wrapping_add(base)
            .to_le_bytes();
    }
}

/// Sets a checksum, so that all bytes add up to 0.
pub(super) fn sum(bytes: &mut [u8], at: usize) {
    let total = bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    if let Some(checksum) = bytes.get_mut(at) {
        *checksum = checksum.wrapping_sub(total);
    }
}

fn rsdp(xsdt: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    Rsdp::new(OEM, xsdt).to_aml_bytes(&mut bytes);
    bytes
}

/// A register of one byte.
fn byte_register(address: u64) -> GAS {
    GAS::new(
        AddressSpace::SystemMemory,
        8,
        0,
        AccessSize::ByteAccess,
        address,
    )
}

/// Hardware-reduced ACPI, with the registers of [`power`], which are at `place`.
fn fadt(place: Place, facs: usize, dsdt: usize) -> impl Aml {
    let mut fadt = FADTBuilder::new(OEM, OEM_TABLE, OEM_REVISION)
        .firmware_ctrl_64(facs as u64)
        .dsdt_64(dsdt as u64)
        .flag(Flags::HwReducedAcpi)
        .flag(Flags::ResetRegSup);
    fadt.reset_reg = byte_register(place.base + power::RESET);
    fadt.reset_value = power::RESET_VALUE;
    fadt.sleep_control_reg = byte_register(place.base + power::SLEEP_CONTROL);
    fadt.sleep_status_reg = byte_register(place.base + power::SLEEP_STATUS);
    fadt.finalize()
}

/// All CPUs are cores of one package, as in the device tree.
fn pptt(cpus: usize) -> PPTT {
    let mut pptt = PPTT::new(OEM, OEM_TABLE, OEM_REVISION);
    let package = pptt.add_processor(ProcessorNode::new(None, 0).physical());
    for cpu in 0..cpus {
        let core = ProcessorNode::new(Some(&package), cpu as u32);
        pptt.add_processor(core.valid().leaf());
    }
    pptt
}

/// One node has everything.
fn srat(cpus: usize, memory: &[Span]) -> Sdt {
    const REVISION: u8 = 3;
    const ENABLED: u32 = 1;
    let mut body = Vec::new();
    // Reserved, the first field with the value 1.
    body.dword(1);
    body.qword(0);
    for cpu in 0..cpus {
        // Processor local affinity: type, length, node, the CPU's number.
        body.vec(&[0, 16, 0, cpu as u8]);
        body.dword(ENABLED);
        body.qword(0);
    }
    for span in memory {
        MemoryAffinity::new(0, span.start, span.length)
            .enabled()
            .to_aml_bytes(&mut body);
    }
    table(*b"SRAT", REVISION, &body)
}

/// The first UART is the console (Microsoft's Serial Port Console Redirection table,
/// revision 2).
fn spcr(uart: Place) -> Sdt {
    const REVISION: u8 = 2;
    const KIND_16550: u8 = 0;
    const BAUD_115200: u8 = 7;
    const ONE_STOP_BIT: u8 = 1;
    const ANSI: u8 = 3;
    const NO_PCI_ID: u16 = 0xffff;
    let mut body = Vec::new();
    body.vec(&[KIND_16550, 0, 0, 0]);
    byte_register(uart.base).to_aml_bytes(&mut body);
    // No kind of interrupt controller that the table knows.
    body.vec(&[0, 0]);
    body.dword(gsi_of(uart).unwrap_or_default());
    body.vec(&[BAUD_115200, 0, ONE_STOP_BIT, 0, ANSI, 0]);
    body.word(NO_PCI_ID);
    body.word(NO_PCI_ID);
    // Bus, device, function, flags, segment, reserved.
    body.vec(&[0; 3 + 4 + 1 + 4]);
    table(*b"SPCR", REVISION, &body)
}

fn mcfg(host: &PciHost) -> MCFG {
    let mut mcfg = MCFG::new(OEM, OEM_TABLE, OEM_REVISION);
    for window in host.config {
        mcfg.add_ecam(window.place.base, 0, 0, host.last_bus);
    }
    mcfg
}
