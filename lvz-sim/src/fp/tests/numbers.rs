// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Operands that are likely to meet the corners of an operation.

use crate::fp::{Format, Round};
use proptest::prelude::*;

/// Cases for each property: an operation takes nanoseconds, its corners are many.
pub(super) fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 20_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn fraction<F: Format>() -> impl Strategy<Value = u64> {
    let bits = F::FRACTION_BITS;
    prop_oneof![
        Just(0),
        Just(F::FRACTION),
        any::<u64>(),
        (0..bits).prop_map(|n| 1 << n),
        (0..bits).prop_map(|n| !(1 << n)),
        (any::<u64>(), 0..bits).prop_map(|(x, n)| x << n),
    ]
    .prop_map(|x| x & F::FRACTION)
}

fn exponent<F: Format>() -> impl Strategy<Value = u64> {
    let max = F::EXPONENT_MAX;
    let bias = F::BIAS as u64;
    prop_oneof![
        Just(0),
        Just(1),
        Just(max - 1),
        Just(max),
        0..=max,
        bias.saturating_sub(40)..(bias + 80).min(max),
    ]
}

fn assemble<F: Format>(sign: bool, exponent: u64, fraction: u64) -> u64 {
    (if sign { F::SIGN } else { 0 }) | exponent << F::FRACTION_BITS | fraction
}

/// Any bit pattern.
pub(super) fn number<F: Format>() -> impl Strategy<Value = u64> {
    (any::<bool>(), exponent::<F>(), fraction::<F>())
        .prop_map(|(sign, exponent, fraction)| assemble::<F>(sign, exponent, fraction))
}

/// Two bit patterns, often with neighbouring exponents.
pub(super) fn pair<F: Format>() -> impl Strategy<Value = (u64, u64)> {
    let independent = (number::<F>(), number::<F>());
    let near = (number::<F>(), any::<bool>(), -3..=3_i64, fraction::<F>()).prop_map(
        |(a, sign, distance, fraction)| {
            let exponent = (a & F::INFINITY) >> F::FRACTION_BITS;
            let exponent = exponent.saturating_add_signed(distance);
            let exponent = exponent.min(F::EXPONENT_MAX);
            (a, assemble::<F>(sign, exponent, fraction))
        },
    );
    prop_oneof![independent, near]
}

/// Three bit patterns for `a * b + c`; `c` is often as large as the product.
pub(super) fn triple<F: Format>() -> impl Strategy<Value = (u64, u64, u64)> {
    let independent = (pair::<F>(), number::<F>()).prop_map(|((a, b), c)| (a, b, c));
    let cancelling = (pair::<F>(), any::<bool>(), -60..=60_i64, fraction::<F>()).prop_map(
        |((a, b), sign, distance, fraction)| {
            let field = |x: u64| ((x & F::INFINITY) >> F::FRACTION_BITS) as i64;
            let exponent = field(a) + field(b) - i64::from(F::BIAS) + distance;
            let exponent = exponent.clamp(0, F::EXPONENT_MAX as i64) as u64;
            (a, b, assemble::<F>(sign, exponent, fraction))
        },
    );
    prop_oneof![independent, cancelling]
}

pub(super) fn rounding() -> impl Strategy<Value = Round> {
    prop::sample::select(&Round::ALL[..])
}
