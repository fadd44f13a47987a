// SPDX-License-Identifier: Apache-2.0 OR MIT

//! How integer instructions take their operands and deliver their results.

use crate::cpu::{Check, Cpu, Op, Step};
use crate::mem::{Bus, Value};

/// Sign-extends the result of a `.w` instruction to the register's width.
#[inline(always)]
pub(super) fn word(value: u32) -> u64 {
    value as i32 as u64
}

/// The immediate times four, as branches and `ldptr`-like accesses use it.
#[inline(always)]
pub(super) fn offset(op: &Op) -> u64 {
    (i64::from(op.imm) << 2) as u64
}

/// An operand by its name in the manual's formats, as a `u64`.
macro_rules! operand {
    (rd, $cpu:ident, $op:ident) => {
        $cpu.get($op.rd)
    };
    (rj, $cpu:ident, $op:ident) => {
        $cpu.get($op.rj)
    };
    (rk, $cpu:ident, $op:ident) => {
        $cpu.get($op.rk)
    };
    (imm, $cpu:ident, $op:ident) => {
        i64::from($op.imm) as u64
    };
    (pc, $cpu:ident, $op:ident) => {
        $cpu.pc_of($op)
    };
}

/// A handler that writes to rd a value computed from the operands named:
/// `rd!(|rj, rk| rj ^ rk)`.
macro_rules! rd {
    (|$($operand:ident),*| $value:expr) => {
        |cpu, _bus, op| {
            $(let $operand = $crate::isa::operand::operand!($operand, cpu, op);)*
            cpu.set(op.rd, $value);
            Ok(())
        }
    };
}

pub(super) use {operand, rd};

/// What a memory access moves: an integer type that says the size and, for
/// loads, the extension.
pub(super) trait Datum: Copy + PartialEq {
    /// The unsigned type of the same size.
    type Bits: Value;
    /// From memory.
    fn from_bits(bits: Self::Bits) -> Self;
    /// To memory.
    fn to_bits(self) -> Self::Bits;
    /// The low bits of a register.
    fn from_register(register: u64) -> Self;
    /// Extended to a register, with the sign if the type has one.
    fn to_register(self) -> u64;
    /// Extended to a register as a signed number, whatever the type.
    fn sign_extend(self) -> u64;
}

macro_rules! data {
    ($($datum:ty: $signed:ty, $bits:ty;)*) => {
        $(impl Datum for $datum {
            type Bits = $bits;
            #[inline(always)]
            fn from_bits(bits: $bits) -> Self {
                bits as $datum
            }
            #[inline(always)]
            fn to_bits(self) -> $bits {
                self as $bits
            }
            #[inline(always)]
            fn from_register(register: u64) -> Self {
                register as $datum
            }
            #[inline(always)]
            fn to_register(self) -> u64 {
                self as u64
            }
            #[inline(always)]
            fn sign_extend(self) -> u64 {
                self as $signed as u64
            }
        })*
    };
}

data! {
    i8: i8, u8;
    u8: i8, u8;
    i16: i16, u16;
    u16: i16, u16;
    i32: i32, u32;
    u32: i32, u32;
    i64: i64, u64;
    u64: i64, u64;
}

/// Loads a `T` at `va` into rd.
#[inline(always)]
pub(super) fn load<T: Datum>(cpu: &mut Cpu, bus: &mut Bus, op: &Op, va: u64) -> Step {
    match cpu.load_known(bus, va) {
        Some(bits) => loaded::<T>(cpu, op, bits),
        // The last call of a handler, which so needs no stack.
        None => load_missed::<T>(cpu, bus, op, va),
    }
}

#[cold]
#[inline(never)]
fn load_missed<T: Datum>(cpu: &mut Cpu, bus: &mut Bus, op: &Op, va: u64) -> Step {
    let bits = cpu.load_slow(bus, va, Check::Plain)?;
    loaded::<T>(cpu, op, bits)
}

#[inline(always)]
fn loaded<T: Datum>(cpu: &mut Cpu, op: &Op, bits: T::Bits) -> Step {
    cpu.set(op.rd, T::from_bits(bits).to_register());
    Ok(())
}

/// Stores the low bits of rd at `va` as a `T`.
#[inline(always)]
pub(super) fn store<T: Datum>(cpu: &mut Cpu, bus: &mut Bus, op: &Op, va: u64) -> Step {
    let value = T::from_register(cpu.get(op.rd));
    cpu.store(bus, va, value.to_bits())
}
