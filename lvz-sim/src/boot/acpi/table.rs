// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What ACPI tables have in common.

use crate::map::Device;
use acpi_tables::sdt::Sdt;

pub(super) const OEM: [u8; 6] = *b"LVZSIM";
pub(super) const OEM_TABLE: [u8; 8] = *b"LVZ-SIM ";
pub(super) const OEM_REVISION: u32 = 1;

/// The first global interrupt number of the PCH-PIC's pins (QEMU's VIRT_GSI_BASE).
pub(super) const GSI_BASE: u32 = 64;

pub(super) const HEADER: usize = 36;

/// The global interrupt number of a device's pin.
pub(super) fn gsi(device: Device) -> Option<u32> {
    device.pin().map(|pin| GSI_BASE + pin)
}

/// A table that the crate has no structure for.
pub(super) fn table(signature: [u8; 4], revision: u8, body: &[u8]) -> Sdt {
    let mut table = Sdt::new(
        signature,
        HEADER as u32,
        revision,
        OEM,
        OEM_TABLE,
        OEM_REVISION,
    );
    table.append_slice(body);
    table
}
