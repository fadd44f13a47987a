// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Shifts and rotations that keep the width. Counts are modulo the width.

use super::lane::Lane;
use super::shape::{vvi, vvv};

vector_table! {
    [u8 u16 u32 u64] vvv(|a, n| a << n.count()): VSLL_B VSLL_H VSLL_W VSLL_D;
    [u8 u16 u32 u64] vvi(|a, n| a << n.count()): VSLLI_B VSLLI_H VSLLI_W VSLLI_D;
    [u8 u16 u32 u64] vvv(|a, n| a >> n.count()): VSRL_B VSRL_H VSRL_W VSRL_D;
    [u8 u16 u32 u64] vvi(|a, n| a >> n.count()): VSRLI_B VSRLI_H VSRLI_W VSRLI_D;
    [i8 i16 i32 i64] vvv(|a, n| a >> n.count()): VSRA_B VSRA_H VSRA_W VSRA_D;
    [i8 i16 i32 i64] vvi(|a, n| a >> n.count()): VSRAI_B VSRAI_H VSRAI_W VSRAI_D;
    [u8 u16 u32 u64] vvv(|a, n| a.rotate_right(n.count())): VROTR_B VROTR_H VROTR_W VROTR_D;
    [u8 u16 u32 u64] vvi(|a, n| a.rotate_right(n.count())): VROTRI_B VROTRI_H VROTRI_W VROTRI_D;
    [u8 u16 u32 u64] vvv(|a, n| a.shr_round(n.count())): VSRLR_B VSRLR_H VSRLR_W VSRLR_D;
    [u8 u16 u32 u64] vvi(|a, n| a.shr_round(n.count())): VSRLRI_B VSRLRI_H VSRLRI_W VSRLRI_D;
    [i8 i16 i32 i64] vvv(|a, n| a.shr_round(n.count())): VSRAR_B VSRAR_H VSRAR_W VSRAR_D;
    [i8 i16 i32 i64] vvi(|a, n| a.shr_round(n.count())): VSRARI_B VSRARI_H VSRARI_W VSRARI_D;
    // Whole bytes; only the low four bits of the immediate count.
    [u128] vvi(|a, n| a << (n % 16 * 8)): VBSLL_V;
    [u128] vvi(|a, n| a >> (n % 16 * 8)): VBSRL_V;
}
