// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Named cases of arithmetic: NaNs, zeros, limits, flags and FCSR.

use crate::fp::compare::{Relation, compare_quiet};
use crate::fp::*;

const QNAN: u32 = 0x7fc0_0000;
const SNAN_1: u32 = 0x7f80_0001;
const SNAN_2: u32 = 0xff80_0002;
const QNAN_3: u32 = 0x7fc0_0003;
const QNAN_4: u32 = 0xffc0_0004;
const INF: u32 = 0x7f80_0000;
const MAX: u32 = 0x7f7f_ffff;
const MIN_NORMAL: u32 = 0x0080_0000;
const MIN_SUBNORMAL: u32 = 1;
const SIGN: u32 = 0x8000_0000;
const ONE: u32 = 0x3f80_0000;

fn run<R>(rm: Round, function: impl FnOnce(&mut Env) -> R) -> (R, Flags) {
    let mut env = Env::new(rm);
    let result = function(&mut env);
    (result, env.flags)
}

fn nearest<R>(function: impl FnOnce(&mut Env) -> R) -> (R, Flags) {
    run(Round::NearestEven, function)
}

const NONE: Flags = Flags::empty();
const V: Flags = Flags::INVALID;
const Z: Flags = Flags::DIVISION_BY_ZERO;
const I: Flags = Flags::INEXACT;
const OVERFLOW: Flags = Flags::OVERFLOW.union(Flags::INEXACT);
const UNDERFLOW: Flags = Flags::UNDERFLOW.union(Flags::INEXACT).union(Flags::TINY);

#[test]
fn two_operand_nan_priority() {
    let both = |a, b| {
        let results = [
            nearest(|env| add::<f32>(a, b, env)),
            nearest(|env| sub::<f32>(a, b, env)),
            nearest(|env| mul::<f32>(a, b, env)),
            nearest(|env| div::<f32>(a, b, env)),
        ];
        assert!(results.iter().all(|r| *r == results[0]), "{results:x?}");
        results[0]
    };
    assert_eq!(both(QNAN_3, QNAN_4), (QNAN_3, NONE));
    assert_eq!(both(QNAN_4, QNAN_3), (QNAN_4, NONE));
    assert_eq!(both(ONE, QNAN_4), (QNAN_4, NONE));
    assert_eq!(both(QNAN_3, SNAN_2), (SNAN_2 | 0x40_0000, V));
    assert_eq!(both(SNAN_1, SNAN_2), (SNAN_1 | 0x40_0000, V));
    assert_eq!(both(INF, SNAN_2), (SNAN_2 | 0x40_0000, V));
}

#[test]
fn three_operand_nan_priority() {
    let fma = |a, b, c| nearest(|env| fmadd::<f32>(a, b, c, env));
    assert_eq!(fma(QNAN_3, QNAN_4, QNAN), (QNAN, NONE));
    assert_eq!(fma(QNAN_3, QNAN_4, ONE), (QNAN_3, NONE));
    assert_eq!(fma(SNAN_1, SNAN_2, QNAN_3), (SNAN_1 | 0x40_0000, V));
    assert_eq!(fma(ONE, SNAN_1, SNAN_2), (SNAN_2 | 0x40_0000, V));
    // inf * 0 is invalid whatever is added; the NaN that is added still comes out.
    assert_eq!(fma(INF, 0, QNAN_3), (QNAN_3, V));
    assert_eq!(fma(SIGN, INF, QNAN_4), (QNAN_4, V));
    assert_eq!(fma(INF, 0, ONE), (QNAN, V));
    assert_eq!(fma(INF, ONE, INF | SIGN), (QNAN, V));
    // No variant changes the sign of a NaN.
    for function in [fmadd::<f32>, fmsub::<f32>, fnmadd::<f32>, fnmsub::<f32>] {
        let run = |a, b, c| nearest(|env| function(a, b, c, env));
        assert_eq!(run(ONE, ONE, QNAN_3), (QNAN_3, NONE));
        assert_eq!(run(ONE, ONE, QNAN_4), (QNAN_4, NONE));
        assert_eq!(run(INF, 0, ONE), (QNAN, V));
    }
}

