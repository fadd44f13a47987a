// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Where memory and the firmware's code are, on all boards (VIRT_* are QEMU's:
//! include/hw/loongarch/virt.h).

use std::ops::RangeInclusive;

/// Where the firmware's code is, and where all CPUs begin (VIRT_FLASH0_BASE).
pub(crate) const FIRMWARE_BASE: u64 = 0x1c00_0000;
/// Most of it.
pub(crate) const FIRMWARE_MAX: u64 = 0x100_0000;

/// Least and most memory, in bytes.
pub(crate) const RAM_SIZES: RangeInclusive<u64> = 16 << 20..=1 << 40;
/// Memory below this size is at physical address 0 (VIRT_LOWMEM_SIZE).
pub(crate) const LOW_RAM_SIZE: u64 = 0x1000_0000;
/// The rest of it begins here (VIRT_HIGHMEM_BASE).
pub(crate) const HIGH_RAM_BASE: u64 = 0x8000_0000;
