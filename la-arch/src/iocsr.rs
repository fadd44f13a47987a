// SPDX-License-Identifier: MIT

//! The I/O control and status register space (`iocsrrd`/`iocsrwr`): which
//! block lies where (Loongson 3A5000 manual, "Chip configuration and control",
//! "Extended I/O interrupts"; Linux arch/loongarch/include/asm/loongarch.h,
//! LOONGARCH_IOCSR_*; asm/kvm_ipi.h, asm/kvm_eiointc.h).

/// Chip version, 32 bits.
pub const VERSION: u64 = 0x0;
/// Chip features, 32 bits.
pub const FEATURES: u64 = 0x8;
/// Vendor name, eight characters.
pub const VENDOR: u64 = 0x10;
/// CPU name, eight characters.
pub const CPU_NAME: u64 = 0x20;
/// Function switches of the chip, 64 bits.
pub const MISC_FUNC: u64 = 0x420;

/// FEATURES: message-signalled interrupts.
pub const FEATURE_MSI: u32 = 1 << 2;
/// FEATURES: extended I/O interrupts.
pub const FEATURE_EXT_IOI: u32 = 1 << 3;
/// FEATURES: inter-processor interrupts through IOCSR.
pub const FEATURE_CSR_IPI: u32 = 1 << 4;
/// FEATURES: this is a virtual machine.
pub const FEATURE_VM: u32 = 1 << 11;

/// FEATURES: message interrupts to the CPUs' own registers (Linux: IOCSRF_AVEC; DMSI
/// in the manuals).
pub const FEATURE_AVEC: u32 = 1 << 15;

/// MISC_FUNC: soft interrupt.
pub const SOFT_INT: u64 = 1 << 10;
/// MISC_FUNC: resets the timer.
pub const TIMER_RESET: u64 = 1 << 21;
/// MISC_FUNC: enables the extended I/O interrupt controller.
pub const EXT_IOI_EN: u64 = 1 << 48;
/// MISC_FUNC: the EIOINTC's IPMAP bytes hold pin numbers instead of bitmaps.
pub const INT_ENCODE: u64 = 1 << 49;
/// MISC_FUNC: messages reach the node's CPUs (Linux: IOCSR_MISC_FUNC_AVEC_EN).
pub const AVEC_EN: u64 = 1 << 51;

/// First address of the inter-processor interrupt block.
pub const IPI_BASE: u64 = 0x1000;
/// Length in bytes of the block that KVM answers for; it ends behind the
/// ANY_SEND register.
pub const IPI_SIZE: u64 = 0x160;

/// First address of the extended I/O interrupt controller.
pub const EIOINTC_BASE: u64 = 0x1400;
/// Its length in bytes.
pub const EIOINTC_SIZE: u64 = 0x900;

/// First address of the paravirtual extension of the EIOINTC; hardware has
/// nothing there.
pub const EIOINTC_VIRT_BASE: u64 = 0x4000_0000;
/// Its length in bytes.
pub const EIOINTC_VIRT_SIZE: u64 = 0x1000;