#[test]
fn invalid_operations_give_the_default_nan() {
    assert_eq!(nearest(|env| sub::<f32>(INF, INF, env)), (QNAN, V));
    assert_eq!(nearest(|env| add::<f32>(INF, INF | SIGN, env)), (QNAN, V));
    assert_eq!(nearest(|env| mul::<f32>(0, INF | SIGN, env)), (QNAN, V));
    assert_eq!(nearest(|env| div::<f32>(0, SIGN, env)), (QNAN, V));
    assert_eq!(nearest(|env| div::<f32>(INF, INF, env)), (QNAN, V));
    assert_eq!(nearest(|env| sqrt::<f32>(ONE | SIGN, env)), (QNAN, V));
    assert_eq!(nearest(|env| sqrt::<f32>(INF | SIGN, env)), (QNAN, V));
    assert_eq!(
        nearest(|env| sqrt::<f64>((-1e-310_f64).to_bits(), env)),
        (0x7ff8_0000_0000_0000, V)
    );
}

#[test]
fn division_by_zero() {
    assert_eq!(nearest(|env| div::<f32>(ONE, 0, env)), (INF, Z));
    assert_eq!(nearest(|env| div::<f32>(ONE, SIGN, env)), (INF | SIGN, Z));
    assert_eq!(nearest(|env| div::<f32>(INF, 0, env)), (INF, NONE));
    assert_eq!(nearest(|env| recip::<f32>(SIGN, env)), (INF | SIGN, Z));
    assert_eq!(nearest(|env| rsqrt::<f32>(SIGN, env)), (INF | SIGN, Z));
    assert_eq!(nearest(|env| recip::<f32>(INF, env)), (0, NONE));
}

#[test]
fn reciprocal_square_root_rounds_twice() {
    let four = 4.0_f32.to_bits();
    assert_eq!(
        nearest(|env| rsqrt::<f32>(four, env)),
        (0.5_f32.to_bits(), NONE)
    );
    let two = 2.0_f64;
    let expected = (1.0 / two.sqrt()).to_bits();
    assert_eq!(
        nearest(|env| rsqrt::<f64>(two.to_bits(), env)),
        (expected, I)
    );
    assert_eq!(nearest(|env| rsqrt::<f32>(ONE | SIGN, env)), (QNAN, V));
}

#[test]
fn signs_of_zero() {
    for rm in Round::ALL {
        let cancelled = if rm == Round::Down { SIGN } else { 0 };
        assert_eq!(run(rm, |env| sub::<f32>(ONE, ONE, env)), (cancelled, NONE));
        assert_eq!(run(rm, |env| add::<f32>(SIGN, 0, env)), (cancelled, NONE));
        assert_eq!(run(rm, |env| add::<f32>(SIGN, SIGN, env)), (SIGN, NONE));
        assert_eq!(run(rm, |env| sub::<f32>(0, SIGN, env)), (0, NONE));
        assert_eq!(run(rm, |env| sqrt::<f32>(SIGN, env)), (SIGN, NONE));
        let fma = |c| run(rm, move |env| fmadd::<f32>(ONE, ONE, c, env));
        assert_eq!(fma(ONE | SIGN), (cancelled, NONE));
        let zero = |a, c| run(rm, move |env| fmadd::<f32>(a, ONE, c, env));
        assert_eq!(zero(0, SIGN), (cancelled, NONE));
        assert_eq!(zero(SIGN, SIGN), (SIGN, NONE));
        // The sign of the sum changes after it is chosen.
        let negated = run(rm, |env| fnmadd::<f32>(ONE, ONE, ONE | SIGN, env));
        assert_eq!(negated, (cancelled ^ SIGN, NONE));
    }
}

#[test]
fn negated_forms_round_before_they_negate() {
    let tiny = 1e-30_f32.to_bits();
    let run = |rm, f: fn(u32, u32, u32, &mut Env) -> u32| run(rm, |env| f(ONE, ONE, tiny, env));
    assert_eq!(run(Round::Up, fmadd::<f32>), (ONE + 1, I));
    assert_eq!(run(Round::Up, fnmadd::<f32>), ((ONE + 1) | SIGN, I));
    assert_eq!(run(Round::Down, fnmadd::<f32>), (ONE | SIGN, I));
    assert_eq!(run(Round::Down, fmsub::<f32>), (ONE - 1, I));
    assert_eq!(run(Round::Down, fnmsub::<f32>), ((ONE - 1) | SIGN, I));
}

