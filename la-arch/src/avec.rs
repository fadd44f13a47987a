// SPDX-License-Identifier: MIT

//! Message interrupts: a write to an address that names CPU and vector (Linux:
//! asm/irq.h, AVEC_*; irq-loongarch-avec.c avecintc_compose_msi_msg). The datum has no
//! meaning.

/// Lowest bit of the vector in a message's address (AVEC_IRQ_SHIFT).
pub const VECTOR_SHIFT: u32 = 4;
/// Lowest bit of the CPU number (AVEC_CPU_SHIFT).
pub const CPU_SHIFT: u32 = 12;
/// Number of bits of the CPU number (AVEC_CPU_BIT).
pub const CPU_BITS: u32 = 16;
