// SPDX-License-Identifier: MIT

//! Extended I/O interrupt controller registers, as offsets from
//! [`iocsr::EIOINTC_BASE`](crate::iocsr::EIOINTC_BASE) (Loongson 3A5000
//! manual, "Extended I/O interrupts"; Linux asm/kvm_eiointc.h,
//! drivers/irqchip/irq-loongson-eiointc.c), and its paravirtual extension, as
//! offsets from [`iocsr::EIOINTC_VIRT_BASE`](crate::iocsr::EIOINTC_VIRT_BASE)
//! (QEMU
//! hw/intc/loongarch_extioi.c).

/// Interrupt vectors.
pub const VECTORS: usize = 256;

/// Node bitmaps that a route's node field selects, 16 of 16 bits.
pub const NODETYPE: u64 = 0xa0;
/// Length of the node bitmaps in bytes.
pub const NODETYPE_SIZE: u64 = 0x20;
/// The CPU interrupt pin of each group of 32 vectors, a byte each.
pub const IPMAP: u64 = 0xc0;
/// Length of the pin map in bytes.
pub const IPMAP_SIZE: u64 = 0x8;
/// Enable bits, one a vector.
pub const ENABLE: u64 = 0x200;
/// Bounce (round-robin) bits, one a vector.
pub const BOUNCE: u64 = 0x280;
/// Latched vectors, one bit each.
pub const ISR: u64 = 0x300;
/// Vectors that interrupt the accessing core; writing one acknowledges.
pub const COREISR: u64 = 0x400;
/// Length in bytes of each block of one bit a vector.
pub const BITMAP_SIZE: u64 = 0x20;
/// Route of each vector, a byte each.
pub const COREMAP: u64 = 0x800;
/// Length of the routes in bytes.
pub const COREMAP_SIZE: u64 = 0x100;

/// Paravirtual extension: features that the host offers, 32 bits, read-only.
pub const VIRT_FEATURES: u64 = 0x0;
/// Paravirtual extension: features that the guest uses, 32 bits.
pub const VIRT_CONFIG: u64 = 0x4;

/// Feature: the extension exists.
pub const HAS_VIRT_EXTENSION: u32 = 1 << 0;
/// Feature: the guest may switch the controller on and off.
pub const HAS_ENABLE_OPTION: u32 = 1 << 1;
/// Feature: IPMAP bytes may hold numbers instead of bitmaps.
pub const HAS_INT_ENCODE: u32 = 1 << 2;
/// Feature: COREMAP bytes may hold CPU numbers instead of bitmaps.
pub const HAS_CPU_ENCODE: u32 = 1 << 3;

/// Configuration: on. The other bits change only while it is clear.
pub const ENABLED: u32 = 1 << 1;
/// Configuration: IPMAP bytes are numbers.
pub const INT_ENCODE: u32 = 1 << 2;
/// Configuration: COREMAP bytes are CPU numbers.
pub const CPU_ENCODE: u32 = 1 << 3;
