// SPDX-License-Identifier: Apache-2.0 OR MIT

//! All rounding modes and flags against `rustc_apfloat`, a port of LLVM's APFloat.
//!
//! It differs in which NaN comes out; it raises underflow by the rounded result alone, so that flag
//! is not compared where the result is the smallest normal number; and it raises overflow only if
//! the result is infinite, so that one is not compared at the largest finite number. Signalling
//! NaNs and those flags are left to the named cases.

use super::numbers::{config, number, pair, rounding, triple};
use crate::fp::format::{is_nan, is_signalling_nan};
use crate::fp::{
    Env, Flags, Float, Format, Half, Round, add, convert, div, fmadd, fmsub, fnmadd, fnmsub,
    from_i64, from_u64, mul, round_to_integral, scaleb, sqrt, sub, to_i32, to_i64, to_u32, to_u64,
};
use proptest::prelude::*;
use rustc_apfloat::ieee::{self, Quad};
use rustc_apfloat::{Float as ApFloat, FloatConvert, Round as ApRound, Status, StatusAnd};

trait Reference: Format {
    type Ap: ApFloat + FloatConvert<Quad>;
}
impl Reference for f32 {
    type Ap = ieee::Single;
}
impl Reference for f64 {
    type Ap = ieee::Double;
}
impl Reference for Half {
    type Ap = ieee::Half;
}

fn ap<F: Reference>(raw: u64) -> F::Ap {
    F::Ap::from_bits(u128::from(raw))
}

fn ap_round(rm: Round) -> ApRound {
    match rm {
        Round::NearestEven => ApRound::NearestTiesToEven,
        Round::TowardZero => ApRound::TowardZero,
        Round::Up => ApRound::TowardPositive,
        Round::Down => ApRound::TowardNegative,
    }
}

fn flags(status: Status) -> Flags {
    [
        (Status::INVALID_OP, Flags::INVALID),
        (Status::DIV_BY_ZERO, Flags::DIVISION_BY_ZERO),
        (Status::OVERFLOW, Flags::OVERFLOW),
        (Status::UNDERFLOW, Flags::UNDERFLOW),
        (Status::INEXACT, Flags::INEXACT),
    ]
    .into_iter()
    .filter(|(ap, _)| status.contains(*ap))
    .map(|(_, flag)| flag)
    .collect()
}

fn check<F: Reference>(
    what: &str,
    rm: Round,
    function: impl FnOnce(&mut Env) -> F::Bits,
    reference: StatusAnd<F::Ap>,
) {
    let mut env = Env::new(rm);
    let result: u64 = function(&mut env).into();
    let expected = reference.value.to_bits() as u64;
    let same = result == expected || (is_nan::<F>(result) && is_nan::<F>(expected));
    let mut ignored = Flags::TINY;
    match result & !F::SIGN {
        magnitude if magnitude == F::FRACTION + 1 => ignored |= Flags::UNDERFLOW,
        magnitude if magnitude == F::MAX_FINITE => ignored |= Flags::OVERFLOW,
        _ => {}
    }
    assert!(
        same && env.flags - ignored == flags(reference.status) - ignored,
        "{what} {rm:?}: {result:#x} {:?}, expected {expected:#x} {:?}",
        env.flags,
        reference.status
    );
}

fn arithmetic<F: Float + Reference>(a: u64, b: u64, c: u64, rm: Round) {
    if [a, b, c].iter().any(|&x| is_signalling_nan::<F>(x)) {
        return;
    }
    let (x, y, z) = (F::truncate(a), F::truncate(b), F::truncate(c));
    let (p, q, r) = (ap::<F>(a), ap::<F>(b), ap::<F>(c));
    let ar = ap_round(rm);
    check::<F>("add", rm, |env| add::<F>(x, y, env), p.add_r(q, ar));
    check::<F>("sub", rm, |env| sub::<F>(x, y, env), p.sub_r(q, ar));
    check::<F>("mul", rm, |env| mul::<F>(x, y, env), p.mul_r(q, ar));
    check::<F>("div", rm, |env| div::<F>(x, y, env), p.div_r(q, ar));
    // `inf * 0 + NaN` is invalid on LoongArch and not in APFloat.
    if is_nan::<F>(c) {
        return;
    }
    let sum = p.mul_add_r(q, r, ar);
    let difference = p.mul_add_r(q, -r, ar);
    check::<F>("fmadd", rm, |env| fmadd::<F>(x, y, z, env), sum);
    check::<F>("fmsub", rm, |env| fmsub::<F>(x, y, z, env), difference);
    check::<F>(
        "fnmadd",
        rm,
        |env| fnmadd::<F>(x, y, z, env),
        sum.map(|v| -v),
    );
    check::<F>(
        "fnmsub",
        rm,
        |env| fnmsub::<F>(x, y, z, env),
        difference.map(|v| -v),
    );
}

