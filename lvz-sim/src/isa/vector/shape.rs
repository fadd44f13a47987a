// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Which elements of which registers an instruction combines.
//!
//! Every shape first checks that its unit is enabled. A half of the destination
//! depends on the same half of the sources alone, all of which is read before it
//! is written, so destinations may be sources; [`whole`] is for the rest.

use super::lane::{Lane, Narrow, Widen, build, build_halves, elements, read, read_all, write};
use super::width::Width;
use crate::cpu::{Cpu, Op, Step};
use crate::mem::Bus;

/// Each half of Vd ← f(number of the half).
#[inline(always)]
pub(super) fn halves<V: Width, T: Lane>(
    cpu: &mut Cpu,
    op: &Op,
    f: impl Fn(&Cpu, usize) -> T::Lanes,
) -> Step {
    V::require(cpu)?;
    for half in 0..V::HALVES {
        let lanes = f(cpu, half);
        write::<T>(cpu, op.rd, half, lanes);
    }
    V::finish(cpu, op.rd);
    Ok(())
}

/// Vd ← f(Vj).
#[inline(always)]
pub(super) fn vv<V: Width, T: Lane>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(T) -> T,
) -> Step {
    halves::<V, T>(cpu, op, |cpu, half| {
        let j = read::<T>(cpu, op.rj, half);
        build::<T>(|i| f(j.as_ref()[i]))
    })
}

/// Vd ← f(Vj, Vk).
#[inline(always)]
pub(super) fn vvv<V: Width, T: Lane>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(T, T) -> T,
) -> Step {
    halves::<V, T>(cpu, op, |cpu, half| {
        let [j, k] = [op.rj, op.rk].map(|r| read::<T>(cpu, r, half));
        build::<T>(|i| f(j.as_ref()[i], k.as_ref()[i]))
    })
}

/// Vd ← f(Vj, immediate).
#[inline(always)]
pub(super) fn vvi<V: Width, T: Lane>(
    cpu: &mut Cpu,
    bus: &mut Bus,
    op: &Op,
    f: impl Fn(T, T) -> T,
) -> Step {
    let imm = T::from_imm(op.imm);
    vv::<V, T>(cpu, bus, op, |a| f(a, imm))
}

/// Vd ← f(Vj, Vk, Va).
#[inline(always)]
pub(super) fn vvvv<V: Width, T: Lane>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(T, T, T) -> T,
) -> Step {
    halves::<V, T>(cpu, op, |cpu, half| {
        let [j, k, a] = [op.rj, op.rk, op.ra].map(|r| read::<T>(cpu, r, half));
        build::<T>(|i| f(j.as_ref()[i], k.as_ref()[i], a.as_ref()[i]))
    })
}

/// Vd ← f(Vd, Vj, Vk).
#[inline(always)]
pub(super) fn accumulate<V: Width, T: Lane>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(T, T, T) -> T,
) -> Step {
    halves::<V, T>(cpu, op, |cpu, half| {
        let [d, j, k] = [op.rd, op.rj, op.rk].map(|r| read::<T>(cpu, r, half));
        build::<T>(|i| f(d.as_ref()[i], j.as_ref()[i], k.as_ref()[i]))
    })
}

/// Vd ← f(Vd, Vj, immediate).
#[inline(always)]
pub(super) fn accumulate_imm<V: Width, T: Lane>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(T, T, T) -> T,
) -> Step {
    let imm = T::from_imm(op.imm);
    halves::<V, T>(cpu, op, |cpu, half| {
        let [d, j] = [op.rd, op.rj].map(|r| read::<T>(cpu, r, half));
        build::<T>(|i| f(d.as_ref()[i], j.as_ref()[i], imm))
    })
}

/// Vd ← f(Vd, Vj, Vk) on wide elements: element 2i + `odd_j` of Vj extended by
/// `extend_j` and element 2i + `odd_k` of Vk extended by its type.
#[inline(always)]
fn wide<V: Width, T: Widen>(
    cpu: &mut Cpu,
    op: &Op,
    (odd_j, odd_k): (usize, usize),
    extend_j: impl Fn(T) -> T::Wide,
    f: impl Fn(T::Wide, T::Wide, T::Wide) -> T::Wide,
) -> Step {
    halves::<V, T::Wide>(cpu, op, |cpu, half| {
        let [j, k] = [op.rj, op.rk].map(|r| read::<T>(cpu, r, half));
        let (j, k) = (j.as_ref(), k.as_ref());
        let d = read::<T::Wide>(cpu, op.rd, half);
        build::<T::Wide>(|i| {
            f(
                d.as_ref()[i],
                extend_j(j[2 * i + odd_j]),
                k[2 * i + odd_k].widen(),
            )
        })
    })
}

