// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Floating-point arithmetic on the computer's unit, as `fp/fast.rs` does it: rounding to
//! nearest, of numbers that are far from the limits of their format, with no exception
//! enabled. Whether a result is inexact follows from the numbers. All else is left to
//! the handlers.

use super::super::emitter::Emitter;
use super::super::form::Form;
use super::fp::form;
use crate::cpu::Op;
use crate::fp::Format;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, Value, types};
use la_arch::insn::fp as enc;

/// A format by the type of its numbers.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) number: Type,
    bits: Type,
    pub(super) fraction_bits: i64,
    pub(super) bias: i64,
    sign: u64,
    infinity: u64,
}

const fn shape<F: Format>(number: Type, bits: Type) -> Shape {
    Shape {
        number,
        bits,
        fraction_bits: F::FRACTION_BITS as i64,
        bias: F::BIAS as i64,
        sign: F::SIGN,
        infinity: F::INFINITY,
    }
}

pub(super) const SINGLE: Shape = shape::<f32>(types::F32, types::I32);
pub(super) const DOUBLE: Shape = shape::<f64>(types::F64, types::I64);

impl Shape {
    pub(super) fn constant(self, e: &mut Emitter<'_>, value: u64) -> Value {
        e.b.ins().iconst(self.bits, value as i64)
    }

    fn bits(self, e: &mut Emitter<'_>, number: Value) -> Value {
        e.b.ins().bitcast(self.bits, MemFlagsData::new(), number)
    }

    /// The bits without the sign.
    pub(super) fn magnitude(self, e: &mut Emitter<'_>, number: Value) -> Value {
        let bits = self.bits(e, number);
        let mask = self.constant(e, self.sign - 1);
        e.b.ins().band(bits, mask)
    }

    /// Whether a magnitude is from `low` to the largest finite number's.
    fn is_from(self, e: &mut Emitter<'_>, magnitude: Value, low: u64) -> Value {
        let low_value = self.constant(e, low);
        let above = e.b.ins().isub(magnitude, low_value);
        let range = self.constant(e, self.infinity - low);
        e.b.ins().icmp(IntCC::UnsignedLessThan, above, range)
    }

    fn is_normal(self, e: &mut Emitter<'_>, number: Value) -> Value {
        let magnitude = self.magnitude(e, number);
        self.is_from(e, magnitude, 1 << self.fraction_bits)
    }

    /// Surely finite and not tiny: more than the smallest normal number.
    pub(super) fn is_safe(self, e: &mut Emitter<'_>, number: Value) -> Value {
        let magnitude = self.magnitude(e, number);
        self.is_from(e, magnitude, (1 << self.fraction_bits) + 1)
    }

    fn significand(self, e: &mut Emitter<'_>, number: Value) -> Value {
        let bits = self.bits(e, number);
        let mask = self.constant(e, (1 << self.fraction_bits) - 1);
        let fraction = e.b.ins().band(bits, mask);
        let one = self.constant(e, 1 << self.fraction_bits);
        e.b.ins().bor(fraction, one)
    }

    fn exponent(self, e: &mut Emitter<'_>, number: Value) -> Value {
        let magnitude = self.magnitude(e, number);
        e.b.ins().ushr_imm_s(magnitude, self.fraction_bits)
    }
}

/// A result, whether it is inexact, and whether it is right.
pub(super) type Outcome = (Value, Value, Value);

pub(super) fn all(e: &mut Emitter<'_>, conditions: [Value; 3]) -> Value {
    let both = e.b.ins().band(conditions[0], conditions[1]);
    e.b.ins().band(both, conditions[2])
}

