// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Where compiled code finds what it reads and writes.

use super::super::jumps::{CONTEXT_SHIFT, JUMPS, Jump};
use super::frame::Frame;
use crate::cpu::Cpu;
use crate::mmu::{ALIGNMENT_BITS as TAG_ALIGNMENT_BITS, soft};
use std::mem::offset_of;

/// The distance of a field from the beginning of its structure.
#[derive(Clone, Copy)]
pub(super) struct Field(pub(super) i32);

const fn field(offset: usize) -> Field {
    assert!(offset < 1 << 20);
    Field(offset as i32)
}

/// General register `r` of a [`Cpu`].
pub(super) const fn gpr(r: u8) -> Field {
    field(offset_of!(Cpu, gpr) + 8 * r as usize)
}

/// Element `index`, of `size` bytes, of vector register `r`.
pub(super) const fn vr(r: u8, size: u32, index: u8) -> Field {
    let register = offset_of!(Cpu, vr) + 16 * (r & 31) as usize;
    field(register + size as usize * index as usize)
}

pub(super) const FCC: Field = field(offset_of!(Cpu, fcc));
pub(super) const FCSR: Field = field(offset_of!(Cpu, fcsr));
pub(super) const FP_GATE: Field = field(crate::cpu::FP_GATE_AT);
pub(super) const LSX_GATE: Field = field(crate::cpu::LSX_GATE_AT);
pub(super) const PC: Field = field(offset_of!(Cpu, pc));
pub(super) const ICOUNT: Field = field(offset_of!(Cpu, icount));
pub(super) const INSIDE: Field = field(offset_of!(Cpu, inside));
pub(super) const ATTENTION: Field = field(offset_of!(Cpu, attention));
const SOFT: usize = offset_of!(Cpu, soft);
pub(super) const SLOTS: Field = field(SOFT + soft::SLOTS_AT);
pub(super) const CONTEXT: Field = field(SOFT + soft::CONTEXT_AT);
pub(super) const FETCH_GENERATION: Field = field(SOFT + soft::FETCH_GENERATION_AT);

pub(super) const SALT: i64 = soft::SALT as i64;
pub(super) const DISTANCE_SHIFT: i64 = soft::DISTANCE_SHIFT as i64;
pub(super) const DISTANCE_MASK: i64 = soft::DISTANCE_MASK as i64;
pub(super) const SLOT_READ: Field = field(offset_of!(soft::Slot, read));
pub(super) const SLOT_WRITE: Field = field(offset_of!(soft::Slot, write));
pub(super) const SLOT_ADDEND: Field = field(offset_of!(soft::Slot, addend));
pub(super) const ALIGNMENT_BITS: u32 = TAG_ALIGNMENT_BITS;

pub(super) const FRAME_RAM: Field = field(offset_of!(Frame, ram));
pub(super) const FRAME_STOP: Field = field(offset_of!(Frame, bounds.stop));
pub(super) const FRAME_GENERATION: Field = field(offset_of!(Frame, bounds.generation));
pub(super) const FRAME_STATUS: Field = field(offset_of!(Frame, status));
pub(super) const FRAME_JUMPS: Field = field(offset_of!(Frame, jumps));

pub(super) const JUMP_MASK: i64 = JUMPS as i64 - 1;
pub(super) const JUMP_CONTEXT_SHIFT: i64 = CONTEXT_SHIFT as i64;
pub(super) const JUMP_SHIFT: i64 = size_of::<Jump>().trailing_zeros() as i64;
pub(super) const JUMP_PC: Field = field(offset_of!(Jump, pc));
pub(super) const JUMP_KEY: Field = field(offset_of!(Jump, key));
pub(super) const JUMP_CODE: Field = field(offset_of!(Jump, code));

const _: () = assert!(size_of::<soft::Slot>().is_power_of_two());
const _: () = assert!(size_of::<Jump>().is_power_of_two());
