// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What ACPI tables have in common.

use crate::map::{Input, Place};
use acpi_tables::sdt::Sdt;

pub(super) const OEM: [u8; 6] = *b"LVZSIM";
pub(super) const OEM_TABLE: [u8; 8] = *b"LVZ-SIM ";
pub(super) const OEM_REVISION: u32 = 1;

/// The first global interrupt number of the PCH-PIC's pins (QEMU's VIRT_GSI_BASE).
pub(super) const GSI_BASE: u32 = 64;

pub(super) const HEADER: usize = 36;

/// The global interrupt number of a pin of the PCH-PIC.
pub(super) fn gsi(pin: u32) -> u32 {
    GSI_BASE + pin
}

/// That of a device.
pub(super) fn gsi_of(place: Place) -> Option<u32> {
    match place.input {
        Some(Input::PchPic(pin)) => Some(gsi(pin)),
        Some(Input::Liointc(_)) | None => None,
    }
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
