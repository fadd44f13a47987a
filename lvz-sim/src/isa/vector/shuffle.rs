// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Moving elements about: pack, pick, interleave, shuffle, replicate.

use super::lane::{Lane, build, read};
use super::shape::{halves, permute, permute_by, permute_imm};
use super::width::Width;
use crate::cpu::{Cpu, Op, Step};
use crate::mem::Bus;

vector_table! {
    [u8 u16 u32 u64] permute(|i, _, j, k| if i % 2 == 1 { j[i - 1] } else { k[i] }):
        VPACKEV_B VPACKEV_H VPACKEV_W VPACKEV_D;
    [u8 u16 u32 u64] permute(|i, _, j, k| if i % 2 == 1 { j[i] } else { k[i + 1] }):
        VPACKOD_B VPACKOD_H VPACKOD_W VPACKOD_D;
    [u8 u16 u32 u64] permute(|i, _, j, k| (if i % 2 == 1 { j } else { k })[i / 2]):
        VILVL_B VILVL_H VILVL_W VILVL_D;
    [u8 u16 u32 u64] permute(|i, _, j, k| (if i % 2 == 1 { j } else { k })[(i + j.len()) / 2]):
        VILVH_B VILVH_H VILVH_W VILVH_D;
    [u8 u16 u32 u64] permute(|i, _, j, k| pick(2 * i, k, j)):
        VPICKEV_B VPICKEV_H VPICKEV_W VPICKEV_D;
    [u8 u16 u32 u64] permute(|i, _, j, k| pick(2 * i + 1, k, j)):
        VPICKOD_B VPICKOD_H VPICKOD_W VPICKOD_D;

    // The indices are in Va, or in Vd itself.
    [u8] permute_by(|i, a, j, k| pick(usize::from(a[i]), k, j)): VSHUF_B;
    [u16 u32 u64] permute(|i, d, j, k| pick(d[i] as usize, k, j)): VSHUF_H VSHUF_W VSHUF_D;

    // Two bits of the immediate for each of four elements.
    [u8 u16 u32] permute_imm(|i, _, j, imm| j[i & !3 | imm >> (2 * (i % 4)) & 3]):
        VSHUF4I_B VSHUF4I_H VSHUF4I_W;
    [u64] permute_imm(|i, d, j, imm| pick(imm >> (2 * i), d, j)): VSHUF4I_D;
    [u32] permute_imm(|i, d, j, imm| (if i < 2 { j } else { d })[imm >> (2 * i) & 3]): VPERMI_W;
    [u8 u16 u32 u64] permute_imm(|i, d, j, imm| {
        let last = j.len() - 1;
        if i == imm >> 4 & last { j[imm & last] } else { d[i] }
    }): VEXTRINS_B VEXTRINS_H VEXTRINS_W VEXTRINS_D;

    [u8 u16 u32 u64] lsx permute_imm(|_, _, j, imm| j[imm & (j.len() - 1)]):
        VREPLVEI_B VREPLVEI_H VREPLVEI_W VREPLVEI_D;
    [u8 u16 u32 u64] lasx permute_imm(|_, _, j, imm| j[imm & (j.len() - 1)]):
        XVREPL128VEI_B XVREPL128VEI_H XVREPL128VEI_W XVREPL128VEI_D;
    [u8 u16 u32 u64] vreplve: VREPLVE_B VREPLVE_H VREPLVE_W VREPLVE_D;
}

/// Element `index`, modulo their number, of `low` followed by `high`.
#[inline(always)]
pub(super) fn pick<T: Lane>(index: usize, low: &[T], high: &[T]) -> T {
    let i = index & (low.len() - 1);
    if index & low.len() == 0 {
        low[i]
    } else {
        high[i]
    }
}

/// Every element of Vd ← the element of the same half of Vj that general
/// register rk selects.
#[inline(always)]
fn vreplve<V: Width, T: Lane>(cpu: &mut Cpu, _: &mut Bus, op: &Op) -> Step {
    halves::<V, T>(cpu, op, |cpu, half| {
        let j = read::<T>(cpu, op.rj, half);
        let index = cpu.get(op.rk) as usize & (j.as_ref().len() - 1);
        build::<T>(|_| j.as_ref()[index])
    })
}