#[test]
fn fused_multiply_add_rounds_once() {
    // (1 + 2^-12)^2 = 1 + 2^-11 + 2^-24: the last term is lost by a product that rounds.
    let a = ONE | 1 << 11;
    let square = nearest(|env| mul::<f32>(a, a, env));
    assert_eq!(square, (ONE | 1 << 12, I));
    let rest = nearest(|env| fmsub::<f32>(a, a, square.0, env));
    assert_eq!(rest, (2.0_f32.powi(-24).to_bits(), NONE));
    // The square lies half-way between two numbers; the least that is added decides.
    let c = MIN_SUBNORMAL;
    let up = nearest(|env| fmadd::<f32>(a, a, c, env));
    assert_eq!(up, ((ONE | 1 << 12) + 1, I));
    let down = nearest(|env| fmadd::<f32>(a, a, c | SIGN, env));
    assert_eq!(down, (ONE | 1 << 12, I));
}

#[test]
fn overflow_follows_the_rounding_mode() {
    let expected = [
        (Round::NearestEven, INF, INF | SIGN),
        (Round::TowardZero, MAX, MAX | SIGN),
        (Round::Up, INF, MAX | SIGN),
        (Round::Down, MAX, INF | SIGN),
    ];
    for (rm, positive, negative) in expected {
        let double = |a| run(rm, move |env| add::<f32>(a, a, env));
        assert_eq!(double(MAX), (positive, OVERFLOW));
        assert_eq!(double(MAX | SIGN), (negative, OVERFLOW));
        let square = run(rm, |env| mul::<f32>(MAX, MAX, env));
        assert_eq!(square, (positive, OVERFLOW));
        let scaled = run(rm, |env| scaleb::<f32>(ONE | SIGN, 128, env));
        assert_eq!(scaled, (negative, OVERFLOW));
        let far = run(rm, |env| scaleb::<f64>(1, i64::MAX, env));
        assert!(far.1 == OVERFLOW);
    }
}

#[test]
fn tininess_is_detected_after_rounding() {
    // Just below the smallest normal number. What rounds up to it even with an unbounded exponent
    // is not tiny; what does so only because subnormal numbers lie less densely is.
    let min = MIN_NORMAL;
    let product = nearest(|env| mul::<f32>(min, ONE - 1, env));
    assert_eq!(product, (min, UNDERFLOW));
    let a = f64::from(f32::from_bits(min)) - 2.0_f64.powi(-152);
    let narrowed = nearest(|env| convert::<f64, f32>(a.to_bits(), env));
    assert_eq!(narrowed, (min, I));
    let a = f64::from(f32::from_bits(min)) - 2.0_f64.powi(-150);
    let narrowed = nearest(|env| convert::<f64, f32>(a.to_bits(), env));
    assert_eq!(narrowed, (min, UNDERFLOW));
    let truncated = run(Round::TowardZero, |env| {
        convert::<f64, f32>(a.to_bits(), env)
    });
    assert_eq!(truncated, (min - 1, UNDERFLOW));
}

#[test]
fn underflow_follows_the_rounding_mode() {
    for rm in Round::ALL {
        let halve = |a| run(rm, move |env| scaleb::<f32>(a, -1, env));
        let up = u32::from(rm == Round::Up);
        let down = u32::from(rm == Round::Down);
        assert_eq!(halve(1), (up, UNDERFLOW));
        assert_eq!(halve(1 | SIGN), (down | SIGN, UNDERFLOW));
        let nearest = u32::from(rm == Round::NearestEven);
        assert_eq!(halve(3), (1 + up + nearest, UNDERFLOW));
        // Exact subnormal results are tiny but raise nothing.
        assert_eq!(halve(MIN_NORMAL), (MIN_NORMAL / 2, Flags::TINY));
        let sum = run(rm, |env| add::<f32>(1, 1, env));
        assert_eq!(sum, (2, Flags::TINY));
    }
}

#[test]
fn logb_is_the_exponent() {
    let exponent = |a: f64| {
        let (bits, flags) = nearest(|env| logb::<f64>(a.to_bits(), env));
        (f64::from_bits(bits), flags)
    };
    assert_eq!(exponent(1.0), (0.0, NONE));
    assert!(exponent(1.0).0.is_sign_positive());
    assert_eq!(exponent(1023.99), (9.0, NONE));
    assert_eq!(exponent(0.999_999_999_999_999_9), (-1.0, NONE));
    assert_eq!(exponent(f64::MAX), (1023.0, NONE));
    assert_eq!(exponent(f64::from_bits(1)), (-1074.0, NONE));
    assert_eq!(exponent(0.0), (f64::NEG_INFINITY, Z));
    assert_eq!(exponent(-0.0), (f64::NEG_INFINITY, Z));
    assert_eq!(exponent(f64::INFINITY), (f64::INFINITY, NONE));
    assert!(exponent(-8.0).0.is_nan());
    assert_eq!(exponent(-8.0).1, V);
    assert_eq!(exponent(f64::NEG_INFINITY).1, V);
    assert_eq!(
        nearest(|env| logb::<f32>(SNAN_2, env)),
        (SNAN_2 | 0x40_0000, V)
    );
}

