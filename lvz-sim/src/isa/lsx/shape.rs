// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Which elements of which registers an instruction combines.
//!
//! Every shape first checks that LSX is enabled and reads all its operands
//! before it writes, so destinations may be sources.

use super::lane::{Lane, Narrow, Widen, build, build_halves, read, write};
use crate::cpu::{Cpu, Op, Step};
use crate::mem::Bus;

/// Vd ← f(Vj).
#[inline(always)]
pub(super) fn vv<T: Lane>(cpu: &mut Cpu, _: &mut Bus, op: &Op, f: impl Fn(T) -> T) -> Step {
    cpu.require_lsx()?;
    let j = read::<T>(cpu, op.rj);
    write::<T>(cpu, op.rd, build::<T>(|i| f(j.as_ref()[i])));
    Ok(())
}

/// Vd ← f(Vj, Vk).
#[inline(always)]
pub(super) fn vvv<T: Lane>(cpu: &mut Cpu, _: &mut Bus, op: &Op, f: impl Fn(T, T) -> T) -> Step {
    cpu.require_lsx()?;
    let (j, k) = (read::<T>(cpu, op.rj), read::<T>(cpu, op.rk));
    let (j, k) = (j.as_ref(), k.as_ref());
    write::<T>(cpu, op.rd, build::<T>(|i| f(j[i], k[i])));
    Ok(())
}

/// Vd ← f(Vj, immediate).
#[inline(always)]
pub(super) fn vvi<T: Lane>(cpu: &mut Cpu, _: &mut Bus, op: &Op, f: impl Fn(T, T) -> T) -> Step {
    cpu.require_lsx()?;
    let j = read::<T>(cpu, op.rj);
    let imm = T::from_imm(op.imm);
    write::<T>(cpu, op.rd, build::<T>(|i| f(j.as_ref()[i], imm)));
    Ok(())
}

/// Vd ← f(Vj, Vk, Va).
#[inline(always)]
pub(super) fn vvvv<T: Lane>(cpu: &mut Cpu, _: &mut Bus, op: &Op, f: impl Fn(T, T, T) -> T) -> Step {
    cpu.require_lsx()?;
    let (j, k) = (read::<T>(cpu, op.rj), read::<T>(cpu, op.rk));
    let (j, k, a) = (j.as_ref(), k.as_ref(), read::<T>(cpu, op.ra));
    write::<T>(cpu, op.rd, build::<T>(|i| f(j[i], k[i], a.as_ref()[i])));
    Ok(())
}

/// Vd ← f(Vd, Vj, Vk).
#[inline(always)]
pub(super) fn accumulate<T: Lane>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(T, T, T) -> T,
) -> Step {
    cpu.require_lsx()?;
    let (j, k) = (read::<T>(cpu, op.rj), read::<T>(cpu, op.rk));
    let (j, k, d) = (j.as_ref(), k.as_ref(), read::<T>(cpu, op.rd));
    write::<T>(cpu, op.rd, build::<T>(|i| f(d.as_ref()[i], j[i], k[i])));
    Ok(())
}

/// Vd ← f(Vd, Vj, immediate).
#[inline(always)]
pub(super) fn accumulate_imm<T: Lane>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(T, T, T) -> T,
) -> Step {
    cpu.require_lsx()?;
    let (d, j) = (read::<T>(cpu, op.rd), read::<T>(cpu, op.rj));
    let (d, j, imm) = (d.as_ref(), j.as_ref(), T::from_imm(op.imm));
    write::<T>(cpu, op.rd, build::<T>(|i| f(d[i], j[i], imm)));
    Ok(())
}

/// Vd ← f(Vd, Vj, Vk) on wide elements: element 2i + `odd_j` of Vj extended by
/// `extend_j` and element 2i + `odd_k` of Vk extended by its type.
#[inline(always)]
fn wide<T: Widen>(
    cpu: &mut Cpu,
    op: &Op,
    (odd_j, odd_k): (usize, usize),
    extend_j: impl Fn(T) -> T::Wide,
    f: impl Fn(T::Wide, T::Wide, T::Wide) -> T::Wide,
) -> Step {
    cpu.require_lsx()?;
    let (j, k) = (read::<T>(cpu, op.rj), read::<T>(cpu, op.rk));
    let (j, k) = (j.as_ref(), k.as_ref());
    let d = read::<T::Wide>(cpu, op.rd);
    let result = build::<T::Wide>(|i| {
        f(
            d.as_ref()[i],
            extend_j(j[2 * i + odd_j]),
            k[2 * i + odd_k].widen(),
        )
    });
    write::<T::Wide>(cpu, op.rd, result);
    Ok(())
}