fn add(e: &mut Emitter<'_>, s: Shape, a: Value, b: Value) -> Outcome {
    let sum = e.b.ins().fadd(a, b);
    let from_a = e.b.ins().fsub(sum, a);
    let from_b = e.b.ins().fsub(sum, b);
    let a_is_left = e.b.ins().fcmp(FloatCC::Equal, from_b, a);
    let b_is_left = e.b.ins().fcmp(FloatCC::Equal, from_a, b);
    let exact = e.b.ins().band(a_is_left, b_is_left);
    let inexact = e.b.ins().bxor_imm_s(exact, 1);
    let safe = s.is_safe(e, sum);
    let magnitude = s.magnitude(e, sum);
    let zero = e.b.ins().icmp_imm_s(IntCC::Equal, magnitude, 0);
    let fits = e.b.ins().bor(safe, zero);
    (sum, inexact, fits)
}

fn sub(e: &mut Emitter<'_>, s: Shape, a: Value, b: Value) -> Outcome {
    let negated = e.b.ins().fneg(b);
    add(e, s, a, negated)
}

fn mul(e: &mut Emitter<'_>, s: Shape, a: Value, b: Value) -> Outcome {
    let product = e.b.ins().fmul(a, b);
    let fits = [s.is_safe(e, product), s.is_normal(e, a), s.is_normal(e, b)];
    let fits = all(e, fits);
    let zeros = [a, b].map(|x| {
        let significand = s.significand(e, x);
        e.b.ins().ctz(significand)
    });
    let zeros = e.b.ins().iadd(zeros[0], zeros[1]);
    let exponents = [product, a, b].map(|x| s.exponent(e, x));
    let carry = e.b.ins().isub(exponents[0], exponents[1]);
    let carry = e.b.ins().isub(carry, exponents[2]);
    let needed = e.b.ins().iadd_imm_s(carry, s.bias + s.fraction_bits);
    let inexact = e.b.ins().icmp(IntCC::SignedLessThan, zeros, needed);
    (product, inexact, fits)
}

/// Whether `result` times `divisor` is not `a`, of the significands with what
/// `scale` says of the exponents.
fn remains(
    e: &mut Emitter<'_>,
    s: Shape,
    a: Value,
    divisor: Value,
    result: Value,
    scale: Value,
) -> Value {
    let [a, divisor, result] = [a, divisor, result].map(|x| s.significand(e, x));
    let product = e.b.ins().imul(result, divisor);
    let scale = e.b.ins().iadd_imm_s(scale, s.bias + s.fraction_bits);
    let scaled = e.b.ins().ishl(a, scale);
    e.b.ins().icmp(IntCC::NotEqual, product, scaled)
}

fn div(e: &mut Emitter<'_>, s: Shape, a: Value, b: Value) -> Outcome {
    let quotient = e.b.ins().fdiv(a, b);
    let fits = [s.is_safe(e, quotient), s.is_normal(e, a), s.is_normal(e, b)];
    let fits = all(e, fits);
    let exponents = [a, b, quotient].map(|x| s.exponent(e, x));
    let scale = e.b.ins().isub(exponents[0], exponents[1]);
    let scale = e.b.ins().isub(scale, exponents[2]);
    let inexact = remains(e, s, a, b, quotient, scale);
    (quotient, inexact, fits)
}

fn sqrt(e: &mut Emitter<'_>, s: Shape, a: Value) -> Outcome {
    let root = e.b.ins().sqrt(a);
    let bits = s.bits(e, a);
    let fits = s.is_from(e, bits, 1 << s.fraction_bits);
    let exponents = [a, root].map(|x| s.exponent(e, x));
    let scale = e.b.ins().isub(exponents[0], exponents[1]);
    let scale = e.b.ins().isub(scale, exponents[1]);
    let inexact = remains(e, s, a, root, root, scale);
    (root, inexact, fits)
}

/// Writes an outcome if it is right and FCSR0 has its mode and no exception enabled.
pub(super) fn finish(e: &mut Emitter<'_>, op: &Op, (result, inexact, fits): Outcome) {
    let plain = e.rounds_to_nearest();
    let fits = e.b.ins().band(plain, fits);
    e.or_light(fits, |e| {
        e.set_fpr(op.rd, result);
        e.set_cause(Some(inexact));
    });
}

