// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Integer arithmetic on elements of one width.

use super::lane::Lane;
use super::shape::{accumulate, vv, vvi, vvv};

vector_table! {
    [i8 i16 i32 i64 i128] vvv(|a, b| a.wrapping_add(b)): VADD_B VADD_H VADD_W VADD_D VADD_Q;
    [i8 i16 i32 i64 i128] vvv(|a, b| a.wrapping_sub(b)): VSUB_B VSUB_H VSUB_W VSUB_D VSUB_Q;
    [u8 u16 u32 u64] vvi(|a, b| a.wrapping_add(b)): VADDI_BU VADDI_HU VADDI_WU VADDI_DU;
    [u8 u16 u32 u64] vvi(|a, b| a.wrapping_sub(b)): VSUBI_BU VSUBI_HU VSUBI_WU VSUBI_DU;
    [i8 i16 i32 i64] vv(|a| a.wrapping_neg()): VNEG_B VNEG_H VNEG_W VNEG_D;

    [i8 i16 i32 i64] vvv(|a, b| a.saturating_add(b)): VSADD_B VSADD_H VSADD_W VSADD_D;
    [i8 i16 i32 i64] vvv(|a, b| a.saturating_sub(b)): VSSUB_B VSSUB_H VSSUB_W VSSUB_D;
    [u8 u16 u32 u64] vvv(|a, b| a.saturating_add(b)): VSADD_BU VSADD_HU VSADD_WU VSADD_DU;
    [u8 u16 u32 u64] vvv(|a, b| a.saturating_sub(b)): VSSUB_BU VSSUB_HU VSSUB_WU VSSUB_DU;

    [i8 i16 i32 i64] vvv(|a, b| a.wrapping_abs().wrapping_add(b.wrapping_abs())):
        VADDA_B VADDA_H VADDA_W VADDA_D;
    [i8 i16 i32 i64] vvv(|a, b| a.max(b).wrapping_sub(a.min(b))): VABSD_B VABSD_H VABSD_W VABSD_D;
    [u8 u16 u32 u64] vvv(|a, b| a.abs_diff(b)): VABSD_BU VABSD_HU VABSD_WU VABSD_DU;

    // The sum needs one bit more than the element has.
    [i8 i16 i32 i64] vvv(|a, b| (a & b) + ((a ^ b) >> 1)): VAVG_B VAVG_H VAVG_W VAVG_D;
    [u8 u16 u32 u64] vvv(|a, b| (a & b) + ((a ^ b) >> 1)): VAVG_BU VAVG_HU VAVG_WU VAVG_DU;
    [i8 i16 i32 i64] vvv(|a, b| (a | b) - ((a ^ b) >> 1)): VAVGR_B VAVGR_H VAVGR_W VAVGR_D;
    [u8 u16 u32 u64] vvv(|a, b| (a | b) - ((a ^ b) >> 1)): VAVGR_BU VAVGR_HU VAVGR_WU VAVGR_DU;

    [i8 i16 i32 i64] vvv(|a, b| a.max(b)): VMAX_B VMAX_H VMAX_W VMAX_D;
    [u8 u16 u32 u64] vvv(|a, b| a.max(b)): VMAX_BU VMAX_HU VMAX_WU VMAX_DU;
    [i8 i16 i32 i64] vvi(|a, b| a.max(b)): VMAXI_B VMAXI_H VMAXI_W VMAXI_D;
    [u8 u16 u32 u64] vvi(|a, b| a.max(b)): VMAXI_BU VMAXI_HU VMAXI_WU VMAXI_DU;
    [i8 i16 i32 i64] vvv(|a, b| a.min(b)): VMIN_B VMIN_H VMIN_W VMIN_D;
    [u8 u16 u32 u64] vvv(|a, b| a.min(b)): VMIN_BU VMIN_HU VMIN_WU VMIN_DU;
    [i8 i16 i32 i64] vvi(|a, b| a.min(b)): VMINI_B VMINI_H VMINI_W VMINI_D;
    [u8 u16 u32 u64] vvi(|a, b| a.min(b)): VMINI_BU VMINI_HU VMINI_WU VMINI_DU;

    [i8 i16 i32 i64] vvv(|a, b| a.wrapping_mul(b)): VMUL_B VMUL_H VMUL_W VMUL_D;
    [i8] vvv(|a, b| ((i16::from(a) * i16::from(b)) >> 8) as i8): VMUH_B;
    [i16] vvv(|a, b| ((i32::from(a) * i32::from(b)) >> 16) as i16): VMUH_H;
    [i32] vvv(|a, b| ((i64::from(a) * i64::from(b)) >> 32) as i32): VMUH_W;
    [i64] vvv(|a, b| ((i128::from(a) * i128::from(b)) >> 64) as i64): VMUH_D;
    [u8] vvv(|a, b| ((u16::from(a) * u16::from(b)) >> 8) as u8): VMUH_BU;
    [u16] vvv(|a, b| ((u32::from(a) * u32::from(b)) >> 16) as u16): VMUH_HU;
    [u32] vvv(|a, b| ((u64::from(a) * u64::from(b)) >> 32) as u32): VMUH_WU;
    [u64] vvv(|a, b| ((u128::from(a) * u128::from(b)) >> 64) as u64): VMUH_DU;
    [i8 i16 i32 i64] accumulate(|d, a, b| d.wrapping_add(a.wrapping_mul(b))):
        VMADD_B VMADD_H VMADD_W VMADD_D;
    [i8 i16 i32 i64] accumulate(|d, a, b| d.wrapping_sub(a.wrapping_mul(b))):
        VMSUB_B VMSUB_H VMSUB_W VMSUB_D;

    // The manual leaves division by zero open; zero is also what QEMU gives.
    [i8 i16 i32 i64] vvv(|a, b| if b == 0 { 0 } else { a.wrapping_div(b) }):
        VDIV_B VDIV_H VDIV_W VDIV_D;
    [u8 u16 u32 u64] vvv(|a, b| a.checked_div(b).unwrap_or(0)): VDIV_BU VDIV_HU VDIV_WU VDIV_DU;
    [i8 i16 i32 i64] vvv(|a, b| if b == 0 { 0 } else { a.wrapping_rem(b) }):
        VMOD_B VMOD_H VMOD_W VMOD_D;
    [u8 u16 u32 u64] vvv(|a, b| a.checked_rem(b).unwrap_or(0)): VMOD_BU VMOD_HU VMOD_WU VMOD_DU;

    // The immediate is the number of the highest bit that is kept: of the
    // magnitude for signed elements, of the value for unsigned ones.
    [i8 i16 i32 i64] vvi(|a, n| { let max = !(!0 << n.count()); a.clamp(!max, max) }):
        VSAT_B VSAT_H VSAT_W VSAT_D;
    [u8 u16 u32 u64] vvi(|a, n| a.min(!(!1 << n.count()))): VSAT_BU VSAT_HU VSAT_WU VSAT_DU;

    [i8 i16 i32 i64] vvv(|a, b| b.wrapping_mul(a.signum())):
        VSIGNCOV_B VSIGNCOV_H VSIGNCOV_W VSIGNCOV_D;
}