macro_rules! wide_shapes {
    ($($(#[$doc:meta])* $name:ident: $j:literal $k:literal $extend:ident;)*) => { $(
        $(#[$doc])*
        #[inline(always)]
        pub(super) fn $name<V: Width, T: Widen>(
            cpu: &mut Cpu,
            _: &mut Bus,
            op: &Op,
            f: impl Fn(T::Wide, T::Wide, T::Wide) -> T::Wide,
        ) -> Step {
            wide::<V, T>(cpu, op, ($j, $k), T::$extend, f)
        }
    )* };
}
wide_shapes! {
    /// Even elements of Vj and Vk, widened; `f` also gets Vd's wide element.
    even: 0 0 widen;
    /// Odd elements.
    odd: 1 1 widen;
    /// Odd elements of Vj and even ones of Vk.
    odd_even: 1 0 widen;
    /// Even elements, Vj's zero-extended although the type is signed.
    even_mixed: 0 0 zero_extend;
    /// Odd elements, Vj's zero-extended although the type is signed.
    odd_mixed: 1 1 zero_extend;
}

/// Vd ← f(lower elements of Vj widened, immediate).
#[inline(always)]
pub(super) fn low<V: Width, T: Widen>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(T::Wide, T::Wide) -> T::Wide,
) -> Step {
    let imm = T::Wide::from_imm(op.imm);
    halves::<V, T::Wide>(cpu, op, |cpu, half| {
        let j = read::<T>(cpu, op.rj, half);
        build::<T::Wide>(|i| f(j.as_ref()[i].widen(), imm))
    })
}

/// Vd ← upper elements of Vj widened.
#[inline(always)]
pub(super) fn high<V: Width, T: Widen>(cpu: &mut Cpu, _: &mut Bus, op: &Op) -> Step {
    halves::<V, T::Wide>(cpu, op, |cpu, half| {
        let j = read::<T>(cpu, op.rj, half);
        let (_, high) = j.as_ref().split_at(j.as_ref().len() / 2);
        build::<T::Wide>(|i| high[i].widen())
    })
}

/// Lower elements of Vd ← f(Vj, Vk as shift counts) in half the width; the upper
/// ones become zero.
#[inline(always)]
pub(super) fn narrow<V: Width, T: Narrow>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(T, u32) -> T::Half,
) -> Step {
    halves::<V, T::Half>(cpu, op, |cpu, half| {
        let [j, k] = [op.rj, op.rk].map(|r| read::<T>(cpu, r, half));
        let (j, k) = (j.as_ref(), k.as_ref());
        build::<T::Half>(|i| match j.get(i).zip(k.get(i)) {
            Some((&j, &k)) => f(j, k.count()),
            None => T::Half::from_imm(0),
        })
    })
}

/// Lower elements of Vd ← f(Vj, immediate), upper ones ← f(Vd, immediate), both
/// in half the width.
#[inline(always)]
pub(super) fn narrow_both<V: Width, T: Narrow>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(T, u32) -> T::Half,
) -> Step {
    let n = op.imm as u32 % T::BITS;
    halves::<V, T::Half>(cpu, op, |cpu, half| {
        let [j, d] = [op.rj, op.rd].map(|r| read::<T>(cpu, r, half));
        build_halves::<T>(&j, &d, |a| f(a, n))
    })
}

/// Element i of Vd ← f(i, Vd, Vj, Vk): for what moves elements about.
#[inline(always)]
pub(super) fn permute<V: Width, T: Lane>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(usize, &[T], &[T], &[T]) -> T,
) -> Step {
    halves::<V, T>(cpu, op, |cpu, half| {
        let [d, j, k] = [op.rd, op.rj, op.rk].map(|r| read::<T>(cpu, r, half));
        build::<T>(|i| f(i, d.as_ref(), j.as_ref(), k.as_ref()))
    })
}

/// Element i of Vd ← f(i, Va, Vj, Vk).
#[inline(always)]
pub(super) fn permute_by<V: Width, T: Lane>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(usize, &[T], &[T], &[T]) -> T,
) -> Step {
    halves::<V, T>(cpu, op, |cpu, half| {
        let [a, j, k] = [op.ra, op.rj, op.rk].map(|r| read::<T>(cpu, r, half));
        build::<T>(|i| f(i, a.as_ref(), j.as_ref(), k.as_ref()))
    })
}

/// Element i of Vd ← f(i, Vd, Vj, immediate).
#[inline(always)]
pub(super) fn permute_imm<V: Width, T: Lane>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(usize, &[T], &[T], usize) -> T,
) -> Step {
    let imm = op.imm as usize;
    halves::<V, T>(cpu, op, |cpu, half| {
        let [d, j] = [op.rd, op.rj].map(|r| read::<T>(cpu, r, half));
        build::<T>(|i| f(i, d.as_ref(), j.as_ref(), imm))
    })
}

/// Element i of all of Vd ← f(i, Vd, Vj, Vk, immediate), where elements go from
/// one half to the other.
#[inline(always)]
pub(super) fn whole<V: Width, T: Lane>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(usize, &[T], &[T], &[T], usize) -> T,
) -> Step {
    let [d, j, k] = [op.rd, op.rj, op.rk].map(|r| read_all::<T>(cpu, r));
    let [d, j, k] = [&d, &j, &k].map(|halves| elements::<V, T>(halves));
    let imm = op.imm as usize;
    halves::<V, T>(cpu, op, |_, half| {
        let first = half * (128 / T::BITS as usize);
        build::<T>(|i| f(first + i, d, j, k, imm))
    })
}
