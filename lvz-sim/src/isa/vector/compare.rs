// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Integer comparisons, into elements and into condition flags.

use super::lane::{Lane, elements, read_all};
use super::shape::{vvi, vvv};
use super::width::Width;
use crate::cpu::{Cpu, Op, Step};
use crate::mem::Bus;

vector_table! {
    [i8 i16 i32 i64] vvv(|a, b| Lane::mask(a == b)): VSEQ_B VSEQ_H VSEQ_W VSEQ_D;
    [i8 i16 i32 i64] vvi(|a, b| Lane::mask(a == b)): VSEQI_B VSEQI_H VSEQI_W VSEQI_D;
    [i8 i16 i32 i64] vvv(|a, b| Lane::mask(a <= b)): VSLE_B VSLE_H VSLE_W VSLE_D;
    [i8 i16 i32 i64] vvi(|a, b| Lane::mask(a <= b)): VSLEI_B VSLEI_H VSLEI_W VSLEI_D;
    [u8 u16 u32 u64] vvv(|a, b| Lane::mask(a <= b)): VSLE_BU VSLE_HU VSLE_WU VSLE_DU;
    [u8 u16 u32 u64] vvi(|a, b| Lane::mask(a <= b)): VSLEI_BU VSLEI_HU VSLEI_WU VSLEI_DU;
    [i8 i16 i32 i64] vvv(|a, b| Lane::mask(a < b)): VSLT_B VSLT_H VSLT_W VSLT_D;
    [i8 i16 i32 i64] vvi(|a, b| Lane::mask(a < b)): VSLTI_B VSLTI_H VSLTI_W VSLTI_D;
    [u8 u16 u32 u64] vvv(|a, b| Lane::mask(a < b)): VSLT_BU VSLT_HU VSLT_WU VSLT_DU;
    [u8 u16 u32 u64] vvi(|a, b| Lane::mask(a < b)): VSLTI_BU VSLTI_HU VSLTI_WU VSLTI_DU;

    [u128] set_flag(|j| j.iter().all(|&a| a == 0)): VSETEQZ_V;
    [u128] set_flag(|j| j.iter().any(|&a| a != 0)): VSETNEZ_V;
    [u8 u16 u32 u64] set_flag(|j| j.contains(&0)):
        VSETANYEQZ_B VSETANYEQZ_H VSETANYEQZ_W VSETANYEQZ_D;
    [u8 u16 u32 u64] set_flag(|j| !j.contains(&0)):
        VSETALLNEZ_B VSETALLNEZ_H VSETALLNEZ_W VSETALLNEZ_D;
}

/// Condition flag cd ← f(Vj).
#[inline(always)]
fn set_flag<V: Width, T: Lane>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(&[T]) -> bool,
) -> Step {
    V::require(cpu)?;
    let j = read_all::<T>(cpu, op.rj);
    let flag = 1 << (op.rd & 7);
    if f(elements::<V, T>(&j)) {
        cpu.fcc |= flag;
    } else {
        cpu.fcc &= !flag;
    }
    Ok(())
}
