// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Operand values near the edges where implementations go wrong.

use crate::rng::Rng;

/// An integer of `bits` bits (8 to 64), in the low bits.
pub(crate) fn integer(rng: &mut Rng, bits: u32) -> u64 {
    let mask = u64::MAX >> (64 - bits);
    let min = 1 << (bits - 1);
    let value = match rng.below(10) {
        0 => 0,
        1 => rng.pick(&[1, 2, 3, u64::MAX, u64::MAX - 1]),
        2 => rng.pick(&[min, min + 1, min - 1, min - 2, mask]),
        // Powers of two, their neighbours and their negatives.
        3 | 4 => {
            let power = 1u64 << rng.below(u64::from(bits));
            let near = rng.pick(&[power, power - 1, power.wrapping_add(1)]);
            if rng.one_in(2) {
                near
            } else {
                near.wrapping_neg()
            }
        }
        // Shift amounts up to and beyond the width.
        5 => rng.below(130),
        // Runs of ones.
        6 => (u64::MAX >> rng.below(64)) << rng.below(64),
        // Limits of the narrower types.
        7 => {
            let edge = rng.pick(&[0x7fu64, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff]);
            let value = edge.wrapping_add(rng.below(3));
            if rng.one_in(2) {
                value
            } else {
                value.wrapping_neg()
            }
        }
        _ => rng.bits(),
    };
    value & mask
}

/// A general register's value. Word instructions want operands that are
/// sign-extended words, and others too.
pub(crate) fn general(rng: &mut Rng) -> u64 {
    match rng.below(4) {
        0 => integer(rng, 32) as i32 as u64,
        1 => integer(rng, 32) | rng.bits() << 32,
        _ => integer(rng, 64),
    }
}

/// Layout of a floating-point format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Float {
    fraction: u32,
    exponent: u32,
}

/// Half precision.
pub(crate) const HALF: Float = Float {
    fraction: 10,
    exponent: 5,
};
/// Single precision.
pub(crate) const SINGLE: Float = Float {
    fraction: 23,
    exponent: 8,
};
/// Double precision.
pub(crate) const DOUBLE: Float = Float {
    fraction: 52,
    exponent: 11,
};

/// A floating-point number: zeros, denormals, infinities and NaNs of both
/// kinds, numbers whose sums and products are near the limits of rounding,
/// overflow and underflow, and integers near the limits of conversions.
pub(crate) fn float(rng: &mut Rng, format: Float) -> u64 {
    let fraction_mask = (1u64 << format.fraction) - 1;
    let exponent_mask = (1u64 << format.exponent) - 1;
    let bias = exponent_mask >> 1;
    let fraction = match rng.below(6) {
        0 => 0,
        1 => fraction_mask,
        2 => 1 << rng.below(u64::from(format.fraction)),
        3 => fraction_mask ^ (1 << rng.below(u64::from(format.fraction))),
        4 => rng.pick(&[1, 2, 3, fraction_mask - 1, fraction_mask >> 1]),
        _ => rng.bits() & fraction_mask,
    };
    let precision = u64::from(format.fraction);
    let exponent = match rng.below(10) {
        // Zero and denormals.
        0 => return sign(rng, format) | if rng.one_in(2) { 0 } else { fraction },
        // Infinity and NaNs.
        1 => return sign(rng, format) | exponent_mask << format.fraction | nan(rng, format),
        // The smallest and largest normal numbers.
        2 => rng.pick(&[1, 2, 3, precision, precision + 1, precision + 2]),
        3 => exponent_mask - 1 - rng.below(precision + 3).min(exponent_mask - 2),
        // Around one: sums and differences that cancel or round.
        4 | 5 => bias.wrapping_add(rng.below(4)).wrapping_sub(2),
        // Integers near the widths of conversions.
        6 => (bias + rng.pick(&[14, 15, 30, 31, 32, 52, 53, 62, 63, 64])).min(exponent_mask - 1),
        // Products and quotients near underflow and overflow.
        7 => bias / 2 + rng.below(precision + 3),
        8 => (bias + bias / 2 + rng.below(4)).min(exponent_mask - 1),
        _ => rng.bits() & exponent_mask,
    };
    sign(rng, format) | (exponent & exponent_mask) << format.fraction | fraction
}

fn sign(rng: &mut Rng, format: Float) -> u64 {
    rng.below(2) << (format.fraction + format.exponent)
}

/// The fraction of an infinity, a quiet or a signalling NaN.
fn nan(rng: &mut Rng, format: Float) -> u64 {
    let quiet = 1u64 << (format.fraction - 1);
    let random = rng.bits() & (quiet - 1);
    let payload = rng.pick(&[1, quiet - 1, quiet >> 1, random]);
    match rng.below(3) {
        0 => 0,
        1 => quiet | rng.pick(&[0, payload]),
        _ => payload.max(1),
    }
}

/// What the elements of a vector register are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    /// Integers of so many bits.
    Integer(u32),
    /// Half-precision numbers.
    Half,
    /// Single-precision numbers.
    Single,
    /// Double-precision numbers.
    Double,
}

/// A vector register's value.
pub(crate) fn vector(rng: &mut Rng, element: Element) -> [u64; 2] {
    [half_vector(rng, element), half_vector(rng, element)]
}

fn half_vector(rng: &mut Rng, element: Element) -> u64 {
    let bits = match element {
        Element::Integer(bits) => bits,
        Element::Half => 16,
        Element::Single => 32,
        Element::Double => 64,
    };
    (0..64 / bits).fold(0, |half, i| {
        let value = match element {
            Element::Integer(_) => integer(rng, bits),
            Element::Half => float(rng, HALF),
            Element::Single => float(rng, SINGLE),
            Element::Double => float(rng, DOUBLE),
        };
        half | value << (bits * i)
    })
}