/// The root's neighbours enclose the operand when squared, which a quadruple number holds exactly.
fn square_root<F: Float + Reference>(a: u64, rm: Round) {
    let mut env = Env::new(rm);
    let root: u64 = sqrt::<F>(F::truncate(a), &mut env).into();
    let operand = ap::<F>(a);
    if operand.is_nan() || operand.is_zero() || operand.is_infinite() || operand.is_negative() {
        return;
    }
    let wide = |x: F::Ap| -> Quad { x.convert(&mut false).value };
    let square = |raw: u64| {
        let root = wide(ap::<F>(raw));
        (root * root).value
    };
    let operand = wide(operand);
    let exact = square(root) == operand;
    assert_eq!(env.flags.contains(Flags::INEXACT), !exact);
    let (below, above) = match rm {
        _ if exact => return,
        Round::Up => (root - 1, root),
        Round::TowardZero | Round::Down => (root, root + 1),
        Round::NearestEven => (root - 1, root + 1),
    };
    assert!(square(below) < operand && operand < square(above));
}

fn to_integers<F: Reference>(a: u64, rm: Round) {
    let x = F::truncate(a);
    let signed = |width: usize| {
        let reference = ap::<F>(a).to_i128_r(width, ap_round(rm), &mut false);
        (reference.value as u64, flags(reference.status))
    };
    let unsigned = |width: usize| {
        let reference = ap::<F>(a).to_u128_r(width, ap_round(rm), &mut false);
        (reference.value as u64, flags(reference.status))
    };
    let ours = |function: &dyn Fn(&mut Env) -> u64| {
        let mut env = Env::new(Round::NearestEven);
        (function(&mut env), env.flags)
    };
    assert_eq!(
        ours(&|env| i64::from(to_i32::<F>(x, rm, env)) as u64),
        signed(32)
    );
    assert_eq!(ours(&|env| to_i64::<F>(x, rm, env) as u64), signed(64));
    assert_eq!(
        ours(&|env| u64::from(to_u32::<F>(x, rm, env))),
        unsigned(32)
    );
    assert_eq!(ours(&|env| to_u64::<F>(x, rm, env)), unsigned(64));
}

fn from_integers<F: Reference>(value: u64, rm: Round) {
    let ar = ap_round(rm);
    let signed = value as i64;
    let reference = F::Ap::from_i128_r(i128::from(signed), ar);
    check::<F>("from_i64", rm, |env| from_i64::<F>(signed, env), reference);
    let reference = F::Ap::from_u128_r(u128::from(value), ar);
    check::<F>("from_u64", rm, |env| from_u64::<F>(value, env), reference);
}

fn integral<F: Reference>(a: u64, n: i32, rm: Round) {
    if is_signalling_nan::<F>(a) {
        return;
    }
    let (x, p, ar) = (F::truncate(a), ap::<F>(a), ap_round(rm));
    check::<F>(
        "round_to_integral",
        rm,
        |env| round_to_integral::<F>(x, rm, env),
        p.round_to_integral(ar),
    );
    // APFloat's scaling reports no flags.
    let mut env = Env::new(rm);
    let scaled: u64 = scaleb::<F>(x, i64::from(n), &mut env).into();
    assert!(is_nan::<F>(a) || scaled == p.scalbn_r(n, ar).to_bits() as u64);
}

fn formats<S: Reference, D: Reference>(a: u64, rm: Round)
where
    S::Ap: FloatConvert<D::Ap>,
{
    if !is_signalling_nan::<S>(a) {
        let reference = ap::<S>(a).convert_r(ap_round(rm), &mut false);
        check::<D>(
            "convert",
            rm,
            |env| convert::<S, D>(S::truncate(a), env),
            reference,
        );
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn single_arithmetic((a, b, c) in triple::<f32>(), rm in rounding()) {
        arithmetic::<f32>(a, b, c, rm);
    }

    #[test]
    fn double_arithmetic((a, b, c) in triple::<f64>(), rm in rounding()) {
        arithmetic::<f64>(a, b, c, rm);
    }

    #[test]
    fn square_roots(a in number::<f64>(), b in number::<f32>(), drop in 0..40_u32, rm in rounding()) {
        square_root::<f64>(a, rm);
        square_root::<f32>(b, rm);
        let few_bits = f64::from_bits(a & (u64::MAX << drop));
        square_root::<f64>((few_bits * few_bits).to_bits(), rm);
    }

    #[test]
    fn number_to_integer(a in number::<f64>(), b in number::<f32>(), rm in rounding()) {
        to_integers::<f64>(a, rm);
        to_integers::<f32>(b, rm);
    }

    #[test]
    fn integer_to_number(value in any::<u64>(), shift in 0..64_u32, near in -3..=3_i64, rm in rounding()) {
        for value in [value >> shift, (value as i64 >> shift) as u64, (1_u64 << shift).wrapping_add_signed(near)] {
            from_integers::<f64>(value, rm);
            from_integers::<f32>(value, rm);
        }
    }

    #[test]
    fn integral_values(a in number::<f64>(), b in number::<f32>(), n in -2200..2200_i32, rm in rounding()) {
        integral::<f64>(a, n, rm);
        integral::<f32>(b, n / 4, rm);
    }

    #[test]
    fn format_to_format((a, _) in pair::<f64>(), b in number::<f32>(), c in number::<Half>(), rm in rounding()) {
        formats::<f64, f32>(a, rm);
        formats::<f32, f64>(b, rm);
        formats::<f32, Half>(b, rm);
        formats::<Half, f32>(c, rm);
        // Doubles that a single can nearly hold.
        let near = f64::from(f32::from_bits(b as u32)).to_bits();
        formats::<f64, f32>(near.wrapping_add(a & 7), rm);
    }
}
