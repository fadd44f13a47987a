// SPDX-License-Identifier: GPL-2.0

//! Decoding of the instructions that make the CPU leave the guest.
//!
//! On an exit CSR.BADI holds the instruction word. [`sensitive()`] reads those
//! that raise GSPR, [`memory()`] those that reach a guest-physical address
//! without memory; [`MmioTransfer`] then carries an access of any width
//! through devices, which take at most eight bytes at a time.

mod memory;
mod register;
mod sensitive;
mod transfer;

pub use memory::{data_address, memory, Access, Memory, Offset, Operand, Refusal, Shape};
pub use register::{Fpr, Gpr, Gprs};
pub use sensitive::{csr_access, sensitive, CsrAccess, CsrOp, IocsrAccess, Sensitive};
pub use transfer::{Loaded, MmioRequest, MmioTransfer};

/// Way of an access, seen from the CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Device to register.
    Read,
    /// Register to device.
    Write,
}

/// Address of the instruction after the one at `pc`: all are four bytes.
#[inline]
pub const fn next_pc(pc: u64) -> u64 {
    pc.wrapping_add(4)
}

/// Value of a general register after a load of the low `width` bytes of
/// `data`, extended to 64 bits. A width other than 1, 2 and 4 takes all of
/// `data`.
#[inline]
pub const fn extend(data: u64, width: u8, signed: bool) -> u64 {
    match (width, signed) {
        (1, true) => data as i8 as i64 as u64,
        (2, true) => data as i16 as i64 as u64,
        (4, true) => data as i32 as i64 as u64,
        (1, false) => data as u8 as u64,
        (2, false) => data as u16 as u64,
        (4, false) => data as u32 as u64,
        _ => data,
    }
}

#[cfg(test)]
mod tests;
