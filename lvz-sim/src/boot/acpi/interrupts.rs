// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The MADT: CPUs and interrupt controllers (ACPI specification 6.5, 5.2.12.20 to 5.2.12.26;
//! read by Linux in arch/loongarch/kernel/acpi.c and drivers/irqchip/irq-loong*.c).
//!
//! Nothing in it says that there are message interrupts (AVEC): Linux asks the chip
//! (IOCSR features), and finds their window below the address of the PCH-MSI.

use super::table::{GSI_BASE, table};
use crate::boot::fdt::EIOINTC_INTERRUPT;
use crate::map::{MSI_VECTOR, MSI_VECTORS, PCH_MSI, PCH_PIC};
use crate::platform::eiointc::CORES_PER_NODE;
use acpi_tables::AmlSink;
use acpi_tables::sdt::Sdt;

const REVISION: u8 = 6;

/// Types of the structures, with their lengths.
const CORE_PIC: [u8; 2] = [17, 15];
const EIO_PIC: [u8; 2] = [20, 13];
const MSI_PIC: [u8; 2] = [21, 19];
const BIO_PIC: [u8; 2] = [22, 17];
/// The version of each of them.
const VERSION: u8 = 1;

const ENABLED: u32 = 1;

/// The table of a machine with so many CPUs.
pub(super) fn madt(cpus: usize) -> Sdt {
    let mut body = Vec::new();
    // Address and flags of other architectures' controllers.
    body.qword(0);
    for cpu in 0..cpus as u32 {
        body.vec(&CORE_PIC);
        body.byte(VERSION);
        // The processor's identifier and the core's.
        body.dword(cpu);
        body.dword(cpu);
        body.dword(ENABLED);
    }
    body.vec(&EIO_PIC);
    body.byte(VERSION);
    body.byte(EIOINTC_INTERRUPT as u8);
    // The node that devices raise vectors at, and those that they can be routed to.
    body.byte(0);
    body.qword((1 << cpus.div_ceil(CORES_PER_NODE)) - 1);

    body.vec(&MSI_PIC);
    body.byte(VERSION);
    body.qword(PCH_MSI.base);
    body.dword(MSI_VECTOR);
    body.dword(MSI_VECTORS);

    body.vec(&BIO_PIC);
    body.byte(VERSION);
    body.qword(PCH_PIC.base);
    body.word(PCH_PIC.size as u16);
    body.word(0);
    body.word(GSI_BASE as u16);
    table(*b"APIC", REVISION, &body)
}
