// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Conversions between floating-point formats and integers.

use super::float_shape::{fhigh, flow, fnarrow, fvv};
use crate::fp::{self, Half, Round};

vector_table! {
    [f32] fnarrow(fp::convert::<T, Half>): VFCVT_H_S;
    [f64] fnarrow(fp::convert::<T, f32>): VFCVT_S_D;
    [Half] flow(fp::convert::<T, f32>): VFCVTL_S_H;
    [f32] flow(fp::convert::<T, f64>): VFCVTL_D_S;
    [Half] fhigh(fp::convert::<T, f32>): VFCVTH_S_H;
    [f32] fhigh(fp::convert::<T, f64>): VFCVTH_D_S;

    // Integers to floating point; the type gives the source's width.
    [f32] fvv(|a, env| fp::from_i64::<f32>((a as i32).into(), env)): VFFINT_S_W;
    [f32] fvv(|a, env| fp::from_u64::<f32>(a.into(), env)): VFFINT_S_WU;
    [f64] fvv(|a, env| fp::from_i64::<f64>(a as i64, env)): VFFINT_D_L;
    [f64] fvv(fp::from_u64::<f64>): VFFINT_D_LU;
    [f64] fnarrow(|a, env| fp::from_i64::<f32>(a as i64, env)): VFFINT_S_L;
    [f32] flow(|a, env| fp::from_i64::<f64>((a as i32).into(), env)): VFFINTL_D_W;
    [f32] fhigh(|a, env| fp::from_i64::<f64>((a as i32).into(), env)): VFFINTH_D_W;

    // Floating point to integers, rounding as FCSR0 says.
    [f32] fvv(|a, env| fp::to_i32::<T>(a, env.rm, env) as u32): VFTINT_W_S;
    [f32] fvv(|a, env| fp::to_u32::<T>(a, env.rm, env)): VFTINT_WU_S;
    [f64] fvv(|a, env| fp::to_i64::<T>(a, env.rm, env) as u64): VFTINT_L_D;
    [f64] fvv(|a, env| fp::to_u64::<T>(a, env.rm, env)): VFTINT_LU_D;
    [f64] fnarrow(|a, env| fp::to_i32::<T>(a, env.rm, env) as u32): VFTINT_W_D;
    [f32] flow(|a, env| fp::to_i64::<T>(a, env.rm, env) as u64): VFTINTL_L_S;
    [f32] fhigh(|a, env| fp::to_i64::<T>(a, env.rm, env) as u64): VFTINTH_L_S;

    // In the mode that the name says.
    [f32] fvv(|a, env| fp::to_i32::<T>(a, Round::Down, env) as u32): VFTINTRM_W_S;
    [f32] fvv(|a, env| fp::to_i32::<T>(a, Round::Up, env) as u32): VFTINTRP_W_S;
    [f32] fvv(|a, env| fp::to_i32::<T>(a, Round::TowardZero, env) as u32): VFTINTRZ_W_S;
    [f32] fvv(|a, env| fp::to_i32::<T>(a, Round::NearestEven, env) as u32): VFTINTRNE_W_S;
    [f32] fvv(|a, env| fp::to_u32::<T>(a, Round::TowardZero, env)): VFTINTRZ_WU_S;

    [f64] fvv(|a, env| fp::to_i64::<T>(a, Round::Down, env) as u64): VFTINTRM_L_D;
    [f64] fvv(|a, env| fp::to_i64::<T>(a, Round::Up, env) as u64): VFTINTRP_L_D;
    [f64] fvv(|a, env| fp::to_i64::<T>(a, Round::TowardZero, env) as u64): VFTINTRZ_L_D;
    [f64] fvv(|a, env| fp::to_i64::<T>(a, Round::NearestEven, env) as u64): VFTINTRNE_L_D;
    [f64] fvv(|a, env| fp::to_u64::<T>(a, Round::TowardZero, env)): VFTINTRZ_LU_D;

    [f64] fnarrow(|a, env| fp::to_i32::<T>(a, Round::Down, env) as u32): VFTINTRM_W_D;
    [f64] fnarrow(|a, env| fp::to_i32::<T>(a, Round::Up, env) as u32): VFTINTRP_W_D;
    [f64] fnarrow(|a, env| fp::to_i32::<T>(a, Round::TowardZero, env) as u32): VFTINTRZ_W_D;
    [f64] fnarrow(|a, env| fp::to_i32::<T>(a, Round::NearestEven, env) as u32): VFTINTRNE_W_D;

    [f32] flow(|a, env| fp::to_i64::<T>(a, Round::Down, env) as u64): VFTINTRML_L_S;
    [f32] flow(|a, env| fp::to_i64::<T>(a, Round::Up, env) as u64): VFTINTRPL_L_S;
    [f32] flow(|a, env| fp::to_i64::<T>(a, Round::TowardZero, env) as u64): VFTINTRZL_L_S;
    [f32] flow(|a, env| fp::to_i64::<T>(a, Round::NearestEven, env) as u64): VFTINTRNEL_L_S;
    [f32] fhigh(|a, env| fp::to_i64::<T>(a, Round::Down, env) as u64): VFTINTRMH_L_S;
    [f32] fhigh(|a, env| fp::to_i64::<T>(a, Round::Up, env) as u64): VFTINTRPH_L_S;
    [f32] fhigh(|a, env| fp::to_i64::<T>(a, Round::TowardZero, env) as u64): VFTINTRZH_L_S;
    [f32] fhigh(|a, env| fp::to_i64::<T>(a, Round::NearestEven, env) as u64): VFTINTRNEH_L_S;
}
