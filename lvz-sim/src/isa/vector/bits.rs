// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Bitwise logic, single bits, counts, sign masks.

use super::lane::{Lane, build, read};
use super::shape::{accumulate_imm, halves, vv, vvi, vvv, vvvv};
use super::width::Width;
use crate::cpu::{Cpu, Op, Step};
use crate::mem::Bus;

vector_table! {
    [u128] vvv(|a, b| a & b): VAND_V;
    [u128] vvv(|a, b| a | b): VOR_V;
    [u128] vvv(|a, b| a ^ b): VXOR_V;
    [u128] vvv(|a, b| !(a | b)): VNOR_V;
    [u128] vvv(|a, b| !a & b): VANDN_V;
    [u128] vvv(|a, b| a | !b): VORN_V;
    [u8] vvi(|a, b| a & b): VANDI_B;
    [u8] vvi(|a, b| a | b): VORI_B;
    [u8] vvi(|a, b| a ^ b): VXORI_B;
    [u8] vvi(|a, b| !(a | b)): VNORI_B;
    [u128] vvvv(|j, k, select| k & select | j & !select): VBITSEL_V;
    [u8] accumulate_imm(|d, j, imm| imm & d | j & !d): VBITSELI_B;

    [u8 u16 u32 u64] vvv(|a, n| a & !(1 << n.count())): VBITCLR_B VBITCLR_H VBITCLR_W VBITCLR_D;
    [u8 u16 u32 u64] vvi(|a, n| a & !(1 << n.count())):
        VBITCLRI_B VBITCLRI_H VBITCLRI_W VBITCLRI_D;
    [u8 u16 u32 u64] vvv(|a, n| a | 1 << n.count()): VBITSET_B VBITSET_H VBITSET_W VBITSET_D;
    [u8 u16 u32 u64] vvi(|a, n| a | 1 << n.count()): VBITSETI_B VBITSETI_H VBITSETI_W VBITSETI_D;
    [u8 u16 u32 u64] vvv(|a, n| a ^ 1 << n.count()): VBITREV_B VBITREV_H VBITREV_W VBITREV_D;
    [u8 u16 u32 u64] vvi(|a, n| a ^ 1 << n.count()): VBITREVI_B VBITREVI_H VBITREVI_W VBITREVI_D;

    [i8 i16 i32 i64] vv(|a| a.leading_ones() as _): VCLO_B VCLO_H VCLO_W VCLO_D;
    [i8 i16 i32 i64] vv(|a| a.leading_zeros() as _): VCLZ_B VCLZ_H VCLZ_W VCLZ_D;
    [i8 i16 i32 i64] vv(|a| a.count_ones() as _): VPCNT_B VPCNT_H VPCNT_W VPCNT_D;

    [i8 i16 i32 i64] element_mask(|a| a < 0): VMSKLTZ_B VMSKLTZ_H VMSKLTZ_W VMSKLTZ_D;
    [i8] element_mask(|a| a >= 0): VMSKGEZ_B;
    [i8] element_mask(|a| a != 0): VMSKNZ_B;
    [i8 i16] vfrstp: VFRSTP_B VFRSTP_H;
    [i8 i16] vfrstpi: VFRSTPI_B VFRSTPI_H;
}

/// Bit i of each half of Vd ← whether `f` holds for element i of that half of
/// Vj; the other bits zero.
#[inline(always)]
fn element_mask<V: Width, T: Lane>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(T) -> bool,
) -> Step {
    halves::<V, u128>(cpu, op, |cpu, half| {
        let j = read::<T>(cpu, op.rj, half);
        let bits = j.as_ref().iter().enumerate();
        [bits.fold(0, |mask, (i, &a)| mask | u128::from(f(a)) << i)]
    })
}

/// Puts the number of the first negative element of Vj, or the number of
/// elements, into the element of Vd that `at` selects (modulo their number), in
/// each half.
#[inline(always)]
fn first_negative<V: Width, T: Lane>(
    cpu: &mut Cpu,
    op: &Op,
    at: impl Fn(&Cpu, usize) -> usize,
) -> Step {
    halves::<V, T>(cpu, op, |cpu, half| {
        let [d, j] = [op.rd, op.rj].map(|r| read::<T>(cpu, r, half));
        let (d, j) = (d.as_ref(), j.as_ref());
        let zero = T::from_imm(0);
        let first = j.iter().position(|&a| a < zero).unwrap_or(j.len());
        let at = at(cpu, half) & (j.len() - 1);
        build::<T>(|i| {
            if i == at {
                T::from_imm(first as i32)
            } else {
                d[i]
            }
        })
    })
}

/// `vfrstp`: element 0 of Vk says where the result goes.
#[inline(always)]
fn vfrstp<V: Width, T: Lane>(cpu: &mut Cpu, _: &mut Bus, op: &Op) -> Step {
    first_negative::<V, T>(cpu, op, |cpu, half| {
        usize::from(read::<u16>(cpu, op.rk, half)[0])
    })
}

/// `vfrstpi`: the immediate says where the result goes.
#[inline(always)]
fn vfrstpi<V: Width, T: Lane>(cpu: &mut Cpu, _: &mut Bus, op: &Op) -> Step {
    first_negative::<V, T>(cpu, op, |_, _| op.imm as usize)
}
