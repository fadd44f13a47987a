// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Rounding an exact intermediate result to a format.

use super::env::{Env, Flags, Round};
use super::format::{Format, infinity, zero};

/// Shifts right and keeps in the last bit whether a set bit was lost.
#[inline]
pub(super) fn shift_right_jam(value: u128, shift: u32) -> u128 {
    match shift {
        0 => value,
        1..=127 => (value >> shift) | u128::from(value << (128 - shift) != 0),
        _ => u128::from(value != 0),
    }
}

/// Rounds away the `drop` low bits, of which there are 64 to 127; tells whether that was inexact.
#[inline]
pub(super) fn round_off(significand: u128, drop: u32, sign: bool, rm: Round) -> (u64, bool) {
    const HALF: u128 = 1 << 127;
    let kept = (significand >> drop) as u64;
    let rest = significand << (128 - drop);
    let increment = match rm {
        Round::NearestEven => rest > HALF || (rest == HALF && kept & 1 != 0),
        Round::TowardZero => false,
        Round::Up => !sign && rest != 0,
        Round::Down => sign && rest != 0,
    };
    (kept + u64::from(increment), rest != 0)
}

/// Rounds and packs `significand * 2^(exponent - 127)`, where bit 127 of `significand` is set and
/// bit 0 may stand for any lower bits that are not zero.
pub(super) fn round_pack<F: Format>(
    sign: bool,
    exponent: i32,
    significand: u128,
    env: &mut Env,
) -> u64 {
    let drop = 127 - F::FRACTION_BITS;
    let sign_bit = zero::<F>(sign);
    if exponent > F::BIAS {
        return overflow::<F>(sign, env);
    }
    if exponent >= F::MIN_EXPONENT {
        let (rounded, inexact) = round_off(significand, drop, sign, env.rm);
        // The implicit bit, or the carry out of the significand, counts the exponent up.
        let below = ((exponent - F::MIN_EXPONENT) as u64) << F::FRACTION_BITS;
        let magnitude = below + rounded;
        if magnitude >= F::INFINITY {
            return overflow::<F>(sign, env);
        }
        if inexact {
            env.raise(Flags::INEXACT);
        }
        return sign_bit | magnitude;
    }
    let shift = F::MIN_EXPONENT.wrapping_sub(exponent) as u32;
    // Tininess after rounding: would the result be below the smallest normal number if it were
    // rounded to the precision of a normal one, as if the exponent had no lower limit?
    let tiny = shift > 1 || {
        let (unbounded, _) = round_off(significand, drop, sign, env.rm);
        unbounded >> (F::FRACTION_BITS + 1) == 0
    };
    let (rounded, inexact) = round_off(shift_right_jam(significand, shift), drop, sign, env.rm);
    if inexact {
        env.raise(Flags::INEXACT);
    }
    if tiny {
        env.raise(Flags::TINY);
        if inexact {
            env.raise(Flags::UNDERFLOW);
        }
    }
    sign_bit | rounded
}

#[cold]
fn overflow<F: Format>(sign: bool, env: &mut Env) -> u64 {
    env.raise(Flags::OVERFLOW | Flags::INEXACT);
    let to_infinity = match env.rm {
        Round::NearestEven => true,
        Round::TowardZero => false,
        Round::Up => !sign,
        Round::Down => sign,
    };
    if to_infinity {
        infinity::<F>(sign)
    } else {
        F::MAX_FINITE | zero::<F>(sign)
    }
}
