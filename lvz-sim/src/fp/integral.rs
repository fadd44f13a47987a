// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Operations on exponents and integral values: `frint`, `flogb`, `fscaleb`.

use super::convert::round_magnitude;
use super::env::{Env, Flags, Round};
use super::format::{Class, Format, infinity, invalid, propagate_nan, unpack, zero};
use super::round::round_pack;

/// `a` rounded to an integral value in the mode `rm`, which need not be that of `env`; inexact if
/// it differs from `a`.
pub(crate) fn round_to_integral<F: Format>(a: F::Bits, rm: Round, env: &mut Env) -> F::Bits {
    let raw: u64 = a.into();
    let x = unpack::<F>(raw);
    F::truncate(match x.class {
        Class::QuietNan | Class::SignallingNan => propagate_nan::<F>(&[raw], env),
        Class::Zero | Class::Infinity => raw,
        Class::Finite if x.exponent >= F::FRACTION_BITS as i32 => raw,
        Class::Finite => {
            let (magnitude, inexact) = round_magnitude(&x, rm);
            if inexact {
                env.raise(Flags::INEXACT);
            }
            zero::<F>(x.sign) | integer::<F>(magnitude)
        }
    })
}

/// The bits of an integer that the format holds exactly.
fn integer<F: Format>(magnitude: u64) -> u64 {
    if magnitude == 0 {
        return 0;
    }
    let top = 63 - magnitude.leading_zeros();
    let significand = if top > F::FRACTION_BITS {
        magnitude >> (top - F::FRACTION_BITS)
    } else {
        magnitude << (F::FRACTION_BITS - top)
    };
    // The implicit bit adds one to the exponent field.
    (((top as i32 + F::BIAS - 1) as u64) << F::FRACTION_BITS) + significand
}

/// The exponent of `a` as a number of the same format (`flogb`): `-inf` and division by zero for a
/// zero, invalid for a negative number. Never inexact.
pub(crate) fn logb<F: Format>(a: F::Bits, env: &mut Env) -> F::Bits {
    let raw: u64 = a.into();
    let x = unpack::<F>(raw);
    F::truncate(match x.class {
        Class::QuietNan | Class::SignallingNan => propagate_nan::<F>(&[raw], env),
        Class::Zero => {
            env.raise(Flags::DIVISION_BY_ZERO);
            infinity::<F>(true)
        }
        _ if x.sign => invalid::<F>(env),
        Class::Infinity => raw,
        Class::Finite => {
            zero::<F>(x.exponent < 0) | integer::<F>(u64::from(x.exponent.unsigned_abs()))
        }
    })
}

/// `a * 2^n` (`fscaleb`).
pub(crate) fn scaleb<F: Format>(a: F::Bits, n: i64, env: &mut Env) -> F::Bits {
    let raw: u64 = a.into();
    let x = unpack::<F>(raw);
    F::truncate(match x.class {
        Class::QuietNan | Class::SignallingNan => propagate_nan::<F>(&[raw], env),
        Class::Zero | Class::Infinity => raw,
        Class::Finite => {
            // Beyond this every result overflows or underflows alike.
            let n = n.clamp(-0x1_0000, 0x1_0000) as i32;
            round_pack::<F>(x.sign, x.exponent + n, u128::from(x.significand) << 64, env)
        }
    })
}
