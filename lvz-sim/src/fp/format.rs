// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Binary interchange formats, their parts, and what becomes of a NaN.

use core::fmt::{Debug, LowerHex};

use super::env::{Env, Flags};

/// A binary interchange format (IEEE 754, 3.4) of at most 64 bits.
pub(crate) trait Format: Copy + Debug + Send + Sync + 'static {
    /// The bit pattern of a number.
    type Bits: Copy + Debug + Default + Eq + LowerHex + Into<u64>;

    /// Bits of the trailing significand field.
    const FRACTION_BITS: u32;
    /// Bits of the exponent field.
    const EXPONENT_BITS: u32;

    /// The low bits of `raw` as a bit pattern of this format.
    fn truncate(raw: u64) -> Self::Bits;

    /// Exponent bias, which is also the largest exponent of a finite number.
    const BIAS: i32 = (1 << (Self::EXPONENT_BITS - 1)) - 1;
    /// Exponent of the smallest normal number.
    const MIN_EXPONENT: i32 = 1 - Self::BIAS;
    /// The sign bit.
    const SIGN: u64 = 1 << (Self::EXPONENT_BITS + Self::FRACTION_BITS);
    /// The trailing significand field.
    const FRACTION: u64 = (1 << Self::FRACTION_BITS) - 1;
    /// The exponent field with all bits set.
    const EXPONENT_MAX: u64 = (1 << Self::EXPONENT_BITS) - 1;
    /// Positive infinity.
    const INFINITY: u64 = Self::EXPONENT_MAX << Self::FRACTION_BITS;
    /// The largest finite number.
    const MAX_FINITE: u64 = Self::INFINITY - 1;
    /// The bit that tells a quiet NaN from a signalling one.
    const QUIET: u64 = 1 << (Self::FRACTION_BITS - 1);
    /// The NaN that an invalid operation gives (manual volume 1, 3.1.1).
    const DEFAULT_NAN: u64 = Self::INFINITY | Self::QUIET;
}

/// IEEE 754 binary16, which only conversions of LSX know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Half;

impl Format for Half {
    type Bits = u16;
    const FRACTION_BITS: u32 = 10;
    const EXPONENT_BITS: u32 = 5;
    #[inline(always)]
    fn truncate(raw: u64) -> u16 {
        raw as u16
    }
}

impl Format for f32 {
    type Bits = u32;
    const FRACTION_BITS: u32 = 23;
    const EXPONENT_BITS: u32 = 8;
    #[inline(always)]
    fn truncate(raw: u64) -> u32 {
        raw as u32
    }
}

impl Format for f64 {
    type Bits = u64;
    const FRACTION_BITS: u32 = 52;
    const EXPONENT_BITS: u32 = 11;
    #[inline(always)]
    fn truncate(raw: u64) -> u64 {
        raw
    }
}

/// Class of a number, as far as arithmetic tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Zero,
    /// Normal or subnormal.
    Finite,
    Infinity,
    QuietNan,
    SignallingNan,
}

/// A number taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    pub(super) class: Class,
    pub(super) sign: bool,
    /// For finite numbers the value is `significand * 2^(exponent - 63)`.
    pub(super) exponent: i32,
    /// For finite numbers bit 63 is set.
    pub(super) significand: u64,
}

impl Parts {
    #[inline(always)]
    pub(super) fn is_nan(&self) -> bool {
        matches!(self.class, Class::QuietNan | Class::SignallingNan)
    }
}

/// Takes the number with the bits `raw` apart.
#[inline]
pub(super) fn unpack<F: Format>(raw: u64) -> Parts {
    let sign = raw & F::SIGN != 0;
    let field = (raw >> F::FRACTION_BITS) & F::EXPONENT_MAX;
    let fraction = raw & F::FRACTION;
    let (class, exponent, significand) = if field == F::EXPONENT_MAX {
        let class = match fraction {
            0 => Class::Infinity,
            _ if fraction & F::QUIET != 0 => Class::QuietNan,
            _ => Class::SignallingNan,
        };
        (class, 0, 0)
    } else if field != 0 {
        let significand = (fraction | (1 << F::FRACTION_BITS)) << (63 - F::FRACTION_BITS);
        (Class::Finite, field as i32 - F::BIAS, significand)
    } else if fraction == 0 {
        (Class::Zero, 0, 0)
    } else {
        let shift = fraction.leading_zeros();
        let exponent = F::MIN_EXPONENT + (63 - F::FRACTION_BITS) as i32 - shift as i32;
        (Class::Finite, exponent, fraction << shift)
    };
    Parts {
        class,
        sign,
        exponent,
        significand,
    }
}

#[inline(always)]
pub(super) fn is_nan<F: Format>(raw: u64) -> bool {
    raw & !F::SIGN > F::INFINITY
}

#[inline(always)]
pub(super) fn is_signalling_nan<F: Format>(raw: u64) -> bool {
    is_nan::<F>(raw) && raw & F::QUIET == 0
}

#[inline(always)]
pub(super) fn zero<F: Format>(sign: bool) -> u64 {
    if sign { F::SIGN } else { 0 }
}

#[inline(always)]
pub(super) fn infinity<F: Format>(sign: bool) -> u64 {
    F::INFINITY | zero::<F>(sign)
}

/// The result of an invalid operation on numbers.
#[cold]
pub(super) fn invalid<F: Format>(env: &mut Env) -> u64 {
    env.raise(Flags::INVALID);
    F::DEFAULT_NAN
}

/// The result of an operation whose operands, in order of priority, contain a NaN.
#[cold]
pub(super) fn propagate_nan<F: Format>(operands: &[u64], env: &mut Env) -> u64 {
    let signalling = operands.iter().find(|&&x| is_signalling_nan::<F>(x));
    if signalling.is_some() {
        env.raise(Flags::INVALID);
    }
    let chosen = signalling.or_else(|| operands.iter().find(|&&x| is_nan::<F>(x)));
    chosen.map_or(F::DEFAULT_NAN, |&x| x | F::QUIET)
}

/// A result that is an operand or is known to be exact: only tininess can be reported.
#[inline(always)]
pub(super) fn exact<F: Format>(raw: u64, env: &mut Env) -> u64 {
    let magnitude = raw & !F::SIGN;
    if magnitude != 0 && magnitude <= F::FRACTION {
        env.raise(Flags::TINY);
    }
    raw
}