macro_rules! wide_shapes {
    ($($(#[$doc:meta])* $name:ident: $j:literal $k:literal $extend:ident;)*) => { $(
        $(#[$doc])*
        #[inline(always)]
        pub(super) fn $name<T: Widen>(
            cpu: &mut Cpu,
            _: &mut Bus,
            op: &Op,
            f: impl Fn(T::Wide, T::Wide, T::Wide) -> T::Wide,
        ) -> Step {
            wide::<T>(cpu, op, ($j, $k), T::$extend, f)
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

/// Vd ← f(low half of Vj widened, immediate).
#[inline(always)]
pub(super) fn low_half<T: Widen>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(T::Wide, T::Wide) -> T::Wide,
) -> Step {
    cpu.require_lsx()?;
    let j = read::<T>(cpu, op.rj);
    let imm = T::Wide::from_imm(op.imm);
    let result = build::<T::Wide>(|i| f(j.as_ref()[i].widen(), imm));
    write::<T::Wide>(cpu, op.rd, result);
    Ok(())
}

/// Vd ← high half of Vj widened.
#[inline(always)]
pub(super) fn high_half<T: Widen>(cpu: &mut Cpu, _: &mut Bus, op: &Op) -> Step {
    cpu.require_lsx()?;
    let j = read::<T>(cpu, op.rj);
    let (_, high) = j.as_ref().split_at(j.as_ref().len() / 2);
    let result = build::<T::Wide>(|i| high[i].widen());
    write::<T::Wide>(cpu, op.rd, result);
    Ok(())
}

/// Low half of Vd ← f(Vj, Vk as shift counts) in half the width; the high half
/// becomes zero.
#[inline(always)]
pub(super) fn narrow<T: Narrow>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(T, u32) -> T::Half,
) -> Step {
    cpu.require_lsx()?;
    let (j, k) = (read::<T>(cpu, op.rj), read::<T>(cpu, op.rk));
    let (j, k) = (j.as_ref(), k.as_ref());
    let result = build::<T::Half>(|i| match j.get(i).zip(k.get(i)) {
        Some((&j, &k)) => f(j, k.count()),
        None => T::Half::from_imm(0),
    });
    write::<T::Half>(cpu, op.rd, result);
    Ok(())
}

/// Low half of Vd ← f(Vj, immediate), high half ← f(Vd, immediate), both in
/// half the width.
#[inline(always)]
pub(super) fn narrow_both<T: Narrow>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(T, u32) -> T::Half,
) -> Step {
    cpu.require_lsx()?;
    let (j, d) = (read::<T>(cpu, op.rj), read::<T>(cpu, op.rd));
    let n = op.imm as u32 % T::BITS;
    write::<T::Half>(cpu, op.rd, build_halves::<T>(&j, &d, |a| f(a, n)));
    Ok(())
}

/// Element i of Vd ← f(i, Vd, Vj, Vk): for what moves elements about.
#[inline(always)]
pub(super) fn permute<T: Lane>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(usize, &[T], &[T], &[T]) -> T,
) -> Step {
    cpu.require_lsx()?;
    let (d, j) = (read::<T>(cpu, op.rd), read::<T>(cpu, op.rj));
    let (d, j, k) = (d.as_ref(), j.as_ref(), read::<T>(cpu, op.rk));
    write::<T>(cpu, op.rd, build::<T>(|i| f(i, d, j, k.as_ref())));
    Ok(())
}

/// Element i of Vd ← f(i, Va, Vj, Vk).
#[inline(always)]
pub(super) fn permute_by<T: Lane>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(usize, &[T], &[T], &[T]) -> T,
) -> Step {
    cpu.require_lsx()?;
    let (a, j) = (read::<T>(cpu, op.ra), read::<T>(cpu, op.rj));
    let (a, j, k) = (a.as_ref(), j.as_ref(), read::<T>(cpu, op.rk));
    write::<T>(cpu, op.rd, build::<T>(|i| f(i, a, j, k.as_ref())));
    Ok(())
}

/// Element i of Vd ← f(i, Vd, Vj, immediate).
#[inline(always)]
pub(super) fn permute_imm<T: Lane>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(usize, &[T], &[T], usize) -> T,
) -> Step {
    cpu.require_lsx()?;
    let (d, j) = (read::<T>(cpu, op.rd), read::<T>(cpu, op.rj));
    let imm = op.imm as usize;
    let result = build::<T>(|i| f(i, d.as_ref(), j.as_ref(), imm));
    write::<T>(cpu, op.rd, result);
    Ok(())
}
