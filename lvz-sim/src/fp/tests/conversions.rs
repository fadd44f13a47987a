// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Named cases of conversions: to and from integers, between formats, to integral values.

use crate::fp::*;

const V: Flags = Flags::INVALID;
const I: Flags = Flags::INEXACT;
const NONE: Flags = Flags::empty();

fn run<R>(function: impl FnOnce(&mut Env) -> R) -> (R, Flags) {
    let mut env = Env::new(Round::NearestEven);
    let result = function(&mut env);
    (result, env.flags)
}

#[test]
fn out_of_range_saturates_and_nan_is_zero() {
    let word = |a: f64, rm| run(|env| to_i32::<f64>(a.to_bits(), rm, env));
    let rm = Round::TowardZero;
    assert_eq!(word(f64::NAN, rm), (0, V));
    assert_eq!(word(-f64::NAN, rm), (0, V));
    assert_eq!(word(f64::INFINITY, rm), (i32::MAX, V));
    assert_eq!(word(f64::NEG_INFINITY, rm), (i32::MIN, V));
    assert_eq!(word(1e300, rm), (i32::MAX, V));
    assert_eq!(word(-2_147_483_648.0, rm), (i32::MIN, NONE));
    assert_eq!(word(-2_147_483_648.9, rm), (i32::MIN, I));
    assert_eq!(word(-2_147_483_648.9, Round::Down), (i32::MIN, V));
    assert_eq!(word(2_147_483_647.5, Round::Down), (i32::MAX, I));
    assert_eq!(word(2_147_483_647.5, Round::NearestEven), (i32::MAX, V));
    let long = |a: f64| run(|env| to_i64::<f64>(a.to_bits(), Round::NearestEven, env));
    assert_eq!(long(9_223_372_036_854_775_808.0), (i64::MAX, V));
    assert_eq!(long(-9_223_372_036_854_775_808.0), (i64::MIN, NONE));
    assert_eq!(
        long(9_223_372_036_854_774_784.0),
        (9_223_372_036_854_774_784, NONE)
    );
    assert_eq!(long(5e-324), (0, I));
    let unsigned = |a: f64, rm| run(|env| to_u64::<f64>(a.to_bits(), rm, env));
    assert_eq!(unsigned(-0.75, Round::TowardZero), (0, I));
    assert_eq!(unsigned(-0.75, Round::NearestEven), (0, V));
    assert_eq!(unsigned(-0.0, Round::Down), (0, NONE));
    assert_eq!(unsigned(18_446_744_073_709_551_615.0, rm), (u64::MAX, V));
    let unsigned_word = |a: f32| run(|env| to_u32::<f32>(a.to_bits(), Round::TowardZero, env));
    assert_eq!(unsigned_word(4_294_967_040.0), (4_294_967_040, NONE));
    assert_eq!(unsigned_word(4_294_967_296.0), (u32::MAX, V));
}

#[test]
fn halves_round_by_the_mode_given() {
    let modes = |a: f32| Round::ALL.map(|rm| run(|env| to_i32::<f32>(a.to_bits(), rm, env)).0);
    assert_eq!(modes(2.5), [2, 2, 3, 2]);
    assert_eq!(modes(3.5), [4, 3, 4, 3]);
    assert_eq!(modes(-0.5), [0, 0, 0, -1]);
    assert_eq!(modes(0.50000006), [1, 0, 1, 0]);
    assert_eq!(modes(-1.25), [-1, -1, -1, -2]);
}

#[test]
fn integral_values_keep_the_sign_of_zero() {
    let round = |a: f64, rm| {
        let (bits, flags) = run(|env| round_to_integral::<f64>(a.to_bits(), rm, env));
        (f64::from_bits(bits), flags)
    };
    let (zero, flags) = round(-0.25, Round::NearestEven);
    assert!(zero == 0.0 && zero.is_sign_negative() && flags == I);
    assert_eq!(round(-0.25, Round::Down), (-1.0, I));
    assert_eq!(round(1e300, Round::Up), (1e300, NONE));
    assert_eq!(
        round(4_503_599_627_370_495.5, Round::NearestEven),
        (4_503_599_627_370_496.0, I)
    );
    assert_eq!(round(f64::INFINITY, Round::Down), (f64::INFINITY, NONE));
    assert_eq!(
        run(|env| round_to_integral::<f32>(0x7fa0_0000, Round::Up, env)),
        (0x7fe0_0000, V)
    );
}

#[test]
fn nan_payloads_survive_conversion() {
    let narrow = |a| run(|env| convert::<f64, f32>(a, env));
    let widen = |a| run(|env| convert::<f32, f64>(a, env));
    assert_eq!(widen(0xffc1_2345), (0xfff8_2468_a000_0000, NONE));
    assert_eq!(widen(0x7f81_2345), (0x7ff8_2468_a000_0000, V));
    assert_eq!(narrow(0xfff8_2468_bfff_ffff), (0xffc1_2345, NONE));
    assert_eq!(narrow(0x7ff0_0000_0000_0001), (0x7fc0_0000, V));
    assert_eq!(
        run(|env| convert::<f32, Half>(0x7f80_2000, env)),
        (0x7e01, V)
    );
    assert_eq!(
        run(|env| convert::<Half, f32>(0xfe01, env)),
        (0xffc0_2000, NONE)
    );
}

#[test]
fn half_precision() {
    let half = |a: f32| run(|env| convert::<f32, Half>(a.to_bits(), env));
    let single = |a: u16| f32::from_bits(run(|env| convert::<Half, f32>(a, env)).0);
    assert_eq!(half(1.0), (0x3c00, NONE));
    assert_eq!(half(65_504.0), (0x7bff, NONE));
    assert_eq!(half(65_519.0), (0x7bff, I));
    assert_eq!(half(65_520.0), (0x7c00, I | Flags::OVERFLOW));
    assert_eq!(half(-5.960_464_5e-8), (0x8001, Flags::TINY));
    assert_eq!(half(2e-8), (0, I | Flags::UNDERFLOW | Flags::TINY));
    assert_eq!(single(0x0001), 5.960_464_5e-8);
    assert_eq!(single(0xfc00), f32::NEG_INFINITY);
    // Every half is a single.
    for bits in 0..=u16::MAX {
        let wide = run(|env| convert::<Half, f32>(bits, env)).0;
        let back = run(|env| convert::<f32, Half>(wide, env)).0;
        let quiet = if bits & 0x7fff > 0x7c00 {
            bits | 0x200
        } else {
            bits
        };
        assert_eq!(back, quiet);
    }
}

#[test]
fn integers_round_to_the_format() {
    let single = |a: i64| run(|env| from_i64::<f32>(a, env));
    assert_eq!(single(0), (0, NONE));
    assert_eq!(single(-1), ((-1.0_f32).to_bits(), NONE));
    assert_eq!(single(0x100_0001), (0x4b80_0000, I));
    assert_eq!(single(i64::MIN), (0xdf00_0000, NONE));
    assert_eq!(single(i64::MAX), (0x5f00_0000, I));
    let double = |a: u64| run(|env| from_u64::<f64>(a, env));
    assert_eq!(
        double(u64::MAX),
        (18_446_744_073_709_551_616_f64.to_bits(), I)
    );
    assert_eq!(
        double(1 << 63),
        (9_223_372_036_854_775_808_f64.to_bits(), NONE)
    );
}
