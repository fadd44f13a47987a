// SPDX-License-Identifier: MIT

//! Inter-processor interrupt registers, as offsets from
//! [`iocsr::IPI_BASE`](crate::iocsr::IPI_BASE) (Loongson 3A5000 manual,
//! "Inter-processor interrupts and communication"; Linux asm/loongarch.h,
//! LOONGARCH_IOCSR_IPI_*, and asm/kvm_ipi.h).

/// Status, 32 bits, one a message; read-only.
pub const STATUS: u64 = 0x000;
/// Which status bits interrupt, 32 bits.
pub const ENABLE: u64 = 0x004;
/// Sets status bits, write-only.
pub const SET: u64 = 0x008;
/// Clears status bits, write-only.
pub const CLEAR: u64 = 0x00c;
/// The first of four mailboxes of 64 bits.
pub const MAILBOX: u64 = 0x020;
/// Number of mailboxes.
pub const MAILBOXES: usize = 4;
/// Sets a status bit of another core, 32 bits, write-only.
pub const IPI_SEND: u64 = 0x040;
/// Writes half a mailbox of another core, 64 bits, write-only.
pub const MAIL_SEND: u64 = 0x048;
/// Writes a 32-bit IOCSR register of another core, 64 bits, write-only.
pub const ANY_SEND: u64 = 0x158;

/// Lowest bit of the target core's number in all three send registers.
pub const SEND_CPU_SHIFT: u32 = 16;
/// The core number's ten bits after the shift.
pub const SEND_CPU_MASK: u32 = 0x3ff;
/// IPI_SEND: the number of the status bit to set.
pub const SEND_VECTOR_MASK: u32 = 0x1f;
/// MAIL_SEND and ANY_SEND: lowest of four bits that each keep one byte of the
/// target register unwritten.
pub const SEND_KEEP_SHIFT: u32 = 27;
/// MAIL_SEND: lowest bit of the number of the 32-bit mailbox half.
pub const SEND_MAILBOX_SHIFT: u32 = 2;
/// MAIL_SEND: the mailbox half's number after the shift.
pub const SEND_MAILBOX_MASK: u32 = 0x7;
/// ANY_SEND: the IOCSR address.
pub const SEND_ADDRESS_MASK: u32 = 0xffff;
/// MAIL_SEND and ANY_SEND: lowest bit of the data.
pub const SEND_DATA_SHIFT: u32 = 32;
