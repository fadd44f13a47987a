// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Comparison, minimum, maximum and classification.

use core::cmp::Ordering;

use super::env::{Env, Flags};
use super::format::{Class, Format, is_nan, is_signalling_nan, propagate_nan, unpack};

/// How two numbers relate. The values are those of the four relations in a [`Condition`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Relation {
    /// The first is less.
    Less = 1,
    /// They are equal.
    Equal = 2,
    /// One of them is a NaN.
    Unordered = 4,
    /// The first is greater.
    Greater = 8,
}

/// The relations for which an `fcmp` condition holds, and whether a quiet NaN is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    relations: u8,
    signalling: bool,
}

impl Condition {
    /// Decodes the 5-bit `cond` field of `fcmp.cond.{s,d}` and `vfcmp.cond.{s,d}` (manual volume 1,
    /// 3.2.2): bit 0 makes it signalling, bits 1 to 3 select less, equal and unordered, and bit 4
    /// selects less and greater. `None` for the ten encodings that are not defined.
    pub(crate) const fn decode(field: u32) -> Option<Self> {
        let relations = match (field >> 1) & 0xf {
            low @ 0..=7 => low,
            8 => 0b1001,
            10 => 0b1011,
            12 => 0b1101,
            _ => return None,
        };
        Some(Self {
            relations: relations as u8,
            signalling: field & 1 != 0,
        })
    }

    /// Whether the condition holds for `a` and `b`.
    #[inline]
    pub(crate) fn holds<F: Format>(self, a: F::Bits, b: F::Bits, env: &mut Env) -> bool {
        let relation = if self.signalling {
            compare_signalling::<F>(a, b, env)
        } else {
            compare_quiet::<F>(a, b, env)
        };
        self.relations & relation as u8 != 0
    }
}

/// Compares; only a signalling NaN is invalid.
#[inline]
pub(crate) fn compare_quiet<F: Format>(a: F::Bits, b: F::Bits, env: &mut Env) -> Relation {
    let (a, b) = (a.into(), b.into());
    if is_signalling_nan::<F>(a) || is_signalling_nan::<F>(b) {
        env.raise(Flags::INVALID);
    }
    relation::<F>(a, b)
}

/// Compares; any NaN is invalid.
#[inline]
pub(crate) fn compare_signalling<F: Format>(a: F::Bits, b: F::Bits, env: &mut Env) -> Relation {
    let relation = relation::<F>(a.into(), b.into());
    if relation == Relation::Unordered {
        env.raise(Flags::INVALID);
    }
    relation
}

#[inline]
fn relation<F: Format>(a: u64, b: u64) -> Relation {
    if is_nan::<F>(a) || is_nan::<F>(b) {
        return Relation::Unordered;
    }
    if (a | b) & !F::SIGN == 0 {
        return Relation::Equal;
    }
    match total_order::<F>(a).cmp(&total_order::<F>(b)) {
        Ordering::Less => Relation::Less,
        Ordering::Equal => Relation::Equal,
        Ordering::Greater => Relation::Greater,
    }
}

/// Maps numbers to integers in the same order, with `-0` below `+0`.
#[inline(always)]
fn total_order<F: Format>(raw: u64) -> i64 {
    let magnitude = (raw & !F::SIGN) as i64;
    if raw & F::SIGN != 0 {
        !magnitude
    } else {
        magnitude
    }
}

/// The greater of two (`fmax`, IEEE 754-2008 maxNum): a number goes before a quiet NaN.
pub(crate) fn max<F: Format>(a: F::Bits, b: F::Bits, env: &mut Env) -> F::Bits {
    select::<F>(a, b, env, |a, b| total_order::<F>(a) >= total_order::<F>(b))
}

/// The lesser of two (`fmin`, IEEE 754-2008 minNum): a number goes before a quiet NaN.
pub(crate) fn min<F: Format>(a: F::Bits, b: F::Bits, env: &mut Env) -> F::Bits {
    select::<F>(a, b, env, |a, b| total_order::<F>(a) <= total_order::<F>(b))
}

/// The one of greater magnitude, or of two such the greater (`fmaxa`, IEEE 754-2008 maxNumMag).
pub(crate) fn max_magnitude<F: Format>(a: F::Bits, b: F::Bits, env: &mut Env) -> F::Bits {
    select::<F>(a, b, env, |a, b| {
        magnitude_order::<F>(a) >= magnitude_order::<F>(b)
    })
}

/// The one of lesser magnitude, or of two such the lesser (`fmina`, IEEE 754-2008 minNumMag).
pub(crate) fn min_magnitude<F: Format>(a: F::Bits, b: F::Bits, env: &mut Env) -> F::Bits {
    select::<F>(a, b, env, |a, b| {
        magnitude_order::<F>(a) <= magnitude_order::<F>(b)
    })
}

#[inline(always)]
fn magnitude_order<F: Format>(raw: u64) -> (u64, bool) {
    (raw & !F::SIGN, raw & F::SIGN == 0)
}

#[inline(always)]
fn select<F: Format>(
    a: F::Bits,
    b: F::Bits,
    env: &mut Env,
    take_first: impl Fn(u64, u64) -> bool,
) -> F::Bits {
    let (x, y) = (a.into(), b.into());
    match (is_nan::<F>(x), is_nan::<F>(y)) {
        (false, false) if take_first(x, y) => a,
        (false, false) => b,
        _ if is_signalling_nan::<F>(x) || is_signalling_nan::<F>(y) => {
            F::truncate(propagate_nan::<F>(&[x, y], env))
        }
        (true, false) => b,
        _ => a,
    }
}

/// The class of a number as one of the ten bits of `fclass` (manual volume 1, 3.2.1).
pub(crate) fn class<F: Format>(a: F::Bits) -> u32 {
    let raw: u64 = a.into();
    let x = unpack::<F>(raw);
    let kind = match x.class {
        Class::SignallingNan => return 1 << 0,
        Class::QuietNan => return 1 << 1,
        Class::Infinity => 0,
        Class::Finite if raw & F::INFINITY != 0 => 1,
        Class::Finite => 2,
        Class::Zero => 3,
    };
    1 << (kind + if x.sign { 2 } else { 6 })
}