#[test]
fn classes() {
    let expected = [
        (SNAN_2, 0),
        (QNAN_4, 1),
        (INF | SIGN, 2),
        (ONE | SIGN, 3),
        (MIN_SUBNORMAL | SIGN, 4),
        (SIGN, 5),
        (INF, 6),
        (MIN_NORMAL, 7),
        (MIN_NORMAL - 1, 8),
        (0, 9),
    ];
    for (bits, bit) in expected {
        assert_eq!(class::<f32>(bits), 1 << bit, "{bits:#x}");
    }
}

#[test]
fn minimum_and_maximum() {
    let two = 2.0_f32.to_bits();
    let max = |a, b| nearest(|env| max::<f32>(a, b, env));
    let min = |a, b| nearest(|env| min::<f32>(a, b, env));
    let maxa = |a, b| nearest(|env| max_magnitude::<f32>(a, b, env));
    let mina = |a, b| nearest(|env| min_magnitude::<f32>(a, b, env));
    assert_eq!(max(ONE, two), (two, NONE));
    assert_eq!(min(ONE, two | SIGN), (two | SIGN, NONE));
    assert_eq!((max(0, SIGN), max(SIGN, 0)), ((0, NONE), (0, NONE)));
    assert_eq!((min(0, SIGN), min(SIGN, 0)), ((SIGN, NONE), (SIGN, NONE)));
    assert_eq!(maxa(ONE, two | SIGN), (two | SIGN, NONE));
    assert_eq!(mina(ONE | SIGN, two), (ONE | SIGN, NONE));
    assert_eq!(
        (maxa(ONE | SIGN, ONE), maxa(ONE, ONE | SIGN)),
        ((ONE, NONE), (ONE, NONE))
    );
    assert_eq!(mina(ONE, ONE | SIGN), (ONE | SIGN, NONE));
    for function in [max, min, maxa, mina] as [fn(u32, u32) -> (u32, Flags); 4] {
        assert_eq!(function(QNAN_3, ONE), (ONE, NONE));
        assert_eq!(function(INF | SIGN, QNAN_4), (INF | SIGN, NONE));
        assert_eq!(function(QNAN_3, QNAN_4), (QNAN_3, NONE));
        assert_eq!(function(ONE, SNAN_2), (SNAN_2 | 0x40_0000, V));
        assert_eq!(function(QNAN_3, SNAN_1), (SNAN_1 | 0x40_0000, V));
    }
}

#[test]
fn conditions() {
    // Mnemonic without the c or s, field without the signalling bit, and for which of less, equal,
    // greater and unordered it holds (manual volume 1, 3.2.2).
    let conditions = [
        ("af", 0x00, [false, false, false, false]),
        ("lt", 0x02, [true, false, false, false]),
        ("eq", 0x04, [false, true, false, false]),
        ("le", 0x06, [true, true, false, false]),
        ("un", 0x08, [false, false, false, true]),
        ("ult", 0x0a, [true, false, false, true]),
        ("ueq", 0x0c, [false, true, false, true]),
        ("ule", 0x0e, [true, true, false, true]),
        ("ne", 0x10, [true, false, true, false]),
        ("or", 0x14, [true, true, true, false]),
        ("une", 0x18, [true, false, true, true]),
    ];
    let operands = [(ONE | SIGN, ONE), (0, SIGN), (INF, MAX), (QNAN, ONE)];
    for (name, field, holds) in conditions {
        for signalling in [0, 1] {
            let condition = Condition::decode(field | signalling).unwrap();
            for ((a, b), holds) in operands.into_iter().zip(holds) {
                let raised = if a == QNAN && signalling == 1 {
                    V
                } else {
                    NONE
                };
                let result = nearest(|env| condition.holds::<f32>(a, b, env));
                assert_eq!(result, (holds, raised), "{name} {signalling} {a:#x} {b:#x}");
            }
            let result = nearest(|env| condition.holds::<f32>(ONE, SNAN_1, env));
            assert_eq!(result, (holds[3], V), "{name}");
        }
    }
    let defined = (0..32).filter(|&field| Condition::decode(field).is_some());
    assert_eq!(defined.count(), 2 * conditions.len());
}