macro_rules! binary {
    ($enc:ident, $function:ident, $shape:ident) => {
        form(&enc::$enc, 0, 0, |e, op| {
            let number = $shape.number;
            let (j, k) = (e.fpr(op.rj, number), e.fpr(op.rk, number));
            let outcome = $function(e, $shape, j, k);
            finish(e, op, outcome);
        })
    };
}

macro_rules! unary {
    ($enc:ident, $function:ident, $shape:ident) => {
        form(&enc::$enc, 0, 0, |e, op| {
            let j = e.fpr(op.rj, $shape.number);
            let outcome = $function(e, $shape, j);
            finish(e, op, outcome);
        })
    };
}

/// A normal number of single precision is one of double precision.
fn widen(e: &mut Emitter<'_>, s: Shape, a: Value) -> Outcome {
    let result = e.b.ins().fpromote(types::F64, a);
    let exact = e.b.ins().iconst(types::I8, 0);
    let fits = s.is_normal(e, a);
    (result, exact, fits)
}

fn narrow(e: &mut Emitter<'_>, _: Shape, a: Value) -> Outcome {
    let result = e.b.ins().fdemote(types::F32, a);
    let again = e.b.ins().fpromote(types::F64, result);
    let inexact = e.b.ins().fcmp(FloatCC::NotEqual, again, a);
    let fits = SINGLE.is_safe(e, result);
    (result, inexact, fits)
}

/// Rounds toward zero what is less than 2^62.
fn truncate(e: &mut Emitter<'_>, s: Shape, a: Value) -> Outcome {
    let result = e.b.ins().fcvt_to_sint_sat(types::I64, a);
    let again = e.b.ins().fcvt_from_sint(s.number, result);
    let inexact = e.b.ins().fcmp(FloatCC::NotEqual, again, a);
    let magnitude = s.magnitude(e, a);
    let limit = s.constant(e, ((s.bias + 62) << s.fraction_bits) as u64);
    let fits = e.b.ins().icmp(IntCC::UnsignedLessThan, magnitude, limit);
    (result, inexact, fits)
}

/// An integer of double precision, if it has bits enough for it.
fn from_integer(e: &mut Emitter<'_>, op: &Op, integer: Value) {
    let result = e.b.ins().fcvt_from_sint(types::F64, integer);
    let above = e.b.ins().iadd_imm_s(integer, 1 << 53);
    let range = e.b.ins().iconst(types::I64, 1 << 54);
    let fits = e.b.ins().icmp(IntCC::UnsignedLessThan, above, range);
    e.or_light(fits, |e| {
        e.set_fpr(op.rd, result);
        e.set_cause(None);
    });
}

const ALL: &[Form] = &[
    binary!(FADD_S, add, SINGLE),
    binary!(FADD_D, add, DOUBLE),
    binary!(FSUB_S, sub, SINGLE),
    binary!(FSUB_D, sub, DOUBLE),
    binary!(FMUL_S, mul, SINGLE),
    binary!(FMUL_D, mul, DOUBLE),
    binary!(FDIV_S, div, SINGLE),
    binary!(FDIV_D, div, DOUBLE),
    unary!(FSQRT_S, sqrt, SINGLE),
    unary!(FSQRT_D, sqrt, DOUBLE),
    unary!(FCVT_D_S, widen, SINGLE),
    unary!(FCVT_S_D, narrow, DOUBLE),
    unary!(FTINTRZ_L_D, truncate, DOUBLE),
    form(&enc::FFINT_D_L, 0, 0, |e, op| {
        let integer = e.fpr(op.rj, types::I64);
        from_integer(e, op, integer);
    }),
    form(&enc::FFINT_D_W, 0, 0, |e, op| {
        let integer = e.fpr(op.rj, types::I32);
        let integer = e.b.ins().sextend(types::I64, integer);
        from_integer(e, op, integer);
    }),
];

pub(super) const FORMS: &[&[Form]] = &[ALL];
