//! The I/O control and status register space (`iocsrrd`/`iocsrwr`): which
//! block lies where (Loongson 3A5000 manual, "Chip configuration and control",
//! "Extended I/O interrupts"; Linux arch/loongarch/include/asm/loongarch.h,
//! LOONGARCH_IOCSR_*; asm/kvm_ipi.h, asm/kvm_eiointc.h).

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