#[test]
fn comparisons_order_negative_numbers() {
    let less =
        |a: f64, b: f64| nearest(|env| compare_quiet::<f64>(a.to_bits(), b.to_bits(), env)).0;
    assert_eq!(less(-2.0, -1.0), Relation::Less);
    assert_eq!(less(-1.0, -2.0), Relation::Greater);
    assert_eq!(less(-0.0, 1e-310), Relation::Less);
    assert_eq!(less(f64::NEG_INFINITY, f64::MIN), Relation::Less);
    assert_eq!(less(-1.5, -1.5), Relation::Equal);
}

#[test]
fn estimates_are_near_and_not_exact() {
    let mut env = Env::new(Round::NearestEven).with_exact(false);
    let mut differ = 0;
    for a in [
        1.0f64,
        3.0,
        0.7,
        1e-300,
        1e300,
        12345.678,
        2.0f64.powi(-1030),
    ] {
        for (estimate, exact) in [
            (recip_estimate::<f64>(a.to_bits(), &mut env), 1.0 / a),
            (rsqrt_estimate::<f64>(a.to_bits(), &mut env), 1.0 / a.sqrt()),
        ] {
            let estimate = f64::from_bits(estimate);
            // Not of infinity, which is as it is.
            let error = if estimate == exact {
                0.0
            } else {
                (estimate / exact - 1.0).abs()
            };
            assert!(error < 2.0f64.powi(-14), "{a} {estimate} {exact}");
            differ += u32::from(estimate != exact);
        }
    }
    assert!(differ > 6);
    for (a, expected) in [(0.0f32, f32::INFINITY), (f32::INFINITY, 0.0), (4.0, 0.25)] {
        let got = recip_estimate::<f32>(a.to_bits(), &mut env);
        assert_eq!(f32::from_bits(got), expected);
    }
    let mut env = Env::new(Round::NearestEven);
    let got = recip_estimate::<f32>(3.0f32.to_bits(), &mut env);
    assert_eq!(f32::from_bits(got), 1.0 / 3.0);
}

#[test]
fn fcsr_views() {
    let mut fcsr = Fcsr::from_bits(u32::MAX);
    assert_eq!(fcsr.bits(), 0x1f1f_035f);
    assert_eq!(
        [0, 1, 2, 3, 4, 31].map(|n| fcsr.read(n)),
        [0x1f1f_035f, 0x1f, 0x1f1f_0000, 0x300, 0, 0]
    );
    // TM is the instruction's to write.
    fcsr.write(0, 0x1f1f_031f);
    assert!(fcsr.stack_mode());
    fcsr = fcsr.with_stack_mode(false);
    assert_eq!(fcsr.bits(), 0x1f1f_031f);
    fcsr.write(1, 0);
    assert_eq!(fcsr.bits(), 0x1f1f_0300);
    fcsr.write(3, 0x2ff);
    assert_eq!(fcsr.rounding(), Round::Up);
    fcsr.write(2, 0);
    fcsr.write(4, u32::MAX);
    assert_eq!(fcsr.bits(), 0x0000_0200);
}

#[test]
fn fcsr_records() {
    let mut fcsr = Fcsr::default();
    assert_eq!(fcsr.record(Flags::INEXACT | Flags::OVERFLOW), Ok(()));
    assert_eq!(fcsr.bits(), 0x0505_0000);
    // Cause is that of the last operation alone; Flags accumulates.
    assert_eq!(fcsr.record(Flags::INVALID), Ok(()));
    assert_eq!(fcsr.bits(), 0x1015_0000);
    assert_eq!(fcsr.record(NONE), Ok(()));
    assert_eq!(fcsr.bits(), 0x0015_0000);
    // An enabled exception traps, and then none of the operation's is accumulated.
    fcsr.write(1, Flags::DIVISION_BY_ZERO.bits().into());
    assert_eq!(
        fcsr.record(Flags::DIVISION_BY_ZERO | Flags::UNDERFLOW),
        Err(Trap)
    );
    assert_eq!(fcsr.bits(), 0x0a15_0008);
    // One that is not enabled does not.
    assert_eq!(fcsr.record(Flags::UNDERFLOW), Ok(()));
    assert_eq!(fcsr.bits(), 0x0217_0008);
}

#[test]
fn exact_tiny_results_underflow_if_enabled() {
    let mut fcsr = Fcsr::default();
    assert_eq!(fcsr.record(Flags::TINY), Ok(()));
    assert_eq!(fcsr.bits(), 0);
    fcsr.write(1, Flags::UNDERFLOW.bits().into());
    assert_eq!(fcsr.record(Flags::TINY), Err(Trap));
    assert_eq!(fcsr.bits(), 0x0200_0002);
}
