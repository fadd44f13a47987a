// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Integer arithmetic that gives elements of twice the width: even and odd
//! elements, horizontal sums, extensions.

use super::shape::{even, even_mixed, high, low, odd, odd_even, odd_mixed};

vector_table! {
    [i8 i16 i32 i64] even(|_, a, b| a.wrapping_add(b)):
        VADDWEV_H_B VADDWEV_W_H VADDWEV_D_W VADDWEV_Q_D;
    [i8 i16 i32 i64] odd(|_, a, b| a.wrapping_add(b)):
        VADDWOD_H_B VADDWOD_W_H VADDWOD_D_W VADDWOD_Q_D;
    [u8 u16 u32 u64] even(|_, a, b| a.wrapping_add(b)):
        VADDWEV_H_BU VADDWEV_W_HU VADDWEV_D_WU VADDWEV_Q_DU;
    [u8 u16 u32 u64] odd(|_, a, b| a.wrapping_add(b)):
        VADDWOD_H_BU VADDWOD_W_HU VADDWOD_D_WU VADDWOD_Q_DU;
    [i8 i16 i32 i64] even_mixed(|_, a, b| a.wrapping_add(b)):
        VADDWEV_H_BU_B VADDWEV_W_HU_H VADDWEV_D_WU_W VADDWEV_Q_DU_D;
    [i8 i16 i32 i64] odd_mixed(|_, a, b| a.wrapping_add(b)):
        VADDWOD_H_BU_B VADDWOD_W_HU_H VADDWOD_D_WU_W VADDWOD_Q_DU_D;

    [i8 i16 i32 i64] even(|_, a, b| a.wrapping_sub(b)):
        VSUBWEV_H_B VSUBWEV_W_H VSUBWEV_D_W VSUBWEV_Q_D;
    [i8 i16 i32 i64] odd(|_, a, b| a.wrapping_sub(b)):
        VSUBWOD_H_B VSUBWOD_W_H VSUBWOD_D_W VSUBWOD_Q_D;
    [u8 u16 u32 u64] even(|_, a, b| a.wrapping_sub(b)):
        VSUBWEV_H_BU VSUBWEV_W_HU VSUBWEV_D_WU VSUBWEV_Q_DU;
    [u8 u16 u32 u64] odd(|_, a, b| a.wrapping_sub(b)):
        VSUBWOD_H_BU VSUBWOD_W_HU VSUBWOD_D_WU VSUBWOD_Q_DU;

    [i8 i16 i32 i64] odd_even(|_, a, b| a.wrapping_add(b)):
        VHADDW_H_B VHADDW_W_H VHADDW_D_W VHADDW_Q_D;
    [u8 u16 u32 u64] odd_even(|_, a, b| a.wrapping_add(b)):
        VHADDW_HU_BU VHADDW_WU_HU VHADDW_DU_WU VHADDW_QU_DU;
    [i8 i16 i32 i64] odd_even(|_, a, b| a.wrapping_sub(b)):
        VHSUBW_H_B VHSUBW_W_H VHSUBW_D_W VHSUBW_Q_D;
    [u8 u16 u32 u64] odd_even(|_, a, b| a.wrapping_sub(b)):
        VHSUBW_HU_BU VHSUBW_WU_HU VHSUBW_DU_WU VHSUBW_QU_DU;

    [i8 i16 i32 i64] even(|_, a, b| a.wrapping_mul(b)):
        VMULWEV_H_B VMULWEV_W_H VMULWEV_D_W VMULWEV_Q_D;
    [i8 i16 i32 i64] odd(|_, a, b| a.wrapping_mul(b)):
        VMULWOD_H_B VMULWOD_W_H VMULWOD_D_W VMULWOD_Q_D;
    [u8 u16 u32 u64] even(|_, a, b| a.wrapping_mul(b)):
        VMULWEV_H_BU VMULWEV_W_HU VMULWEV_D_WU VMULWEV_Q_DU;
    [u8 u16 u32 u64] odd(|_, a, b| a.wrapping_mul(b)):
        VMULWOD_H_BU VMULWOD_W_HU VMULWOD_D_WU VMULWOD_Q_DU;
    [i8 i16 i32 i64] even_mixed(|_, a, b| a.wrapping_mul(b)):
        VMULWEV_H_BU_B VMULWEV_W_HU_H VMULWEV_D_WU_W VMULWEV_Q_DU_D;
    [i8 i16 i32 i64] odd_mixed(|_, a, b| a.wrapping_mul(b)):
        VMULWOD_H_BU_B VMULWOD_W_HU_H VMULWOD_D_WU_W VMULWOD_Q_DU_D;

    [i8 i16 i32 i64] even(|d, a, b| d.wrapping_add(a.wrapping_mul(b))):
        VMADDWEV_H_B VMADDWEV_W_H VMADDWEV_D_W VMADDWEV_Q_D;
    [i8 i16 i32 i64] odd(|d, a, b| d.wrapping_add(a.wrapping_mul(b))):
        VMADDWOD_H_B VMADDWOD_W_H VMADDWOD_D_W VMADDWOD_Q_D;
    [u8 u16 u32 u64] even(|d, a, b| d.wrapping_add(a.wrapping_mul(b))):
        VMADDWEV_H_BU VMADDWEV_W_HU VMADDWEV_D_WU VMADDWEV_Q_DU;
    [u8 u16 u32 u64] odd(|d, a, b| d.wrapping_add(a.wrapping_mul(b))):
        VMADDWOD_H_BU VMADDWOD_W_HU VMADDWOD_D_WU VMADDWOD_Q_DU;
    [i8 i16 i32 i64] even_mixed(|d, a, b| d.wrapping_add(a.wrapping_mul(b))):
        VMADDWEV_H_BU_B VMADDWEV_W_HU_H VMADDWEV_D_WU_W VMADDWEV_Q_DU_D;
    [i8 i16 i32 i64] odd_mixed(|d, a, b| d.wrapping_add(a.wrapping_mul(b))):
        VMADDWOD_H_BU_B VMADDWOD_W_HU_H VMADDWOD_D_WU_W VMADDWOD_Q_DU_D;

    [i8 i16 i32] low(|a, n| a << n): VSLLWIL_H_B VSLLWIL_W_H VSLLWIL_D_W;
    [u8 u16 u32] low(|a, n| a << n): VSLLWIL_HU_BU VSLLWIL_WU_HU VSLLWIL_DU_WU;
    [i64 u64] low(|a, _| a): VEXTL_Q_D VEXTL_QU_DU;
    [i8 i16 i32 i64] high: VEXTH_H_B VEXTH_W_H VEXTH_D_W VEXTH_Q_D;
    [u8 u16 u32 u64] high: VEXTH_HU_BU VEXTH_WU_HU VEXTH_DU_WU VEXTH_QU_DU;
}
