// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What only LASX has: elements that go from one half of a register to the
//! other.

use super::lane::{Lane, Widen, build, elements, read_all};
use super::shape::{halves, whole};
use super::shuffle::pick;
use super::width::Width;
use crate::cpu::{Cpu, Op, Step};
use crate::mem::Bus;

vector_table! {
    [u32] lasx whole(|i, _, j, k, _| j[k[i] as usize & (j.len() - 1)]): XVPERM_W;
    // Two bits of the immediate for each element; of each four for a half of Xj or Xd.
    [u64] lasx whole(|i, _, j, _, imm| j[imm >> (2 * i) & 3]): XVPERMI_D;
    [u128] lasx whole(|i, d, j, _, imm| pick(imm >> (4 * i), j, d)): XVPERMI_Q;
    [u32 u64] lasx whole(|i, d, j, _, imm| if i == imm & (j.len() - 1) { j[0] } else { d[i] }):
        XVINSVE0_W XVINSVE0_D;
    [u32 u64] lasx whole(|i, _, j, _, imm| if i == 0 { j[imm & (j.len() - 1)] } else { 0 }):
        XVPICKVE_W XVPICKVE_D;
    [u8 u16 u32 u64 u128] lasx whole(|_, _, j, _, _| j[0]):
        XVREPLVE0_B XVREPLVE0_H XVREPLVE0_W XVREPLVE0_D XVREPLVE0_Q;

    [i8 i16 i32] lasx twice: VEXT2XV_H_B VEXT2XV_W_H VEXT2XV_D_W;
    [u8 u16 u32] lasx twice: VEXT2XV_HU_BU VEXT2XV_WU_HU VEXT2XV_DU_WU;
    [i8 i16] lasx four_times: VEXT2XV_W_B VEXT2XV_D_H;
    [u8 u16] lasx four_times: VEXT2XV_WU_BU VEXT2XV_DU_HU;
    [i8] lasx eight_times: VEXT2XV_D_B;
    [u8] lasx eight_times: VEXT2XV_DU_BU;
}

/// Element i of Xd ← element i of Xj in twice the width.
#[inline(always)]
fn twice<V: Width, T: Widen>(cpu: &mut Cpu, _: &mut Bus, op: &Op) -> Step {
    extend::<V, T, _>(cpu, op, T::widen)
}

/// The same in four times the width.
#[inline(always)]
fn four_times<V: Width, T: Widen<Wide: Widen>>(cpu: &mut Cpu, _: &mut Bus, op: &Op) -> Step {
    extend::<V, T, _>(cpu, op, |a| a.widen().widen())
}

/// The same in eight times the width.
#[inline(always)]
fn eight_times<V: Width, T: Widen<Wide: Widen<Wide: Widen>>>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
) -> Step {
    extend::<V, T, _>(cpu, op, |a| a.widen().widen().widen())
}

#[inline(always)]
fn extend<V: Width, T: Lane, U: Lane>(cpu: &mut Cpu, op: &Op, f: impl Fn(T) -> U) -> Step {
    let j = read_all::<T>(cpu, op.rj);
    let j = elements::<V, T>(&j);
    halves::<V, U>(cpu, op, |_, half| {
        let first = half * (128 / U::BITS as usize);
        build::<U>(|i| f(j[first + i]))
    })
}
