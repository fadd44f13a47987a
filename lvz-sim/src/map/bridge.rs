// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What all boards have at the same addresses: QEMU's board has these devices of a 3A5000
//! and its 7A1000 bridge where those have them.

use super::place::Place;

/// Chip registers of node 0 (Loongson 3A5000 manual, "Chip configuration registers").
pub(super) const CHIP: u64 = 0x1fe0_0000;
/// Bits of an address that name its node.
const NODE_SHIFT: u32 = 44;
/// Where a node's chip registers go on above its UARTs.
pub(crate) const CHIP_UPPER: u64 = 0x400;

/// Interrupt controller of the bridge.
pub(crate) const PCH_PIC: Place = Place::at(0x1000_0000, 0x400);
/// ACPI power-management block of the bridge, directly below the RTC: Linux reaches its PM1
/// registers from the RTC's address (drivers/rtc/rtc-loongson.c: `pm_offset`).
pub(crate) const POWER_MANAGEMENT: Place = Place::at(0x100d_0000, 0x100);
/// LS7A RTC. Its pin is the board's.
pub(super) const RTC: Place = Place::at(0x100d_0100, 0x100);
/// Where message interrupts are written to (Linux: irq-loongson.h AVEC_MSG_OFFSET below the
/// PCH-MSI's).
pub(super) const AVEC: Place = Place::at(0x2fe0_0000, 0x10_0000);
/// Where message-signalled interrupts are written to.
pub(crate) const PCH_MSI: Place = Place::at(0x2ff0_0000, 8);

/// Chip registers of a node, below its UARTs.
pub(crate) const fn chip(node: usize) -> Place {
    Place::at(CHIP | (node as u64) << NODE_SHIFT, 0x1e0)
}

/// Those above.
pub(super) const fn chip_upper(node: usize) -> Place {
    Place::at(chip(node).base + CHIP_UPPER, 0x1a00)
}
