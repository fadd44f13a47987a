// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Shapes of floating-point instructions. Their operations are functions of
//! `crate::fp` on bit patterns; what they raise in any element becomes the
//! effect of the instruction on FCSR0.

use super::lane::{Lane, Narrow, Widen, build, build_halves, read, write};
use crate::cpu::{Cpu, Op, Step};
use crate::fp::{Env, Fcsr, Format};
use crate::mem::Bus;
use la_arch::Exception;

/// Vd ← the elements that `f` computes, unless it raises an exception that is
/// enabled.
#[inline(always)]
pub(super) fn compute<T: Lane>(
    cpu: &mut Cpu,
    op: &Op,
    f: impl FnOnce(&Cpu, &mut Env) -> T::Lanes,
) -> Step {
    cpu.require_lsx()?;
    let mut fcsr = Fcsr::from_bits(cpu.fcsr);
    let mut env = fcsr.env();
    let result = f(cpu, &mut env);
    let recorded = fcsr.record(env.flags);
    cpu.fcsr = fcsr.bits();
    match recorded {
        Ok(()) => {
            write::<T>(cpu, op.rd, result);
            Ok(())
        }
        Err(crate::fp::Trap) => Err(cpu.raise(Exception::VFPE)),
    }
}

/// Vd ← f(Vj).
#[inline(always)]
pub(super) fn fvv<F: Format<Bits: Lane>>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(F::Bits, &mut Env) -> F::Bits,
) -> Step {
    compute::<F::Bits>(cpu, op, |cpu, env| {
        let j = read::<F::Bits>(cpu, op.rj);
        build::<F::Bits>(|i| f(j.as_ref()[i], env))
    })
}

/// Vd ← f(Vj, Vk).
#[inline(always)]
pub(super) fn fvvv<F: Format<Bits: Lane>>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(F::Bits, F::Bits, &mut Env) -> F::Bits,
) -> Step {
    compute::<F::Bits>(cpu, op, |cpu, env| {
        let (j, k) = (read::<F::Bits>(cpu, op.rj), read::<F::Bits>(cpu, op.rk));
        build::<F::Bits>(|i| f(j.as_ref()[i], k.as_ref()[i], env))
    })
}

/// Vd ← f(Vj, Vk, Va).
#[inline(always)]
pub(super) fn fvvvv<F: Format<Bits: Lane>>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(F::Bits, F::Bits, F::Bits, &mut Env) -> F::Bits,
) -> Step {
    compute::<F::Bits>(cpu, op, |cpu, env| {
        let (j, k) = (read::<F::Bits>(cpu, op.rj), read::<F::Bits>(cpu, op.rk));
        let a = read::<F::Bits>(cpu, op.ra);
        build::<F::Bits>(|i| f(j.as_ref()[i], k.as_ref()[i], a.as_ref()[i], env))
    })
}

/// Vd ← f(low half of Vj), in twice the width.
#[inline(always)]
pub(super) fn flow<F: Format<Bits: Widen>>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(F::Bits, &mut Env) -> <F::Bits as Widen>::Wide,
) -> Step {
    compute::<<F::Bits as Widen>::Wide>(cpu, op, |cpu, env| {
        let j = read::<F::Bits>(cpu, op.rj);
        build::<<F::Bits as Widen>::Wide>(|i| f(j.as_ref()[i], env))
    })
}

/// Vd ← f(high half of Vj), in twice the width.
#[inline(always)]
pub(super) fn fhigh<F: Format<Bits: Widen>>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(F::Bits, &mut Env) -> <F::Bits as Widen>::Wide,
) -> Step {
    compute::<<F::Bits as Widen>::Wide>(cpu, op, |cpu, env| {
        let j = read::<F::Bits>(cpu, op.rj);
        let half = j.as_ref().len() / 2;
        build::<<F::Bits as Widen>::Wide>(|i| f(j.as_ref()[half + i], env))
    })
}

/// Low half of Vd ← f(Vk), high half ← f(Vj), both in half the width.
#[inline(always)]
pub(super) fn fnarrow<F: Format<Bits: Narrow>>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(F::Bits, &mut Env) -> <F::Bits as Narrow>::Half,
) -> Step {
    compute::<<F::Bits as Narrow>::Half>(cpu, op, |cpu, env| {
        let (j, k) = (read::<F::Bits>(cpu, op.rj), read::<F::Bits>(cpu, op.rk));
        build_halves::<F::Bits>(&k, &j, |a| f(a, env))
    })
}
