// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Shifts right that halve the width: truncating (`vsr..n`) or saturating
//! (`vssr..n`) to the signed or unsigned range, rounding (`r`) or not. Without
//! `i` the upper elements of Vd become zero, with `i` they come from Vd itself.

use super::lane::{Lane, Narrow};
use super::shape::{narrow, narrow_both};

vector_table! {
    [u16 u32 u64] narrow(|a, n| (a >> n).truncate()): VSRLN_B_H VSRLN_H_W VSRLN_W_D;
    [i16 i32 i64] narrow(|a, n| (a >> n).truncate()): VSRAN_B_H VSRAN_H_W VSRAN_W_D;
    [u16 u32 u64] narrow(|a, n| a.shr_round(n).truncate()): VSRLRN_B_H VSRLRN_H_W VSRLRN_W_D;
    [i16 i32 i64] narrow(|a, n| a.shr_round(n).truncate()): VSRARN_B_H VSRARN_H_W VSRARN_W_D;

    [u16 u32 u64] narrow(|a, n| (a >> n).saturate_signed()): VSSRLN_B_H VSSRLN_H_W VSSRLN_W_D;
    [i16 i32 i64] narrow(|a, n| (a >> n).saturate_signed()): VSSRAN_B_H VSSRAN_H_W VSSRAN_W_D;
    [u16 u32 u64] narrow(|a, n| (a >> n).saturate_unsigned()):
        VSSRLN_BU_H VSSRLN_HU_W VSSRLN_WU_D;
    [i16 i32 i64] narrow(|a, n| (a >> n).saturate_unsigned()):
        VSSRAN_BU_H VSSRAN_HU_W VSSRAN_WU_D;
    [u16 u32 u64] narrow(|a, n| a.shr_round(n).saturate_signed()):
        VSSRLRN_B_H VSSRLRN_H_W VSSRLRN_W_D;
    [i16 i32 i64] narrow(|a, n| a.shr_round(n).saturate_signed()):
        VSSRARN_B_H VSSRARN_H_W VSSRARN_W_D;
    [u16 u32 u64] narrow(|a, n| a.shr_round(n).saturate_unsigned()):
        VSSRLRN_BU_H VSSRLRN_HU_W VSSRLRN_WU_D;
    [i16 i32 i64] narrow(|a, n| a.shr_round(n).saturate_unsigned()):
        VSSRARN_BU_H VSSRARN_HU_W VSSRARN_WU_D;

    [u16 u32 u64 u128] narrow_both(|a, n| (a >> n).truncate()):
        VSRLNI_B_H VSRLNI_H_W VSRLNI_W_D VSRLNI_D_Q;
    [i16 i32 i64 i128] narrow_both(|a, n| (a >> n).truncate()):
        VSRANI_B_H VSRANI_H_W VSRANI_W_D VSRANI_D_Q;
    [u16 u32 u64 u128] narrow_both(|a, n| a.shr_round(n).truncate()):
        VSRLRNI_B_H VSRLRNI_H_W VSRLRNI_W_D VSRLRNI_D_Q;
    [i16 i32 i64 i128] narrow_both(|a, n| a.shr_round(n).truncate()):
        VSRARNI_B_H VSRARNI_H_W VSRARNI_W_D VSRARNI_D_Q;

    [u16 u32 u64 u128] narrow_both(|a, n| (a >> n).saturate_signed()):
        VSSRLNI_B_H VSSRLNI_H_W VSSRLNI_W_D VSSRLNI_D_Q;
    [i16 i32 i64 i128] narrow_both(|a, n| (a >> n).saturate_signed()):
        VSSRANI_B_H VSSRANI_H_W VSSRANI_W_D VSSRANI_D_Q;
    [u16 u32 u64 u128] narrow_both(|a, n| (a >> n).saturate_unsigned()):
        VSSRLNI_BU_H VSSRLNI_HU_W VSSRLNI_WU_D VSSRLNI_DU_Q;
    [i16 i32 i64 i128] narrow_both(|a, n| (a >> n).saturate_unsigned()):
        VSSRANI_BU_H VSSRANI_HU_W VSSRANI_WU_D VSSRANI_DU_Q;
    [u16 u32 u64 u128] narrow_both(|a, n| a.shr_round(n).saturate_signed()):
        VSSRLRNI_B_H VSSRLRNI_H_W VSSRLRNI_W_D VSSRLRNI_D_Q;
    [i16 i32 i64 i128] narrow_both(|a, n| a.shr_round(n).saturate_signed()):
        VSSRARNI_B_H VSSRARNI_H_W VSSRARNI_W_D VSSRARNI_D_Q;
    [u16 u32 u64 u128] narrow_both(|a, n| a.shr_round(n).saturate_unsigned()):
        VSSRLRNI_BU_H VSSRLRNI_HU_W VSSRLRNI_WU_D VSSRLRNI_DU_Q;
    [i16 i32 i64 i128] narrow_both(|a, n| a.shr_round(n).saturate_unsigned()):
        VSSRARNI_BU_H VSSRARNI_HU_W VSSRARNI_WU_D VSSRARNI_DU_Q;
}
