// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Fused multiply-add on the computer's unit, if it has that: rounding to nearest, of
//! numbers that are far from the limits of their format, with no exception enabled. All
//! else is left to the handlers.

use super::super::emitter::Emitter;
use super::super::form::Form;
use super::fp::form;
use super::fp_arith::{DOUBLE, Outcome, SINGLE, Shape, all, finish};
use crate::cpu::Op;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, Value, types};
use la_arch::insn::fp as enc;

/// Whether the computer rounds a product and a sum once. What Cranelift calls where it does
/// not is left to the handler.
fn computer_fuses(_: &Op) -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("fma");
    #[cfg(not(target_arch = "x86_64"))]
    true
}

/// The sum and its rounding error, which is exact (Knuth's TwoSum).
fn two_sum(e: &mut Emitter<'_>, a: Value, b: Value) -> (Value, Value) {
    let sum = e.b.ins().fadd(a, b);
    let b_part = e.b.ins().fsub(sum, a);
    let a_part = e.b.ins().fsub(sum, b_part);
    let a_error = e.b.ins().fsub(a, a_part);
    let b_error = e.b.ins().fsub(b, b_part);
    (sum, e.b.ins().fadd(a_error, b_error))
}

/// In double precision the product is exact, so that the sum and its error are all there is.
fn single(e: &mut Emitter<'_>, a: Value, b: Value, c: Value) -> Outcome {
    let result = e.b.ins().fma(a, b, c);
    let [a, b, c, wide] = [a, b, c, result].map(|x| e.b.ins().fpromote(types::F64, x));
    let product = e.b.ins().fmul(a, b);
    let (sum, error) = two_sum(e, product, c);
    let zero = e.b.ins().f64const(0.0);
    let rounded = e.b.ins().fcmp(FloatCC::NotEqual, wide, sum);
    let remains = e.b.ins().fcmp(FloatCC::NotEqual, error, zero);
    let inexact = e.b.ins().bor(rounded, remains);
    let safe = SINGLE.is_safe(e, result);
    let cancelled = e.b.ins().fcmp(FloatCC::Equal, sum, zero);
    let fits = e.b.ins().bor(safe, cancelled);
    (result, inexact, fits)
}

/// Whether the exponent of a magnitude is at most `limit` away from that of one.
fn is_within(e: &mut Emitter<'_>, s: Shape, magnitude: Value, limit: i64) -> Value {
    let low = s.constant(e, ((s.bias - limit) << s.fraction_bits) as u64);
    let above = e.b.ins().isub(magnitude, low);
    let range = s.constant(e, ((2 * limit) << s.fraction_bits) as u64);
    e.b.ins().icmp(IntCC::UnsignedLessThan, above, range)
}

/// The rounding error is the sum of two numbers (Boldo and Muller, "Exact and approximated error
/// of the FMA", 2011: ErrFmaNearest). The limits on the operands keep every step from overflow
/// and underflow.
fn double(e: &mut Emitter<'_>, a: Value, b: Value, c: Value) -> Outcome {
    let result = e.b.ins().fma(a, b, c);
    let product = e.b.ins().fmul(a, b);
    let negated = e.b.ins().fneg(product);
    let product_error = e.b.ins().fma(a, b, negated);
    let (low, rest) = two_sum(e, c, product_error);
    let (high, high_error) = two_sum(e, product, low);
    let difference = e.b.ins().fsub(high, result);
    let difference = e.b.ins().fadd(difference, high_error);
    let opposite = e.b.ins().fneg(rest);
    let inexact = e.b.ins().fcmp(FloatCC::NotEqual, difference, opposite);
    let [a, b, c] = [a, b, c].map(|x| DOUBLE.magnitude(e, x));
    let nothing = e.b.ins().icmp_imm_s(IntCC::Equal, c, 0);
    let term = is_within(e, DOUBLE, c, 900);
    let fits = [
        is_within(e, DOUBLE, a, 450),
        is_within(e, DOUBLE, b, 450),
        e.b.ins().bor(nothing, term),
    ];
    let fits = all(e, fits);
    (result, inexact, fits)
}

macro_rules! fused {
    ($enc:ident, $function:ident, $shape:ident, subtract: $subtract:literal, negate: $negate:literal) => {
        Form {
            fits: computer_fuses,
            ..form(&enc::$enc, 0, 0, |e, op| {
                let [a, b, mut c] = [op.rj, op.rk, op.ra].map(|r| e.fpr(r, $shape.number));
                if $subtract {
                    c = e.b.ins().fneg(c);
                }
                let (mut result, inexact, fits) = $function(e, a, b, c);
                if $negate {
                    result = e.b.ins().fneg(result);
                }
                finish(e, op, (result, inexact, fits));
            })
        }
    };
}

const ALL: &[Form] = &[
    fused!(FMADD_S, single, SINGLE, subtract: false, negate: false),
    fused!(FMADD_D, double, DOUBLE, subtract: false, negate: false),
    fused!(FMSUB_S, single, SINGLE, subtract: true, negate: false),
    fused!(FMSUB_D, double, DOUBLE, subtract: true, negate: false),
    fused!(FNMADD_S, single, SINGLE, subtract: false, negate: true),
    fused!(FNMADD_D, double, DOUBLE, subtract: false, negate: true),
    fused!(FNMSUB_S, single, SINGLE, subtract: true, negate: true),
    fused!(FNMSUB_D, double, DOUBLE, subtract: true, negate: true),
];

pub(super) const FORMS: &[&[Form]] = &[ALL];
