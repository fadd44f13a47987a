// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Fused multiply-add and its relatives: one rounding of `a * b ± c`.

use super::arith::{add_finite, host_or_exact, multiply};
use super::env::{Env, Flags, Round};
use super::fast::Float;
use super::format::{Class, Format, exact, infinity, invalid, is_nan, propagate_nan, unpack, zero};
use super::round::round_pack;

/// `a * b + c` (`fmadd`).
#[inline]
pub(crate) fn fmadd<F: Float>(a: F::Bits, b: F::Bits, c: F::Bits, env: &mut Env) -> F::Bits {
    fused::<F>(a, b, c, false, env)
}

/// `a * b - c` (`fmsub`).
#[inline]
pub(crate) fn fmsub<F: Float>(a: F::Bits, b: F::Bits, c: F::Bits, env: &mut Env) -> F::Bits {
    fused::<F>(a, b, c, true, env)
}

/// `-(a * b + c)` (`fnmadd`): rounded before the sign changes; a NaN keeps its sign.
#[inline]
pub(crate) fn fnmadd<F: Float>(a: F::Bits, b: F::Bits, c: F::Bits, env: &mut Env) -> F::Bits {
    negate_number::<F>(fmadd::<F>(a, b, c, env))
}

/// `-(a * b - c)` (`fnmsub`): rounded before the sign changes; a NaN keeps its sign.
#[inline]
pub(crate) fn fnmsub<F: Float>(a: F::Bits, b: F::Bits, c: F::Bits, env: &mut Env) -> F::Bits {
    negate_number::<F>(fmsub::<F>(a, b, c, env))
}

fn negate_number<F: Format>(bits: F::Bits) -> F::Bits {
    let raw: u64 = bits.into();
    if is_nan::<F>(raw) {
        bits
    } else {
        F::truncate(raw ^ F::SIGN)
    }
}

#[inline]
fn fused<F: Float>(a: F::Bits, b: F::Bits, c: F::Bits, subtract: bool, env: &mut Env) -> F::Bits {
    host_or_exact!(
        F,
        env,
        F::host_fma(a, b, c, subtract),
        exact_fma::<F>(a.into(), b.into(), c.into(), subtract, env)
    )
}

pub(super) fn exact_fma<F: Format>(a: u64, b: u64, c: u64, subtract: bool, env: &mut Env) -> u64 {
    let (x, y) = (unpack::<F>(a), unpack::<F>(b));
    let without_value = matches!(
        (x.class, y.class),
        (Class::Infinity, Class::Zero) | (Class::Zero, Class::Infinity)
    );
    if x.is_nan() || y.is_nan() || is_nan::<F>(c) {
        if without_value {
            env.raise(Flags::INVALID);
        }
        return propagate_nan::<F>(&[c, a, b], env);
    }
    if without_value {
        return invalid::<F>(env);
    }
    let c = if subtract { c ^ F::SIGN } else { c };
    let z = unpack::<F>(c);
    let sign = x.sign ^ y.sign;
    if x.class == Class::Infinity || y.class == Class::Infinity {
        return if z.class == Class::Infinity && z.sign != sign {
            invalid::<F>(env)
        } else {
            infinity::<F>(sign)
        };
    }
    if z.class == Class::Infinity {
        return c;
    }
    if x.class == Class::Zero || y.class == Class::Zero {
        return if z.class == Class::Zero && z.sign != sign {
            zero::<F>(env.cancelled_sign())
        } else {
            exact::<F>(c, env)
        };
    }
    let (exponent, product) = multiply((x.exponent, x.significand), (y.exponent, y.significand));
    if z.class == Class::Zero {
        return round_pack::<F>(sign, exponent, product, env);
    }
    add_finite::<F>(
        (sign, exponent, product),
        (z.sign, z.exponent, u128::from(z.significand) << 64),
        env,
    )
}
