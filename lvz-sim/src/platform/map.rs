// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Physical addresses and interrupt pins of the machine: the memory map of
//! QEMU's LoongArch `virt` board (include/hw/loongarch/virt.h) wherever that
//! board has the device. RAM is in `mem/ram.rs`.

/// Most CPUs: four EIOINTC nodes of four.
pub const MAX_CPUS: usize = 16;

/// PCH-PIC registers of the 7A1000 bridge.
pub const PCH_PIC_BASE: u64 = 0x1000_0000;
/// Size of the PCH-PIC register block.
pub const PCH_PIC_SIZE: u64 = 0x400;
/// ACPI power-management block of the bridge, directly below the RTC. Linux
/// reaches its PM1 registers from the RTC's address
/// (drivers/rtc/rtc-loongson.c: `pm_offset`).
pub const PM_BASE: u64 = 0x100d_0000;
/// Size of the power-management block.
pub const PM_SIZE: u64 = 0x100;
/// LS7A RTC.
pub const RTC_BASE: u64 = 0x100d_0100;
/// Size of the RTC register block.
pub const RTC_SIZE: u64 = 0x100;
/// Power-off, reset and exit-code registers.
pub const POWER_BASE: u64 = 0x100e_001c;
/// Size of the power registers.
pub const POWER_SIZE: u64 = 4;
/// virtio-mmio transports, one each [`VIRTIO_STRIDE`] bytes (QEMU has its
/// platform bus here).
pub const VIRTIO_BASE: u64 = 0x1600_0000;
/// Distance between two virtio-mmio transports.
pub const VIRTIO_STRIDE: u64 = 0x1000;
/// Size of one transport's register block.
pub const VIRTIO_SIZE: u64 = 0x200;
/// Most virtio devices: one PCH-PIC pin each.
pub const VIRTIO_MAX: usize = 32;
/// Legacy I/O ports (LPC). Nothing answers there, so reads give all ones.
pub const ISA_IO_BASE: u64 = 0x1800_0000;
/// Size of the legacy I/O window.
pub const ISA_IO_SIZE: u64 = 0x4000;
/// The first 16550 UART; the others follow.
pub const UART_BASE: u64 = 0x1fe0_01e0;
/// Size of a UART's register block.
pub const UART_SIZE: u64 = 0x100;
/// Number of UARTs (QEMU's board has four).
pub const UARTS: usize = 2;
/// Address that a message-signalled interrupt is written to.
pub const PCH_MSI_BASE: u64 = 0x2ff0_0000;
/// Size of the message window.
pub const PCH_MSI_SIZE: u64 = 8;

/// PCH-PIC pin of the first UART; the others follow.
pub const UART_PIN: u32 = 2;
/// PCH-PIC pin of the RTC.
pub const RTC_PIN: u32 = 6;
/// PCH-PIC pin of the first virtio device.
pub const VIRTIO_PIN: u32 = 16;
/// First EIOINTC vector that message-signalled interrupts use.
pub const MSI_VECTOR: u32 = 64;
