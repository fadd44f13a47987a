//! Bound-checking accesses and assertions (Volume 1, 2.2.6 and 2.2.10).

use super::operand::{Datum, load, store};
use super::{Group, Op, Step};
use crate::cpu::{Cpu, Value};
use crate::mem::Bus;
use la_arch::Exception;
use la_arch::insn::bound as enc;

/// The address of a bound-checking access of `size` bytes, if it is allowed.
///
/// These accesses must be aligned whatever MISC says, and ALE goes before BCE,
/// which goes before the exceptions of the TLB (Volume 1, chapter 6, "Exception Priority").
#[inline(always)]
fn checked(cpu: &mut Cpu, va: u64, size: u8, within: bool) -> Step<u64> {
    if va & u64::from(size - 1) != 0 {
        return Err(cpu.raise_at(Exception::ALE, va));
    }
    if !within {
        return Err(cpu.raise_at(Exception::BCE, va));
    }
    Ok(va)
}

/// The address in rj for an access of a `T`, which must be above rk. Addresses
/// compare as unsigned numbers.
#[inline(always)]
pub(super) fn above<T: Value>(cpu: &mut Cpu, op: &Op) -> Step<u64> {
    let (va, bound) = (cpu.get(op.rj), cpu.get(op.rk));
    checked(cpu, va, T::SIZE, va > bound)
}

/// The address in rj for an access of a `T`, which must not be above rk.
#[inline(always)]
pub(super) fn not_above<T: Value>(cpu: &mut Cpu, op: &Op) -> Step<u64> {
    let (va, bound) = (cpu.get(op.rj), cpu.get(op.rk));
    checked(cpu, va, T::SIZE, va <= bound)
}

fn ldgt<T: Datum>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    let va = above::<T::Bits>(cpu, op)?;
    load::<T>(cpu, bus, op, va)
}

fn ldle<T: Datum>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    let va = not_above::<T::Bits>(cpu, op)?;
    load::<T>(cpu, bus, op, va)
}

fn stgt<T: Datum>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    let va = above::<T::Bits>(cpu, op)?;
    store::<T>(cpu, bus, op, va)
}

fn stle<T: Datum>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    let va = not_above::<T::Bits>(cpu, op)?;
    store::<T>(cpu, bus, op, va)
}

/// Raises BCE for the value in rj, unless `holds` for rj and rk. Assertions,
/// unlike accesses, compare signed numbers.
#[inline(always)]
fn assert(cpu: &mut Cpu, op: &Op, holds: impl FnOnce(&i64, &i64) -> bool) -> Step {
    let (value, bound) = (cpu.get(op.rj), cpu.get(op.rk));
    if holds(&(value as i64), &(bound as i64)) {
        Ok(())
    } else {
        Err(cpu.raise_at(Exception::BCE, value))
    }
}

crate::insn_table! { Group::Bound;
    ASRTLE_D => |cpu, _bus, op| assert(cpu, op, i64::le);
    ASRTGT_D => |cpu, _bus, op| assert(cpu, op, i64::gt);
    LDGT_B => ldgt::<i8>;
    LDGT_H => ldgt::<i16>;
    LDGT_W => ldgt::<i32>;
    LDGT_D => ldgt::<u64>;
    LDLE_B => ldle::<i8>;
    LDLE_H => ldle::<i16>;
    LDLE_W => ldle::<i32>;
    LDLE_D => ldle::<u64>;
    STGT_B => stgt::<u8>;
    STGT_H => stgt::<u16>;
    STGT_W => stgt::<u32>;
    STGT_D => stgt::<u64>;
    STLE_B => stle::<u8>;
    STLE_H => stle::<u16>;
    STLE_W => stle::<u32>;
    STLE_D => stle::<u64>;
}
