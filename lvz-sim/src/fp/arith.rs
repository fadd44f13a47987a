// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Addition, subtraction, multiplication, division, square root and the reciprocals.

use super::env::{Env, Flags, Round};
use super::fast::Float;
use super::format::{Class, Format, exact, infinity, invalid, is_nan, propagate_nan, unpack, zero};
use super::round::{round_pack, shift_right_jam};

/// Takes the result of the host's arithmetic if there is one, else the exact one.
macro_rules! host_or_exact {
    ($f:ty, $env:ident, $host:expr, $exact:expr) => {{
        if $env.rm == Round::NearestEven
            && let Some((result, inexact)) = $host
        {
            $env.raise_inexact_if(inexact);
            return result;
        }
        <$f>::truncate($exact)
    }};
}
pub(super) use host_or_exact;

/// `a + b` (`fadd`).
#[inline]
pub(crate) fn add<F: Float>(a: F::Bits, b: F::Bits, env: &mut Env) -> F::Bits {
    host_or_exact!(
        F,
        env,
        F::host_add(a, b),
        exact_add::<F>(a.into(), b.into(), env)
    )
}

/// `a - b` (`fsub`).
#[inline]
pub(crate) fn sub<F: Float>(a: F::Bits, b: F::Bits, env: &mut Env) -> F::Bits {
    host_or_exact!(
        F,
        env,
        F::host_sub(a, b),
        exact_sub::<F>(a.into(), b.into(), env)
    )
}

/// `a * b` (`fmul`).
#[inline]
pub(crate) fn mul<F: Float>(a: F::Bits, b: F::Bits, env: &mut Env) -> F::Bits {
    host_or_exact!(
        F,
        env,
        F::host_mul(a, b),
        exact_mul::<F>(a.into(), b.into(), env)
    )
}

/// `a / b` (`fdiv`).
#[inline]
pub(crate) fn div<F: Float>(a: F::Bits, b: F::Bits, env: &mut Env) -> F::Bits {
    host_or_exact!(
        F,
        env,
        F::host_div(a, b),
        exact_div::<F>(a.into(), b.into(), env)
    )
}

/// The square root of `a` (`fsqrt`).
#[inline]
pub(crate) fn sqrt<F: Float>(a: F::Bits, env: &mut Env) -> F::Bits {
    host_or_exact!(F, env, F::host_sqrt(a), exact_sqrt::<F>(a.into(), env))
}

fn one<F: Format>() -> F::Bits {
    F::truncate((F::BIAS as u64) << F::FRACTION_BITS)
}

/// `1 / a` (`frecip`).
#[inline]
pub(crate) fn recip<F: Float>(a: F::Bits, env: &mut Env) -> F::Bits {
    div::<F>(one::<F>(), a, env)
}

/// `1 / sqrt(a)` (`frsqrt`): the manual gives it as a division by a square root, and both round.
#[inline]
pub(crate) fn rsqrt<F: Float>(a: F::Bits, env: &mut Env) -> F::Bits {
    let root = sqrt::<F>(a, env);
    recip::<F>(root, env)
}

/// Fraction bits of an estimate: fewer than an exact result has, so that software which relies on
/// exactness is found out, and enough for the error of less than 2^-14 that the manual allows.
const ESTIMATE_BITS: u32 = 15;

/// An estimate of the number whose rounded value is `value`.
fn estimate<F: Format>(value: F::Bits, env: &Env) -> F::Bits {
    let bits: u64 = value.into();
    let exponent = bits >> F::FRACTION_BITS & F::EXPONENT_MAX;
    // Zeros, subnormal numbers, infinities and NaNs are as they are.
    if env.exact || exponent == 0 || exponent == F::EXPONENT_MAX {
        return value;
    }
    F::truncate(bits & u64::MAX << (F::FRACTION_BITS - ESTIMATE_BITS))
}

/// `1 / a` to within 2^-14 (`frecipe`). The architecture allows any value as near as that; what
/// silicon gives is not known here. It raises what `frecip` raises, as in QEMU.
#[inline]
pub(crate) fn recip_estimate<F: Float>(a: F::Bits, env: &mut Env) -> F::Bits {
    let exact = recip::<F>(a, env);
    estimate::<F>(exact, env)
}

/// `1 / sqrt(a)` to within 2^-14 (`frsqrte`), as [`recip_estimate`].
#[inline]
pub(crate) fn rsqrt_estimate<F: Float>(a: F::Bits, env: &mut Env) -> F::Bits {
    let exact = rsqrt::<F>(a, env);
    estimate::<F>(exact, env)
}

pub(super) fn exact_add<F: Format>(a: u64, b: u64, env: &mut Env) -> u64 {
    if is_nan::<F>(a) || is_nan::<F>(b) {
        return propagate_nan::<F>(&[a, b], env);
    }
    add_numbers::<F>(a, b, env)
}

pub(super) fn exact_sub<F: Format>(a: u64, b: u64, env: &mut Env) -> u64 {
    if is_nan::<F>(a) || is_nan::<F>(b) {
        return propagate_nan::<F>(&[a, b], env);
    }
    add_numbers::<F>(a, b ^ F::SIGN, env)
}

