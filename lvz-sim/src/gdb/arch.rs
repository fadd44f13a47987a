// SPDX-License-Identifier: Apache-2.0 OR MIT

//! LoongArch64 as `gdbstub` wants to know it.

use gdbstub::arch::{Arch, RegId, Registers};
use std::num::NonZeroUsize;

/// The architecture. What registers there are is the model's affair (`registers`).
#[derive(Debug)]
pub(super) enum LoongArch64 {}

impl Arch for LoongArch64 {
    type Usize = u64;
    type Registers = Bytes;
    type RegId = Number;
    /// The size of the instruction.
    type BreakpointKind = usize;
}

/// The number of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number(pub(super) usize);

impl RegId for Number {
    fn from_raw_id(id: usize) -> Option<(Self, Option<NonZeroUsize>)> {
        Some((Self(id), None))
    }
}

/// Registers one after the other, from number 0 on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl Registers for Bytes {
    type ProgramCounter = u64;

    fn pc(&self) -> u64 {
        // Number 33, all before it being of 64 bits.
        let pc = self.0.get(33 * 8..34 * 8).and_then(|pc| pc.try_into().ok());
        pc.map_or(0, u64::from_le_bytes)
    }

    fn gdb_serialize(&self, mut write_byte: impl FnMut(Option<u8>)) {
        for byte in &self.0 {
            write_byte(Some(*byte));
        }
    }

    fn gdb_deserialize(&mut self, bytes: &[u8]) -> Result<(), ()> {
        self.0 = bytes.to_vec();
        Ok(())
    }
}
