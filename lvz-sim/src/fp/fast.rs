// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Arithmetic by the host's floating-point unit, rounding to nearest even.
//!
//! Rust's operators on `f32` and `f64` are IEEE 754 operations that round to nearest even, on every
//! host, so their results can be taken as they are. What they do not tell is whether the result is
//! inexact; that follows from the operands and the result by error-free transformations (sums of
//! Knuth and Dekker, Dekker's product) or from counting significant bits, never from the host's
//! status register. Each function returns `None` where a NaN, an infinity, a subnormal number, an
//! overflow or the limits of such a transformation come into play: the exact implementation knows
//! those.

use super::format::Format;

/// A format in which the host can compute. The functions take bit patterns; they return the result
/// rounded to nearest even and whether it is inexact, or `None` to decline.
pub(crate) trait Float: Format {
    fn host_add(a: Self::Bits, b: Self::Bits) -> Option<(Self::Bits, bool)>;
    fn host_sub(a: Self::Bits, b: Self::Bits) -> Option<(Self::Bits, bool)>;
    fn host_mul(a: Self::Bits, b: Self::Bits) -> Option<(Self::Bits, bool)>;
    fn host_div(a: Self::Bits, b: Self::Bits) -> Option<(Self::Bits, bool)>;
    fn host_sqrt(a: Self::Bits) -> Option<(Self::Bits, bool)>;
    /// `a * b + c`, or `a * b - c` with `subtract`, rounded once.
    fn host_fma(
        a: Self::Bits,
        b: Self::Bits,
        c: Self::Bits,
        subtract: bool,
    ) -> Option<(Self::Bits, bool)>;
}

/// What the two formats have in common.
macro_rules! host_float {
    ($float:ident, $bits:ident, $module:ident, $fma:ident) => {
        mod $module {
            use super::Format;

            /// Whether a result is surely finite and not tiny: the smallest normal number, which
            /// may have been tiny before it was rounded, is left to the exact implementation.
            #[inline(always)]
            pub(super) fn is_finite_and_not_tiny(x: $float) -> bool {
                x.abs() > $float::MIN_POSITIVE && x.abs() <= $float::MAX
            }

            /// The significand as an integer, of a normal number.
            #[inline(always)]
            fn significand(x: $float) -> $bits {
                let fraction = x.to_bits() & <$float as Format>::FRACTION as $bits;
                fraction | 1 << <$float as Format>::FRACTION_BITS
            }

            /// The biased exponent.
            #[inline(always)]
            fn exponent(x: $float) -> i32 {
                let field = x.to_bits() >> <$float as Format>::FRACTION_BITS;
                (field & <$float as Format>::EXPONENT_MAX as $bits) as i32
            }

            #[inline(always)]
            pub(super) fn add(a: $float, b: $float) -> Option<($float, bool)> {
                let sum = a + b;
                let fits = is_finite_and_not_tiny(sum) || sum == 0.0;
                // Taking the larger operand from the sum is exact, and what remains is the smaller
                // one unless the sum was rounded (Dekker's Fast2Sum). Whichever is the larger, both
                // equations hold if the sum is exact; no branch depends on the values.
                let exact = (sum - a == b) & (sum - b == a);
                fits.then_some((sum, !exact))
            }

            #[inline(always)]
            pub(super) fn mul(a: $float, b: $float) -> Option<($float, bool)> {
                let product = a * b;
                if !(is_finite_and_not_tiny(product) && a.is_normal() && b.is_normal()) {
                    return None;
                }
                // The significand of the exact product has 2 * (FRACTION_BITS + 1) - 1 bits, or one
                // more if the exponent of the result is one more than the sum of the operands'; its
                // trailing zeros are those of the operands' significands. It is exact if the other
                // bits fit. (If rounding has carried into the exponent, it does not fit either way.)
                let zeros =
                    (significand(a).trailing_zeros() + significand(b).trailing_zeros()) as i32;
                let carry =
                    exponent(product) + <$float as Format>::BIAS - exponent(a) - exponent(b);
                let exact = zeros >= <$float as Format>::FRACTION_BITS as i32 + carry;
                Some((product, !exact))
            }

            #[inline(always)]
            pub(super) fn div(a: $float, b: $float) -> Option<($float, bool)> {
                let quotient = a / b;
                if !(is_finite_and_not_tiny(quotient) && a.is_normal() && b.is_normal()) {
                    return None;
                }
                // The remainder, scaled to an integer, is less than a significand and so is zero if
                // it is zero modulo the word.
                let scale = exponent(a) - exponent(b) - exponent(quotient)
                    + <$float as Format>::BIAS
                    + <$float as Format>::FRACTION_BITS as i32;
                let product = significand(quotient).wrapping_mul(significand(b));
                let exact = product == significand(a).wrapping_shl(scale as u32);
                Some((quotient, !exact))
            }

            #[inline(always)]
            pub(super) fn sqrt(a: $float) -> Option<($float, bool)> {
                if !($float::MIN_POSITIVE..=$float::MAX).contains(&a) {
                    return None;
                }
                let root = a.sqrt();
                // As for the quotient, with the root in both places.
                let scale = exponent(a) - 2 * exponent(root)
                    + <$float as Format>::BIAS
                    + <$float as Format>::FRACTION_BITS as i32;
                let square = significand(root).wrapping_mul(significand(root));
                let exact = square == significand(a).wrapping_shl(scale as u32);
                Some((root, !exact))
            }
        }

        impl Float for $float {
            #[inline(always)]
            fn host_add(a: $bits, b: $bits) -> Option<($bits, bool)> {
                let sum = $module::add(Self::from_bits(a), Self::from_bits(b));
                sum.map(|(r, inexact)| (r.to_bits(), inexact))
            }
            #[inline(always)]
            fn host_sub(a: $bits, b: $bits) -> Option<($bits, bool)> {
                let difference = $module::add(Self::from_bits(a), -Self::from_bits(b));
                difference.map(|(r, inexact)| (r.to_bits(), inexact))
            }
            #[inline(always)]
            fn host_mul(a: $bits, b: $bits) -> Option<($bits, bool)> {
                let product = $module::mul(Self::from_bits(a), Self::from_bits(b));
                product.map(|(r, inexact)| (r.to_bits(), inexact))
            }
            #[inline(always)]
            fn host_div(a: $bits, b: $bits) -> Option<($bits, bool)> {
                let quotient = $module::div(Self::from_bits(a), Self::from_bits(b));
                quotient.map(|(r, inexact)| (r.to_bits(), inexact))
            }
            #[inline(always)]
            fn host_sqrt(a: $bits) -> Option<($bits, bool)> {
                let root = $module::sqrt(Self::from_bits(a));
                root.map(|(r, inexact)| (r.to_bits(), inexact))
            }
            #[inline(always)]
            fn host_fma(a: $bits, b: $bits, c: $bits, subtract: bool) -> Option<($bits, bool)> {
                let c = Self::from_bits(c);
                let c = if subtract { -c } else { c };
                let sum = $fma(Self::from_bits(a), Self::from_bits(b), c);
                sum.map(|(r, inexact)| (r.to_bits(), inexact))
            }
        }
    };
}

