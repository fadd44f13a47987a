// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What interrupt controllers give a CPU.

/// Interrupt inputs of one CPU, level-sensitive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuLines {
    /// HWI0 to HWI7 (ESTAT.IS bits 2 to 9).
    pub hwi: u8,
    /// Inter-processor interrupt (ESTAT.IS bit 12).
    pub ipi: bool,
}

/// Message interrupts: a bit for each vector, as MSGIS0 to MSGIS3 have them.
pub(crate) type Vectors = [u64; 4];
