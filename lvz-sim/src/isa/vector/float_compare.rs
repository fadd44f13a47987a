// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Floating-point comparisons into elements.

use super::float_shape::compute;
use super::lane::{Lane, build, read};
use super::width::Width;
use crate::cpu::{Cpu, Op, Step};
use crate::fp::{Condition, Format};
use crate::mem::Bus;
use la_arch::Exception;

vector_table! {
    [f32 f64] vfcmp: VFCMP_CAF_S VFCMP_CAF_D;
    [f32 f64] vfcmp: VFCMP_SAF_S VFCMP_SAF_D;
    [f32 f64] vfcmp: VFCMP_CLT_S VFCMP_CLT_D;
    [f32 f64] vfcmp: VFCMP_SLT_S VFCMP_SLT_D;
    [f32 f64] vfcmp: VFCMP_CEQ_S VFCMP_CEQ_D;
    [f32 f64] vfcmp: VFCMP_SEQ_S VFCMP_SEQ_D;
    [f32 f64] vfcmp: VFCMP_CLE_S VFCMP_CLE_D;
    [f32 f64] vfcmp: VFCMP_SLE_S VFCMP_SLE_D;
    [f32 f64] vfcmp: VFCMP_CUN_S VFCMP_CUN_D;
    [f32 f64] vfcmp: VFCMP_SUN_S VFCMP_SUN_D;
    [f32 f64] vfcmp: VFCMP_CULT_S VFCMP_CULT_D;
    [f32 f64] vfcmp: VFCMP_SULT_S VFCMP_SULT_D;
    [f32 f64] vfcmp: VFCMP_CUEQ_S VFCMP_CUEQ_D;
    [f32 f64] vfcmp: VFCMP_SUEQ_S VFCMP_SUEQ_D;
    [f32 f64] vfcmp: VFCMP_CULE_S VFCMP_CULE_D;
    [f32 f64] vfcmp: VFCMP_SULE_S VFCMP_SULE_D;
    [f32 f64] vfcmp: VFCMP_CNE_S VFCMP_CNE_D;
    [f32 f64] vfcmp: VFCMP_SNE_S VFCMP_SNE_D;
    [f32 f64] vfcmp: VFCMP_COR_S VFCMP_COR_D;
    [f32 f64] vfcmp: VFCMP_SOR_S VFCMP_SOR_D;
    [f32 f64] vfcmp: VFCMP_CUNE_S VFCMP_CUNE_D;
    [f32 f64] vfcmp: VFCMP_SUNE_S VFCMP_SUNE_D;
}

/// Elements of Vd ← all ones where the condition, which is the field at bit
/// 15, holds for Vj and Vk.
#[inline(always)]
fn vfcmp<V: Width, F: Format<Bits: Lane>>(cpu: &mut Cpu, _: &mut Bus, op: &Op) -> Step {
    let Some(condition) = Condition::decode(u32::from(op.ra)) else {
        return Err(cpu.raise(Exception::INE));
    };
    compute::<V, F::Bits>(cpu, op, |cpu, half, env| {
        let [j, k] = [op.rj, op.rk].map(|r| read::<F::Bits>(cpu, r, half));
        build::<F::Bits>(|i| Lane::mask(condition.holds::<F>(j.as_ref()[i], k.as_ref()[i], env)))
    })
}