host_float!(f32, u32, single, fma_single);
host_float!(f64, u64, double, fma_double);

/// The sum and its rounding error, which is exact (Knuth's TwoSum).
#[inline(always)]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_part = sum - a;
    (sum, (a - (sum - b_part)) + (b - b_part))
}

/// The sum rounded to odd: a following rounding to fewer bits is then as if there were only that
/// one. Tells whether the sum is inexact.
#[inline(always)]
fn add_to_odd(a: f64, b: f64) -> (f64, bool) {
    let (sum, error) = two_sum(a, b);
    let bits = sum.to_bits();
    // An even sum that was rounded moves to its odd neighbour on the side of the exact one; as
    // arithmetic, because no branch would be predictable.
    let inexact = error != 0.0;
    let moves = u64::from(inexact) & !bits;
    let outward = u64::from((error > 0.0) == (sum > 0.0));
    let odd = bits.wrapping_sub(moves).wrapping_add(2 * (moves & outward));
    (f64::from_bits(odd), inexact)
}

/// In double precision the product is exact, so only the sum rounds before the conversion.
#[inline(always)]
fn fma_single(a: f32, b: f32, c: f32) -> Option<(f32, bool)> {
    let product = f64::from(a) * f64::from(b);
    let (sum, inexact) = add_to_odd(product, f64::from(c));
    let result = sum as f32;
    (single::is_finite_and_not_tiny(result) || sum == 0.0)
        .then_some((result, inexact || f64::from(result) != sum))
}

const fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

/// The algorithm of Boldo and Melquiond ("Emulation of a FMA and correctly rounded sums: proved
/// algorithms using rounding to odd", 2008): an exact product, two exact sums, and the rest rounded
/// to odd. The limits on the operands keep every step from overflow and underflow.
#[inline(always)]
fn fma_double(a: f64, b: f64, c: f64) -> Option<(f64, bool)> {
    let factor = power_of_two(-450)..=power_of_two(450);
    let term = power_of_two(-900)..=power_of_two(900);
    let fits = factor.contains(&a.abs())
        && factor.contains(&b.abs())
        && (term.contains(&c.abs()) || c == 0.0);
    if !fits {
        return None;
    }
    let (product, product_error) = two_product(a, b);
    let (low, low_error) = two_sum(c, product_error);
    let (high, high_error) = two_sum(product, low);
    let (rest, rest_inexact) = add_to_odd(low_error, high_error);
    let (result, error) = two_sum(high, rest);
    Some((result, rest_inexact || error != 0.0))
}

/// The product and its rounding error, which is exact (Dekker).
#[inline(always)]
fn two_product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    let ((a_high, a_low), (b_high, b_low)) = (split(a), split(b));
    let error = a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low);
    (product, error)
}

/// Splits into two halves of at most 26 bits (Veltkamp).
#[inline(always)]
fn split(x: f64) -> (f64, f64) {
    const SPLITTER: f64 = ((1_u64 << 27) + 1) as f64;
    let scaled = SPLITTER * x;
    let high = scaled - (scaled - x);
    (high, x - high)
}
