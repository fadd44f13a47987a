// SPDX-License-Identifier: MIT

//! FCSR0, the floating-point control and status register (Volume 1, 3.1.3), and what of it
//! FCSR1 to FCSR3 show.

/// Enables: V, Z, O, U, I from bit 4 down; [`FLAGS`] and [`CAUSE`] have them in the same order.
/// All of FCSR1.
pub const ENABLES: u32 = 0x1f;
/// Lowest bit of the rounding mode.
pub const RM_SHIFT: u32 = 8;
/// The rounding mode. All of FCSR3.
pub const RM: u32 = 3 << RM_SHIFT;
/// Lowest bit of the flags.
pub const FLAGS_SHIFT: u32 = 16;
/// What has happened since the flags were cleared. With [`CAUSE`], all of FCSR2.
pub const FLAGS: u32 = ENABLES << FLAGS_SHIFT;
/// Lowest bit of the cause.
pub const CAUSE_SHIFT: u32 = 24;
/// What the last operation raised.
pub const CAUSE: u32 = ENABLES << CAUSE_SHIFT;
/// All these fields.
pub const FIELDS: u32 = ENABLES | RM | FLAGS | CAUSE;
/// TM: f0 to f7 are an x87 stack; with binary translation only (Linux: asm/loongarch.h,
/// FPU_CSR_TM).
pub const TM: u32 = 1 << 6;
