// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Conversions between formats, and between numbers and integers.

use super::env::{Env, Flags, Round};
use super::format::{Class, Format, Parts, infinity, unpack, zero};
use super::round::{round_off, round_pack, shift_right_jam};

/// Converts from the format `S` to the format `D` (`fcvt`). Of a NaN's payload the high bits stay.
pub(crate) fn convert<S: Format, D: Format>(a: S::Bits, env: &mut Env) -> D::Bits {
    let raw: u64 = a.into();
    let field = raw & S::INFINITY;
    if D::FRACTION_BITS > S::FRACTION_BITS && field != 0 && field != S::INFINITY {
        // A normal number is one in a wider format too.
        let widening = D::FRACTION_BITS.wrapping_sub(S::FRACTION_BITS);
        let bias = ((D::BIAS - S::BIAS) as u64) << D::FRACTION_BITS;
        let magnitude = ((raw & !S::SIGN) << widening) + bias;
        return D::truncate(zero::<D>(raw & S::SIGN != 0) | magnitude);
    }
    let x = unpack::<S>(raw);
    D::truncate(match x.class {
        Class::QuietNan | Class::SignallingNan => {
            if x.class == Class::SignallingNan {
                env.raise(Flags::INVALID);
            }
            let payload = (raw & S::FRACTION) << (63 - S::FRACTION_BITS);
            infinity::<D>(x.sign) | (payload >> (63 - D::FRACTION_BITS)) | D::QUIET
        }
        Class::Infinity => infinity::<D>(x.sign),
        Class::Zero => zero::<D>(x.sign),
        Class::Finite => round_pack::<D>(x.sign, x.exponent, u128::from(x.significand) << 64, env),
    })
}

/// Converts a signed integer (`ffint`); the words of `ffint.*.w` come sign-extended.
pub(crate) fn from_i64<F: Format>(value: i64, env: &mut Env) -> F::Bits {
    from_magnitude::<F>(value < 0, value.unsigned_abs(), env)
}

/// Converts an unsigned integer (`vffint.s.wu`, `vffint.d.lu`).
pub(crate) fn from_u64<F: Format>(value: u64, env: &mut Env) -> F::Bits {
    from_magnitude::<F>(false, value, env)
}

fn from_magnitude<F: Format>(sign: bool, magnitude: u64, env: &mut Env) -> F::Bits {
    if magnitude == 0 {
        return F::truncate(0);
    }
    let shift = magnitude.leading_zeros();
    let significand = u128::from(magnitude << shift) << 64;
    F::truncate(round_pack::<F>(sign, 63 - shift as i32, significand, env))
}

/// The magnitude of a finite number with an exponent below 64, rounded to an integer; tells whether
/// that was inexact.
pub(super) fn round_magnitude(x: &Parts, rm: Round) -> (u64, bool) {
    let significand = u128::from(x.significand) << 64;
    match u32::try_from(x.exponent) {
        // At exponent 63 the significand is the integer; below, it has bits to spare for a carry.
        Ok(exponent) => round_off(significand, 127 - exponent.min(63), x.sign, rm),
        Err(_) => {
            let below_one = shift_right_jam(significand, x.exponent.unsigned_abs());
            round_off(below_one, 127, x.sign, rm)
        }
    }
}

/// Rounds `a` in the mode `rm` to an integer from `-most_negative` to `most_positive`; returns it
/// modulo 2^64. Invalid are a NaN, which gives zero, and all else that does not fit, which gives
/// the nearest integer that does.
#[inline]
fn to_integer<F: Format>(
    a: F::Bits,
    most_negative: u64,
    most_positive: u64,
    rm: Round,
    env: &mut Env,
) -> u64 {
    let x = unpack::<F>(a.into());
    let limit = if x.sign { most_negative } else { most_positive };
    let (magnitude, raised) = match x.class {
        Class::QuietNan | Class::SignallingNan => (0, Flags::INVALID),
        Class::Zero => (0, Flags::empty()),
        Class::Infinity => (limit, Flags::INVALID),
        Class::Finite if x.exponent > 63 => (limit, Flags::INVALID),
        Class::Finite => match round_magnitude(&x, rm) {
            (magnitude, _) if magnitude > limit => (limit, Flags::INVALID),
            (magnitude, true) => (magnitude, Flags::INEXACT),
            (magnitude, false) => (magnitude, Flags::empty()),
        },
    };
    env.raise(raised);
    if x.sign {
        magnitude.wrapping_neg()
    } else {
        magnitude
    }
}

/// Converts to a signed word (`ftint*.w.*`), rounding in the mode `rm`.
pub(crate) fn to_i32<F: Format>(a: F::Bits, rm: Round, env: &mut Env) -> i32 {
    to_integer::<F>(a, 1 << 31, i32::MAX as u64, rm, env) as i32
}

/// Converts to a signed doubleword (`ftint*.l.*`), rounding in the mode `rm`.
pub(crate) fn to_i64<F: Format>(a: F::Bits, rm: Round, env: &mut Env) -> i64 {
    to_integer::<F>(a, 1 << 63, i64::MAX as u64, rm, env) as i64
}

/// Converts to an unsigned word (`vftint*.wu.s`), rounding in the mode `rm`.
pub(crate) fn to_u32<F: Format>(a: F::Bits, rm: Round, env: &mut Env) -> u32 {
    to_integer::<F>(a, 0, u64::from(u32::MAX), rm, env) as u32
}

/// Converts to an unsigned doubleword (`vftint*.lu.d`), rounding in the mode `rm`.
pub(crate) fn to_u64<F: Format>(a: F::Bits, rm: Round, env: &mut Env) -> u64 {
    to_integer::<F>(a, 0, u64::MAX, rm, env)
}
