// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Scalar floating-point conversions (volume 1, 3.2.3).
//!
//! Bits 63:32 of a word or single-precision result are arbitrary in the manual. They are QEMU's
//! here: a word is sign-extended, except for `ftintrz.w.s` and `ftintrne.w.s`, which extend it with
//! zeros as `frint.s` does; what else is single-precision is NaN-boxed.

use super::fp_operands::{Scalar, get_raw, operate, set_raw};
use super::operand::word;
use crate::cpu::{Cpu, Group, Op, Step};
use crate::fp::{Env, Round, convert, from_i64, round_to_integral, to_i32, to_i64};
use la_arch::insn::fp as enc;

fn fcvt<S: Scalar, D: Scalar>(cpu: &mut Cpu, op: &Op) -> Step {
    let result = operate(cpu, |cpu, env| convert::<S, D>(S::get(cpu, op.rj), env))?;
    D::set(cpu, op.rd, result);
    Ok(())
}

#[inline(always)]
fn ftint<F: Scalar>(
    cpu: &mut Cpu,
    op: &Op,
    rm: Option<Round>,
    function: impl FnOnce(F::Bits, Round, &mut Env) -> u64,
) -> Step {
    let result = operate(cpu, |cpu, env| {
        function(F::get(cpu, op.rj), rm.unwrap_or(env.rm), env)
    })?;
    set_raw(cpu, op.rd, result);
    Ok(())
}

/// `ftint*.w.*`, sign-extended.
fn ftint_w<F: Scalar>(cpu: &mut Cpu, op: &Op, rm: Option<Round>) -> Step {
    ftint::<F>(cpu, op, rm, |a, rm, env| {
        word(to_i32::<F>(a, rm, env) as u32)
    })
}

/// `ftint*.w.*`, zero-extended.
fn ftint_w_zero<F: Scalar>(cpu: &mut Cpu, op: &Op, rm: Option<Round>) -> Step {
    ftint::<F>(cpu, op, rm, |a, rm, env| {
        u64::from(to_i32::<F>(a, rm, env) as u32)
    })
}

/// `ftint*.l.*`.
fn ftint_l<F: Scalar>(cpu: &mut Cpu, op: &Op, rm: Option<Round>) -> Step {
    ftint::<F>(cpu, op, rm, |a, rm, env| to_i64::<F>(a, rm, env) as u64)
}

/// `ffint.*.w`.
fn ffint_w<F: Scalar>(cpu: &mut Cpu, op: &Op) -> Step {
    let result = operate(cpu, |cpu, env| {
        from_i64::<F>(i64::from(get_raw(cpu, op.rj) as i32), env)
    })?;
    F::set(cpu, op.rd, result);
    Ok(())
}

/// `ffint.*.l`.
fn ffint_l<F: Scalar>(cpu: &mut Cpu, op: &Op) -> Step {
    let result = operate(cpu, |cpu, env| {
        from_i64::<F>(get_raw(cpu, op.rj) as i64, env)
    })?;
    F::set(cpu, op.rd, result);
    Ok(())
}

fn frint<F: Scalar>(cpu: &mut Cpu, op: &Op) -> Step {
    let result = operate(cpu, |cpu, env| {
        round_to_integral::<F>(F::get(cpu, op.rj), env.rm, env)
    })?;
    set_raw(cpu, op.rd, result.into());
    Ok(())
}

/// A handler for one rounding mode, or for that of FCSR.
macro_rules! rounding {
    ($function:ident, $format:ty) => {
        |cpu, _bus, op| $function::<$format>(cpu, op, None)
    };
    ($function:ident, $format:ty, $mode:ident) => {
        |cpu, _bus, op| $function::<$format>(cpu, op, Some(Round::$mode))
    };
}

crate::insn_table! { Group::Fp;
    FCVT_S_D => |cpu, _bus, op| fcvt::<f64, f32>(cpu, op);
    FCVT_D_S => |cpu, _bus, op| fcvt::<f32, f64>(cpu, op);
    FTINTRM_W_S => rounding!(ftint_w, f32, Down);
    FTINTRM_W_D => rounding!(ftint_w, f64, Down);
    FTINTRM_L_S => rounding!(ftint_l, f32, Down);
    FTINTRM_L_D => rounding!(ftint_l, f64, Down);
    FTINTRP_W_S => rounding!(ftint_w, f32, Up);
    FTINTRP_W_D => rounding!(ftint_w, f64, Up);
    FTINTRP_L_S => rounding!(ftint_l, f32, Up);
    FTINTRP_L_D => rounding!(ftint_l, f64, Up);
    FTINTRZ_W_S => rounding!(ftint_w_zero, f32, TowardZero);
    FTINTRZ_W_D => rounding!(ftint_w, f64, TowardZero);
    FTINTRZ_L_S => rounding!(ftint_l, f32, TowardZero);
    FTINTRZ_L_D => rounding!(ftint_l, f64, TowardZero);
    FTINTRNE_W_S => rounding!(ftint_w_zero, f32, NearestEven);
    FTINTRNE_W_D => rounding!(ftint_w, f64, NearestEven);
    FTINTRNE_L_S => rounding!(ftint_l, f32, NearestEven);
    FTINTRNE_L_D => rounding!(ftint_l, f64, NearestEven);
    FTINT_W_S => rounding!(ftint_w, f32);
    FTINT_W_D => rounding!(ftint_w, f64);
    FTINT_L_S => rounding!(ftint_l, f32);
    FTINT_L_D => rounding!(ftint_l, f64);
    FFINT_S_W => |cpu, _bus, op| ffint_w::<f32>(cpu, op);
    FFINT_S_L => |cpu, _bus, op| ffint_l::<f32>(cpu, op);
    FFINT_D_W => |cpu, _bus, op| ffint_w::<f64>(cpu, op);
    FFINT_D_L => |cpu, _bus, op| ffint_l::<f64>(cpu, op);
    FRINT_S => |cpu, _bus, op| frint::<f32>(cpu, op);
    FRINT_D => |cpu, _bus, op| frint::<f64>(cpu, op);
}