fn add_numbers<F: Format>(a: u64, b: u64, env: &mut Env) -> u64 {
    let (x, y) = (unpack::<F>(a), unpack::<F>(b));
    match (x.class, y.class) {
        (Class::Infinity, Class::Infinity) if x.sign != y.sign => invalid::<F>(env),
        (Class::Infinity, _) => a,
        (_, Class::Infinity) => b,
        (Class::Zero, Class::Zero) if x.sign != y.sign => zero::<F>(env.cancelled_sign()),
        (Class::Zero, _) => exact::<F>(b, env),
        (_, Class::Zero) => exact::<F>(a, env),
        _ => {
            let x = (x.sign, x.exponent, u128::from(x.significand) << 64);
            let y = (y.sign, y.exponent, u128::from(y.significand) << 64);
            add_finite::<F>(x, y, env)
        }
    }
}

/// Adds two terms `(sign, exponent, significand)` as [`round_pack`] takes them. The lowest 20 bits
/// of the significands must be zero, so that aligning them by up to two bits loses nothing.
pub(super) fn add_finite<F: Format>(
    x: (bool, i32, u128),
    y: (bool, i32, u128),
    env: &mut Env,
) -> u64 {
    let ((sign, exponent, large), (small_sign, small_exponent, small)) = if (x.1, x.2) >= (y.1, y.2)
    {
        (x, y)
    } else {
        (y, x)
    };
    let distance = exponent.wrapping_sub(small_exponent) as u32;
    // One bit of room for the carry. Bits lost beyond the last one only decide how to round: with
    // a distance of two or more, at most one leading bit can cancel.
    let large = large >> 1;
    let small = shift_right_jam(small >> 1, distance);
    let sum = if sign == small_sign {
        large + small
    } else {
        large - small
    };
    if sum == 0 {
        return zero::<F>(env.cancelled_sign());
    }
    let shift = sum.leading_zeros();
    round_pack::<F>(sign, exponent + 1 - shift as i32, sum << shift, env)
}

pub(super) fn exact_mul<F: Format>(a: u64, b: u64, env: &mut Env) -> u64 {
    if is_nan::<F>(a) || is_nan::<F>(b) {
        return propagate_nan::<F>(&[a, b], env);
    }
    let (x, y) = (unpack::<F>(a), unpack::<F>(b));
    let sign = x.sign ^ y.sign;
    match (x.class, y.class) {
        (Class::Infinity, Class::Zero) | (Class::Zero, Class::Infinity) => invalid::<F>(env),
        (Class::Infinity, _) | (_, Class::Infinity) => infinity::<F>(sign),
        (Class::Zero, _) | (_, Class::Zero) => zero::<F>(sign),
        _ => {
            let (exponent, product) =
                multiply((x.exponent, x.significand), (y.exponent, y.significand));
            round_pack::<F>(sign, exponent, product, env)
        }
    }
}

/// The exact product of two significands, as [`round_pack`] takes it.
#[inline]
pub(super) fn multiply(x: (i32, u64), y: (i32, u64)) -> (i32, u128) {
    let product = u128::from(x.1) * u128::from(y.1);
    let shift = product.leading_zeros();
    (x.0 + y.0 + 1 - shift as i32, product << shift)
}

pub(super) fn exact_div<F: Format>(a: u64, b: u64, env: &mut Env) -> u64 {
    if is_nan::<F>(a) || is_nan::<F>(b) {
        return propagate_nan::<F>(&[a, b], env);
    }
    let (x, y) = (unpack::<F>(a), unpack::<F>(b));
    let sign = x.sign ^ y.sign;
    match (x.class, y.class) {
        (Class::Infinity, Class::Infinity) | (Class::Zero, Class::Zero) => invalid::<F>(env),
        (Class::Infinity, _) => infinity::<F>(sign),
        (Class::Zero, _) | (_, Class::Infinity) => zero::<F>(sign),
        (_, Class::Zero) => {
            env.raise(Flags::DIVISION_BY_ZERO);
            infinity::<F>(sign)
        }
        _ => {
            // The quotient lies between 2^62 and 2^64, so it has bits enough to round.
            let dividend = u128::from(x.significand) << 63;
            let divisor = u128::from(y.significand);
            let quotient = (dividend / divisor) << 64;
            let sticky = u128::from(dividend % divisor != 0);
            let shift = quotient.leading_zeros();
            let exponent = x.exponent - y.exponent - shift as i32;
            round_pack::<F>(sign, exponent, (quotient << shift) | sticky, env)
        }
    }
}

pub(super) fn exact_sqrt<F: Format>(a: u64, env: &mut Env) -> u64 {
    if is_nan::<F>(a) {
        return propagate_nan::<F>(&[a], env);
    }
    let x = unpack::<F>(a);
    match x.class {
        Class::Zero => a,
        _ if x.sign => invalid::<F>(env),
        Class::Infinity => a,
        _ => {
            // With an even exponent the value is radicand * 2^(exponent - 126), and the root of the
            // radicand lies between 2^63 and 2^64.
            let odd = x.exponent & 1;
            let radicand = u128::from(x.significand) << (63 + odd);
            let root = radicand.isqrt();
            let sticky = u128::from(root * root != radicand);
            let exponent = (x.exponent - odd) >> 1;
            round_pack::<F>(false, exponent, (root << 64) | sticky, env)
        }
    }
}
