//! Atomic memory access (Volume 1, 2.2.7).
//!
//! Every access is complete before the next instruction starts, so that the
//! `_db` forms need no barrier of their own, nor `llacq` and `screl`.

use super::operand::{Datum, offset};
use super::{Group, Op, Step};
use crate::cpu::Cpu;
use crate::mem::Bus;
use la_arch::Exception;
use la_arch::insn::atomic as enc;
use std::ops::{BitAnd, BitOr, BitXor};

/// `am*`: rd gets the old value at rj, memory `f` of the old value and rk.
///
/// The manual makes rd = rj an INE, for r0 as well (compilers use
/// `amswap.w $r0, $ra, $r0` as a trap), and leaves rd = rk open. Like QEMU, we
/// make that an INE too, unless it is r0: a plain atomic store of zero.
#[inline(always)]
fn am<T: Datum>(cpu: &mut Cpu, bus: &mut Bus, op: &Op, f: impl FnOnce(T, T) -> T) -> Step {
    if op.rd == op.rj || op.rd == op.rk && op.rd != 0 {
        return Err(cpu.raise(Exception::INE));
    }
    let (va, rk) = (cpu.get(op.rj), T::from_register(cpu.get(op.rk)));
    let old = cpu.modify(bus, va, |old| f(T::from_bits(old), rk).to_bits())?;
    // The `.wu` forms too sign-extend.
    cpu.set(op.rd, T::from_bits(old).sign_extend());
    Ok(())
}

/// A handler of an `am*`, given the function and through it the type.
macro_rules! am {
    ($f:expr) => {
        |cpu, bus, op| am(cpu, bus, op, $f)
    };
}

/// `amswap`'s function.
#[inline(always)]
fn swap<T>(_old: T, rk: T) -> T {
    rk
}

/// `amcas`: rd holds the expected value and gets the old one.
fn amcas<T: Datum>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    let va = cpu.get(op.rj);
    let expected = T::from_register(cpu.get(op.rd));
    let new = T::from_register(cpu.get(op.rk));
    let exchange = |old: T| if old == expected { new } else { old };
    let old = cpu.modify(bus, va, |old| exchange(T::from_bits(old)).to_bits())?;
    cpu.set(op.rd, T::from_bits(old).sign_extend());
    Ok(())
}

/// `rj + (si14 << 2)`; `llacq` and `screl` have no immediate, which is zero.
#[inline(always)]
fn address(cpu: &Cpu, op: &Op) -> u64 {
    cpu.get(op.rj).wrapping_add(offset(op))
}

fn ll<T: Datum>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    let value = T::from_bits(cpu.load_linked(bus, address(cpu, op))?);
    cpu.set(op.rd, value.sign_extend());
    Ok(())
}

fn sc<T: Datum>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    let value = T::from_register(cpu.get(op.rd));
    let stored = cpu.store_conditional(bus, address(cpu, op), value.to_bits())?;
    cpu.set(op.rd, stored.into());
    Ok(())
}

/// `sc.q`: stores `{rk, rd}` after an `ll.d`.
fn sc_q(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    let value = u128::from(cpu.get(op.rk)) << 64 | u128::from(cpu.get(op.rd));
    let stored = cpu.store_conditional(bus, cpu.get(op.rj), value)?;
    cpu.set(op.rd, stored.into());
    Ok(())
}

crate::insn_table! { Group::Atomic;
    LL_W => ll::<i32>;
    SC_W => sc::<i32>;
    LL_D => ll::<i64>;
    SC_D => sc::<i64>;
    SC_Q => sc_q;
    LLACQ_W => ll::<i32>;
    SCREL_W => sc::<i32>;
    LLACQ_D => ll::<i64>;
    SCREL_D => sc::<i64>;
    AMCAS_B => amcas::<i8>;
    AMCAS_H => amcas::<i16>;
    AMCAS_W => amcas::<i32>;
    AMCAS_D => amcas::<i64>;
    AMCAS_DB_B => amcas::<i8>;
    AMCAS_DB_H => amcas::<i16>;
    AMCAS_DB_W => amcas::<i32>;
    AMCAS_DB_D => amcas::<i64>;
    AMSWAP_B => am!(swap::<i8>);
    AMSWAP_H => am!(swap::<i16>);
    AMADD_B => am!(i8::wrapping_add);
    AMADD_H => am!(i16::wrapping_add);
    AMSWAP_DB_B => am!(swap::<i8>);
    AMSWAP_DB_H => am!(swap::<i16>);
    AMADD_DB_B => am!(i8::wrapping_add);
    AMADD_DB_H => am!(i16::wrapping_add);
    AMSWAP_W => am!(swap::<i32>);
    AMSWAP_D => am!(swap::<i64>);
    AMADD_W => am!(i32::wrapping_add);
    AMADD_D => am!(i64::wrapping_add);
    AMAND_W => am!(i32::bitand);
    AMAND_D => am!(i64::bitand);
    AMOR_W => am!(i32::bitor);
    AMOR_D => am!(i64::bitor);
    AMXOR_W => am!(i32::bitxor);
    AMXOR_D => am!(i64::bitxor);
    AMMAX_W => am!(i32::max);
    AMMAX_D => am!(i64::max);
    AMMIN_W => am!(i32::min);
    AMMIN_D => am!(i64::min);
    AMMAX_WU => am!(u32::max);
    AMMAX_DU => am!(u64::max);
    AMMIN_WU => am!(u32::min);
    AMMIN_DU => am!(u64::min);
    AMSWAP_DB_W => am!(swap::<i32>);
    AMSWAP_DB_D => am!(swap::<i64>);
    AMADD_DB_W => am!(i32::wrapping_add);
    AMADD_DB_D => am!(i64::wrapping_add);
    AMAND_DB_W => am!(i32::bitand);
    AMAND_DB_D => am!(i64::bitand);
    AMOR_DB_W => am!(i32::bitor);
    AMOR_DB_D => am!(i64::bitor);
    AMXOR_DB_W => am!(i32::bitxor);
    AMXOR_DB_D => am!(i64::bitxor);
    AMMAX_DB_W => am!(i32::max);
    AMMAX_DB_D => am!(i64::max);
    AMMIN_DB_W => am!(i32::min);
    AMMIN_DB_D => am!(i64::min);
    AMMAX_DB_WU => am!(u32::max);
    AMMAX_DB_DU => am!(u64::max);
    AMMIN_DB_WU => am!(u32::min);
    AMMIN_DB_DU => am!(u64::min);
}
