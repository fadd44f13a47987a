// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Scalar floating-point arithmetic (volume 1, 3.2.1).

use super::fp_operands::{Scalar, operate, set_raw};
use crate::cpu::{Cpu, Group, Op, Step};
use crate::fp::{
    Env, add, class, div, fmadd, fmsub, fnmadd, fnmsub, logb, max, max_magnitude, min,
    min_magnitude, mul, recip, recip_estimate, rsqrt, rsqrt_estimate, scaleb, sqrt, sub,
};
use la_arch::insn::fp as enc;

#[inline(always)]
fn unary<F: Scalar>(
    cpu: &mut Cpu,
    op: &Op,
    function: impl FnOnce(F::Bits, &mut Env) -> F::Bits,
) -> Step {
    let result = operate(cpu, |cpu, env| function(F::get(cpu, op.rj), env))?;
    F::set(cpu, op.rd, result);
    Ok(())
}

#[inline(always)]
fn binary<F: Scalar>(
    cpu: &mut Cpu,
    op: &Op,
    function: impl FnOnce(F::Bits, F::Bits, &mut Env) -> F::Bits,
) -> Step {
    let result = operate(cpu, |cpu, env| {
        function(F::get(cpu, op.rj), F::get(cpu, op.rk), env)
    })?;
    F::set(cpu, op.rd, result);
    Ok(())
}

#[inline(always)]
fn ternary<F: Scalar>(
    cpu: &mut Cpu,
    op: &Op,
    function: impl FnOnce(F::Bits, F::Bits, F::Bits, &mut Env) -> F::Bits,
) -> Step {
    let result = operate(cpu, |cpu, env| {
        function(
            F::get(cpu, op.rj),
            F::get(cpu, op.rk),
            F::get(cpu, op.ra),
            env,
        )
    })?;
    F::set(cpu, op.rd, result);
    Ok(())
}

/// A handler that applies a function of [`crate::fp`] to the operands' numbers.
macro_rules! apply {
    ($shape:ident, $function:ident, $format:ty) => {
        |cpu, _bus, op| $shape::<$format>(cpu, op, $function::<$format>)
    };
}

/// The exponent is a word.
fn fscaleb_s(cpu: &mut Cpu, op: &Op) -> Step {
    binary::<f32>(cpu, op, |a, n, env| {
        scaleb::<f32>(a, i64::from(n as i32), env)
    })
}

/// The exponent is a doubleword.
fn fscaleb_d(cpu: &mut Cpu, op: &Op) -> Step {
    binary::<f64>(cpu, op, |a, n, env| scaleb::<f64>(a, n as i64, env))
}

/// Not an operation that raises exceptions: FCSR stays.
fn fclass<F: Scalar>(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_fp()?;
    let class = class::<F>(F::get(cpu, op.rj));
    set_raw(cpu, op.rd, u64::from(class));
    Ok(())
}

crate::insn_table! { Group::Fp;
    FADD_S => apply!(binary, add, f32);
    FADD_D => apply!(binary, add, f64);
    FSUB_S => apply!(binary, sub, f32);
    FSUB_D => apply!(binary, sub, f64);
    FMUL_S => apply!(binary, mul, f32);
    FMUL_D => apply!(binary, mul, f64);
    FDIV_S => apply!(binary, div, f32);
    FDIV_D => apply!(binary, div, f64);
    FMADD_S => apply!(ternary, fmadd, f32);
    FMADD_D => apply!(ternary, fmadd, f64);
    FMSUB_S => apply!(ternary, fmsub, f32);
    FMSUB_D => apply!(ternary, fmsub, f64);
    FNMADD_S => apply!(ternary, fnmadd, f32);
    FNMADD_D => apply!(ternary, fnmadd, f64);
    FNMSUB_S => apply!(ternary, fnmsub, f32);
    FNMSUB_D => apply!(ternary, fnmsub, f64);
    FMAX_S => apply!(binary, max, f32);
    FMAX_D => apply!(binary, max, f64);
    FMIN_S => apply!(binary, min, f32);
    FMIN_D => apply!(binary, min, f64);
    FMAXA_S => apply!(binary, max_magnitude, f32);
    FMAXA_D => apply!(binary, max_magnitude, f64);
    FMINA_S => apply!(binary, min_magnitude, f32);
    FMINA_D => apply!(binary, min_magnitude, f64);
    FSQRT_S => apply!(unary, sqrt, f32);
    FSQRT_D => apply!(unary, sqrt, f64);
    FRECIP_S => apply!(unary, recip, f32);
    FRECIP_D => apply!(unary, recip, f64);
    FRSQRT_S => apply!(unary, rsqrt, f32);
    FRSQRT_D => apply!(unary, rsqrt, f64);
    FRECIPE_S => apply!(unary, recip_estimate, f32);
    FRECIPE_D => apply!(unary, recip_estimate, f64);
    FRSQRTE_S => apply!(unary, rsqrt_estimate, f32);
    FRSQRTE_D => apply!(unary, rsqrt_estimate, f64);
    FLOGB_S => apply!(unary, logb, f32);
    FLOGB_D => apply!(unary, logb, f64);
    FSCALEB_S => |cpu, _bus, op| fscaleb_s(cpu, op);
    FSCALEB_D => |cpu, _bus, op| fscaleb_d(cpu, op);
    FCLASS_S => |cpu, _bus, op| fclass::<f32>(cpu, op);
    FCLASS_D => |cpu, _bus, op| fclass::<f64>(cpu, op);
}
