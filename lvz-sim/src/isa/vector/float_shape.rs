// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Shapes of floating-point instructions. Their operations are functions of
//! `crate::fp` on bit patterns; what they raise in any element becomes the
//! effect of the instruction on FCSR0.

use super::lane::{Lane, Narrow, Widen, build, build_halves, read, write};
use super::width::Width;
use crate::cpu::{Cpu, Op, Step};
use crate::fp::{Env, Fcsr, Format};
use crate::mem::Bus;
use la_arch::Exception;

/// Each half of Vd ← the elements that `f` computes, unless one of either half
/// raises an exception that is enabled.
#[inline(always)]
pub(super) fn compute<V: Width, T: Lane>(
    cpu: &mut Cpu,
    op: &Op,
    f: impl Fn(&Cpu, usize, &mut Env) -> T::Lanes,
) -> Step {
    V::require(cpu)?;
    let mut fcsr = Fcsr::from_bits(cpu.fcsr);
    let mut env = fcsr.env().with_exact(cpu.exact_estimates);
    let mut result: [T::Lanes; 2] = bytemuck::Zeroable::zeroed();
    for (half, lanes) in result.iter_mut().enumerate().take(V::HALVES) {
        *lanes = f(cpu, half, &mut env);
    }
    let recorded = fcsr.record(env.flags);
    cpu.fcsr = fcsr.bits();
    match recorded {
        Ok(()) => {
            for (half, lanes) in result.into_iter().enumerate().take(V::HALVES) {
                write::<T>(cpu, op.rd, half, lanes);
            }
            V::finish(cpu, op.rd);
            Ok(())
        }
        Err(crate::fp::Trap) => Err(cpu.raise(Exception::VFPE)),
    }
}

/// Vd ← f(Vj).
#[inline(always)]
pub(super) fn fvv<V: Width, F: Format<Bits: Lane>>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(F::Bits, &mut Env) -> F::Bits,
) -> Step {
    compute::<V, F::Bits>(cpu, op, |cpu, half, env| {
        let j = read::<F::Bits>(cpu, op.rj, half);
        build::<F::Bits>(|i| f(j.as_ref()[i], env))
    })
}

/// Vd ← f(Vj, Vk).
#[inline(always)]
pub(super) fn fvvv<V: Width, F: Format<Bits: Lane>>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(F::Bits, F::Bits, &mut Env) -> F::Bits,
) -> Step {
    compute::<V, F::Bits>(cpu, op, |cpu, half, env| {
        let [j, k] = [op.rj, op.rk].map(|r| read::<F::Bits>(cpu, r, half));
        build::<F::Bits>(|i| f(j.as_ref()[i], k.as_ref()[i], env))
    })
}

/// Vd ← f(Vj, Vk, Va).
#[inline(always)]
pub(super) fn fvvvv<V: Width, F: Format<Bits: Lane>>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(F::Bits, F::Bits, F::Bits, &mut Env) -> F::Bits,
) -> Step {
    compute::<V, F::Bits>(cpu, op, |cpu, half, env| {
        let [j, k] = [op.rj, op.rk].map(|r| read::<F::Bits>(cpu, r, half));
        let a = read::<F::Bits>(cpu, op.ra, half);
        build::<F::Bits>(|i| f(j.as_ref()[i], k.as_ref()[i], a.as_ref()[i], env))
    })
}

/// Vd ← f(lower elements of Vj), in twice the width.
#[inline(always)]
pub(super) fn flow<V: Width, F: Format<Bits: Widen>>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(F::Bits, &mut Env) -> <F::Bits as Widen>::Wide,
) -> Step {
    compute::<V, <F::Bits as Widen>::Wide>(cpu, op, |cpu, half, env| {
        let j = read::<F::Bits>(cpu, op.rj, half);
        build::<<F::Bits as Widen>::Wide>(|i| f(j.as_ref()[i], env))
    })
}

/// Vd ← f(upper elements of Vj), in twice the width.
#[inline(always)]
pub(super) fn fhigh<V: Width, F: Format<Bits: Widen>>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(F::Bits, &mut Env) -> <F::Bits as Widen>::Wide,
) -> Step {
    compute::<V, <F::Bits as Widen>::Wide>(cpu, op, |cpu, half, env| {
        let j = read::<F::Bits>(cpu, op.rj, half);
        let upper = j.as_ref().len() / 2;
        build::<<F::Bits as Widen>::Wide>(|i| f(j.as_ref()[upper + i], env))
    })
}

/// Lower elements of Vd ← f(Vk), upper ones ← f(Vj), both in half the width.
#[inline(always)]
pub(super) fn fnarrow<V: Width, F: Format<Bits: Narrow>>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(F::Bits, &mut Env) -> <F::Bits as Narrow>::Half,
) -> Step {
    compute::<V, <F::Bits as Narrow>::Half>(cpu, op, |cpu, half, env| {
        let [j, k] = [op.rj, op.rk].map(|r| read::<F::Bits>(cpu, r, half));
        build_halves::<F::Bits>(&k, &j, |a| f(a, env))
    })
}
