// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Floating-point arithmetic.

use super::float_shape::{fvv, fvvv, fvvvv};
use super::shape::vv;
use crate::fp::{self, Round};

vector_table! {
    [f32 f64] fvvv(fp::add::<T>): VFADD_S VFADD_D;
    [f32 f64] fvvv(fp::sub::<T>): VFSUB_S VFSUB_D;
    [f32 f64] fvvv(fp::mul::<T>): VFMUL_S VFMUL_D;
    [f32 f64] fvvv(fp::div::<T>): VFDIV_S VFDIV_D;
    [f32 f64] fvvv(fp::max::<T>): VFMAX_S VFMAX_D;
    [f32 f64] fvvv(fp::min::<T>): VFMIN_S VFMIN_D;
    [f32 f64] fvvv(fp::max_magnitude::<T>): VFMAXA_S VFMAXA_D;
    [f32 f64] fvvv(fp::min_magnitude::<T>): VFMINA_S VFMINA_D;
    [f32 f64] fvvvv(fp::fmadd::<T>): VFMADD_S VFMADD_D;
    [f32 f64] fvvvv(fp::fmsub::<T>): VFMSUB_S VFMSUB_D;
    [f32 f64] fvvvv(fp::fnmadd::<T>): VFNMADD_S VFNMADD_D;
    [f32 f64] fvvvv(fp::fnmsub::<T>): VFNMSUB_S VFNMSUB_D;

    [f32 f64] fvv(fp::sqrt::<T>): VFSQRT_S VFSQRT_D;
    [f32 f64] fvv(fp::recip::<T>): VFRECIP_S VFRECIP_D;
    [f32 f64] fvv(fp::rsqrt::<T>): VFRSQRT_S VFRSQRT_D;
    [f32 f64] fvv(fp::recip_estimate::<T>): VFRECIPE_S VFRECIPE_D;
    [f32 f64] fvv(fp::rsqrt_estimate::<T>): VFRSQRTE_S VFRSQRTE_D;
    [f32 f64] fvv(fp::logb::<T>): VFLOGB_S VFLOGB_D;
    // These raise nothing and leave FCSR0 as it is.
    [u32] vv(fp::class::<f32>): VFCLASS_S;
    [u64] vv(|a| fp::class::<f64>(a).into()): VFCLASS_D;

    [f32 f64] fvv(|a, env| fp::round_to_integral::<T>(a, env.rm, env)): VFRINT_S VFRINT_D;
    [f32 f64] fvv(|a, env| fp::round_to_integral::<T>(a, Round::Down, env)):
        VFRINTRM_S VFRINTRM_D;
    [f32 f64] fvv(|a, env| fp::round_to_integral::<T>(a, Round::Up, env)):
        VFRINTRP_S VFRINTRP_D;
    [f32 f64] fvv(|a, env| fp::round_to_integral::<T>(a, Round::TowardZero, env)):
        VFRINTRZ_S VFRINTRZ_D;
    [f32 f64] fvv(|a, env| fp::round_to_integral::<T>(a, Round::NearestEven, env)):
        VFRINTRNE_S VFRINTRNE_D;
}
