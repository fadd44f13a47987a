// SPDX-License-Identifier: MIT

//! Registers of the 7A1000 bridge's interrupt controller, as offsets from its
//! MMIO base (7A1000 manual, "Interrupt controller"; Linux
//! drivers/irqchip/irq-loongson-pch-pic.c, asm/kvm_pch_pic.h).

/// Interrupt pins.
pub const PINS: usize = 64;
/// Length of the register block in bytes.
pub const SIZE: u64 = 0x3e8;

/// Identification, 64 bits: type in 31:24, version in 39:32, number of pins
/// less one in 55:48.
pub const ID: u64 = 0x00;
/// Masked pins.
pub const MASK: u64 = 0x20;
/// Pins that are sent as messages.
pub const HTMSI_EN: u64 = 0x40;
/// Edge-triggered pins.
pub const EDGE: u64 = 0x60;
/// Writing one ends the request of an edge-triggered pin.
pub const CLEAR: u64 = 0x80;
/// Automatic distribution, low bit of each pin's mode.
pub const AUTO_CTRL0: u64 = 0xc0;
/// Automatic distribution, high bit of each pin's mode.
pub const AUTO_CTRL1: u64 = 0xe0;
/// Output of each pin that is not sent as a message, a byte each.
pub const ROUTE: u64 = 0x100;
/// Message vector of each pin, a byte each.
pub const HTMSI_VECTOR: u64 = 0x200;
/// Length in bytes of the two blocks of one byte a pin.
pub const BYTES_SIZE: u64 = 0x40;
/// Requests.
pub const IRR: u64 = 0x380;
/// Requests that were sent on.
pub const ISR: u64 = 0x3a0;
/// Pins whose active level is low.
pub const POLARITY: u64 = 0x3e0;

/// Value of the type field of [`ID`].
pub const ID_TYPE: u64 = 7;
/// Value of the version field of [`ID`].
pub const ID_VERSION: u64 = 1;
/// Lowest bit of the type.
pub const ID_TYPE_SHIFT: u32 = 24;
/// Lowest bit of the version.
pub const ID_VERSION_SHIFT: u32 = 32;
/// Lowest bit of the number of pins less one.
pub const ID_PINS_SHIFT: u32 = 48;
