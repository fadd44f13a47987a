// SPDX-License-Identifier: Apache-2.0 OR MIT

//! LSX on the computer's vectors.

use super::super::emitter::{Emitter, Extension, Gate};
use super::super::form::{Form, field};
use super::memory::{displaced, indexed};
use crate::cpu::Op;
use crate::isa::vldi_pattern;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use la_arch::insn::lsx as enc;

const fn form(
    encoding: &'static la_arch::insn::Encoding,
    reads: u8,
    writes: u8,
    emit: fn(&mut Emitter<'_>, &Op),
) -> Form {
    Form::gated(Gate::Lsx, encoding, reads, writes, emit)
}

/// An immediate in every element.
fn splat(e: &mut Emitter<'_>, ty: Type, value: i64) -> Value {
    let lane = ty.lane_type();
    let mask = (u64::MAX >> (64 - lane.bits())) as i64;
    let value = e.b.ins().iconst(lane, value & mask);
    e.b.ins().splat(ty, value)
}

/// The amount of a shift by an immediate.
fn amount(e: &mut Emitter<'_>, op: &Op) -> Value {
    e.b.ins().iconst(types::I32, i64::from(op.imm))
}

/// The low bits of a general register as an element.
fn lane_of(e: &mut Emitter<'_>, r: u8, ty: Type) -> Value {
    let value = e.get(r);
    match ty {
        types::I64 => value,
        _ => e.b.ins().ireduce(ty, value),
    }
}

/// Which element the number `index` selects.
fn element(ty: Type, index: i32) -> u8 {
    index as u8 & (ty.lane_count() as u8 - 1)
}

/// Vd ← f(Vj, Vk).
macro_rules! vvv {
    ($enc:ident, $ty:ident, |$e:ident, $j:ident, $k:ident| $value:expr) => {
        form(&enc::$enc, 0, 0, |$e, op| {
            let ($j, $k) = ($e.vr(op.rj, types::$ty), $e.vr(op.rk, types::$ty));
            let value = $value;
            $e.set_vr(op.rd, value);
        })
    };
}

/// Vd ← f(Vj), with the operands at hand.
macro_rules! vv {
    ($enc:ident, $ty:ident, |$e:ident, $op:ident, $j:ident| $value:expr) => {
        form(&enc::$enc, 0, 0, |$e, $op| {
            let $j = $e.vr($op.rj, types::$ty);
            let value = $value;
            $e.set_vr($op.rd, value);
        })
    };
}

/// Vd ← f(Vj, the immediate in every element).
macro_rules! vvi {
    ($enc:ident, $ty:ident, |$e:ident, $j:ident, $k:ident| $value:expr) => {
        vv!($enc, $ty, |$e, op, $j| {
            let $k = splat($e, types::$ty, i64::from(op.imm));
            $value
        })
    };
}

macro_rules! shifts {
    ($($ty:ident $left:ident $right:ident $arithmetic:ident;)*) => {
        &[$(
            vv!($left, $ty, |e, op, j| { let n = amount(e, op); e.b.ins().ishl(j, n) }),
            vv!($right, $ty, |e, op, j| { let n = amount(e, op); e.b.ins().ushr(j, n) }),
            vv!($arithmetic, $ty, |e, op, j| { let n = amount(e, op); e.b.ins().sshr(j, n) }),
        )*]
    };
}

const SHIFTS: &[Form] = shifts! {
    I8X16 VSLLI_B VSRLI_B VSRAI_B;
    I16X8 VSLLI_H VSRLI_H VSRAI_H;
    I32X4 VSLLI_W VSRLI_W VSRAI_W;
    I64X2 VSLLI_D VSRLI_D VSRAI_D;
};

macro_rules! arithmetic {
    ($($ty:ident $add:ident $sub:ident $addi:ident $subi:ident $neg:ident;)*) => {
        &[$(
            vvv!($add, $ty, |e, j, k| e.b.ins().iadd(j, k)),
            vvv!($sub, $ty, |e, j, k| e.b.ins().isub(j, k)),
            vvi!($addi, $ty, |e, j, k| e.b.ins().iadd(j, k)),
            vvi!($subi, $ty, |e, j, k| e.b.ins().isub(j, k)),
            vv!($neg, $ty, |e, _op, j| e.b.ins().ineg(j)),
        )*]
    };
}

const ARITHMETIC: &[Form] = arithmetic! {
    I8X16 VADD_B VSUB_B VADDI_BU VSUBI_BU VNEG_B;
    I16X8 VADD_H VSUB_H VADDI_HU VSUBI_HU VNEG_H;
    I32X4 VADD_W VSUB_W VADDI_WU VSUBI_WU VNEG_W;
    I64X2 VADD_D VSUB_D VADDI_DU VSUBI_DU VNEG_D;
};

macro_rules! limits {
    ($($ty:ident $max:ident $min:ident $umax:ident $umin:ident;)*) => {
        &[$(
            vvv!($max, $ty, |e, j, k| e.b.ins().smax(j, k)),
            vvv!($min, $ty, |e, j, k| e.b.ins().smin(j, k)),
            vvv!($umax, $ty, |e, j, k| e.b.ins().umax(j, k)),
            vvv!($umin, $ty, |e, j, k| e.b.ins().umin(j, k)),
        )*]
    };
}

const LIMITS: &[Form] = limits! {
    I8X16 VMAX_B VMIN_B VMAX_BU VMIN_BU;
    I16X8 VMAX_H VMIN_H VMAX_HU VMIN_HU;
    I32X4 VMAX_W VMIN_W VMAX_WU VMIN_WU;
};

macro_rules! compare {
    ($($enc:ident $imm:ident $ty:ident $condition:ident;)*) => {
        &[$(
            vvv!($enc, $ty, |e, j, k| e.b.ins().icmp(IntCC::$condition, j, k)),
            vvi!($imm, $ty, |e, j, k| e.b.ins().icmp(IntCC::$condition, j, k)),
        )*]
    };
}

const COMPARE: &[Form] = compare! {
    VSEQ_B VSEQI_B I8X16 Equal;
    VSEQ_H VSEQI_H I16X8 Equal;
    VSEQ_W VSEQI_W I32X4 Equal;
    VSEQ_D VSEQI_D I64X2 Equal;
    VSLT_B VSLTI_B I8X16 SignedLessThan;
    VSLT_H VSLTI_H I16X8 SignedLessThan;
    VSLT_W VSLTI_W I32X4 SignedLessThan;
    VSLT_D VSLTI_D I64X2 SignedLessThan;
    VSLE_B VSLEI_B I8X16 SignedLessThanOrEqual;
    VSLE_H VSLEI_H I16X8 SignedLessThanOrEqual;
    VSLE_W VSLEI_W I32X4 SignedLessThanOrEqual;
    VSLE_D VSLEI_D I64X2 SignedLessThanOrEqual;
    VSLT_BU VSLTI_BU I8X16 UnsignedLessThan;
    VSLT_HU VSLTI_HU I16X8 UnsignedLessThan;
    VSLT_WU VSLTI_WU I32X4 UnsignedLessThan;
    VSLE_BU VSLEI_BU I8X16 UnsignedLessThanOrEqual;
    VSLE_HU VSLEI_HU I16X8 UnsignedLessThanOrEqual;
    VSLE_WU VSLEI_WU I32X4 UnsignedLessThanOrEqual;
};

/// Whether any element of Vj is zero.
fn any_zero(e: &mut Emitter<'_>, op: &Op, ty: Type) -> Value {
    let j = e.vr(op.rj, ty);
    let zero = splat(e, ty, 0);
    let zeros = e.b.ins().icmp(IntCC::Equal, j, zero);
    e.b.ins().vany_true(zeros)
}

/// Whether Vj is not zero.
fn not_zero(e: &mut Emitter<'_>, op: &Op) -> Value {
    let j = e.vr(op.rj, types::I8X16);
    e.b.ins().vany_true(j)
}

/// The sign bits of the elements, in the low half of Vd.
fn signs(e: &mut Emitter<'_>, op: &Op, elements: Value) {
    let bits = e.b.ins().vhigh_bits(types::I32, elements);
    let bits = e.b.ins().uextend(types::I64, bits);
    let zero = splat(e, types::I64X2, 0);
    let value = e.b.ins().insertlane(zero, bits, 0);
    e.set_vr(op.rd, value);
}

macro_rules! elements {
    ($($ty:ident $lane:ident $any:ident $all:ident $signs:ident $insert:ident
        $replicate:ident $signed:ident $unsigned:ident $load:ident $store:ident;)*) => {
        &[$(
            form(&enc::$any, 0, 0, |e, op| {
                let any = any_zero(e, op, types::$ty);
                e.set_condition(op.rd, any);
            }),
            form(&enc::$all, 0, 0, |e, op| {
                let any = any_zero(e, op, types::$ty);
                let all = e.b.ins().bxor_imm_s(any, 1);
                e.set_condition(op.rd, all);
            }),
            form(&enc::$signs, 0, 0, |e, op| {
                let j = e.vr(op.rj, types::$ty);
                signs(e, op, j);
            }),
            form(&enc::$insert, field::RJ, 0, |e, op| {
                let value = lane_of(e, op.rj, types::$lane);
                let d = e.vr(op.rd, types::$ty);
                let d = e.b.ins().insertlane(d, value, element(types::$ty, op.imm));
                e.set_vr(op.rd, d);
            }),
            form(&enc::$replicate, field::RJ, 0, |e, op| {
                let value = lane_of(e, op.rj, types::$lane);
                let d = e.b.ins().splat(types::$ty, value);
                e.set_vr(op.rd, d);
            }),
            form(&enc::$signed, 0, field::RD, |e, op| {
                let index = element(types::$ty, op.imm);
                let value = e.vr_element(op.rj, types::$lane, index);
                let value = e.extend(value, Extension::Signed);
                e.set(op.rd, value);
            }),
            form(&enc::$unsigned, 0, field::RD, |e, op| {
                let index = element(types::$ty, op.imm);
                let value = e.vr_element(op.rj, types::$lane, index);
                let value = e.extend(value, Extension::Zero);
                e.set(op.rd, value);
            }),
            form(&enc::$load, field::RJ, 0, |e, op| {
                let va = e.get(op.rj);
                let bytes = types::$lane.bytes();
                let va = e.b.ins().iadd_imm_s(va, i64::from(op.imm) * i64::from(bytes));
                e.load_vector(va, types::$lane, op.rd, |e, value| {
                    e.b.ins().splat(types::$ty, value)
                });
            }),
            form(&enc::$store, field::RJ, 0, |e, op| {
                let va = e.get(op.rj);
                let bytes = types::$lane.bytes();
                let va = e.b.ins().iadd_imm_s(va, i64::from(op.imm) * i64::from(bytes));
                let index = element(types::$ty, i32::from(op.imm2));
                let value = e.vr_element(op.rd, types::$lane, index);
                e.store(va, value);
            }),
        )*]
    };
}

const ELEMENTS: &[Form] = elements! {
    I8X16 I8 VSETANYEQZ_B VSETALLNEZ_B VMSKLTZ_B VINSGR2VR_B
        VREPLGR2VR_B VPICKVE2GR_B VPICKVE2GR_BU VLDREPL_B VSTELM_B;
    I16X8 I16 VSETANYEQZ_H VSETALLNEZ_H VMSKLTZ_H VINSGR2VR_H
        VREPLGR2VR_H VPICKVE2GR_H VPICKVE2GR_HU VLDREPL_H VSTELM_H;
    I32X4 I32 VSETANYEQZ_W VSETALLNEZ_W VMSKLTZ_W VINSGR2VR_W
        VREPLGR2VR_W VPICKVE2GR_W VPICKVE2GR_WU VLDREPL_W VSTELM_W;
    I64X2 I64 VSETANYEQZ_D VSETALLNEZ_D VMSKLTZ_D VINSGR2VR_D
        VREPLGR2VR_D VPICKVE2GR_D VPICKVE2GR_DU VLDREPL_D VSTELM_D;
};

fn load(e: &mut Emitter<'_>, op: &Op, va: Value) {
    e.load_vector(va, types::I64X2, op.rd, |_, value| value);
}

fn store(e: &mut Emitter<'_>, op: &Op, va: Value) {
    let value = e.vr(op.rd, types::I64X2);
    e.store(va, value);
}

const REST: &[Form] = &[
    form(&enc::VLD, field::RJ, 0, |e, op| {
        let va = displaced(e, op);
        load(e, op, va);
    }),
    form(&enc::VLDX, field::RJ | field::RK, 0, |e, op| {
        let va = indexed(e, op);
        load(e, op, va);
    }),
    form(&enc::VST, field::RJ, 0, |e, op| {
        let va = displaced(e, op);
        store(e, op, va);
    }),
    form(&enc::VSTX, field::RJ | field::RK, 0, |e, op| {
        let va = indexed(e, op);
        store(e, op, va);
    }),
    Form {
        fits: |op| vldi_pattern(op.imm).is_some(),
        ..form(&enc::VLDI, 0, 0, |e, op| {
            let value = vldi_pattern(op.imm).unwrap_or(0);
            let value = splat(e, types::I64X2, value as i64);
            e.set_vr(op.rd, value);
        })
    },
    vvv!(VAND_V, I64X2, |e, j, k| e.b.ins().band(j, k)),
    vvv!(VOR_V, I64X2, |e, j, k| e.b.ins().bor(j, k)),
    vvv!(VXOR_V, I64X2, |e, j, k| e.b.ins().bxor(j, k)),
    vvv!(VNOR_V, I64X2, |e, j, k| {
        let or = e.b.ins().bor(j, k);
        e.b.ins().bnot(or)
    }),
    vvv!(VANDN_V, I64X2, |e, j, k| {
        let not = e.b.ins().bnot(j);
        e.b.ins().band(not, k)
    }),
    vvv!(VORN_V, I64X2, |e, j, k| {
        let not = e.b.ins().bnot(k);
        e.b.ins().bor(j, not)
    }),
    vvi!(VANDI_B, I8X16, |e, j, k| e.b.ins().band(j, k)),
    vvi!(VORI_B, I8X16, |e, j, k| e.b.ins().bor(j, k)),
    vvi!(VXORI_B, I8X16, |e, j, k| e.b.ins().bxor(j, k)),
    vvv!(VMUL_H, I16X8, |e, j, k| e.b.ins().imul(j, k)),
    vvv!(VMUL_W, I32X4, |e, j, k| e.b.ins().imul(j, k)),
    vvv!(VMUL_D, I64X2, |e, j, k| e.b.ins().imul(j, k)),
    form(&enc::VPCNT_D, 0, 0, |e, op| {
        let halves = [0, 1].map(|i| e.vr_element(op.rj, types::I64, i));
        let [low, high] = halves.map(|half| e.b.ins().popcnt(half));
        let both = e.b.ins().splat(types::I64X2, low);
        let both = e.b.ins().insertlane(both, high, 1);
        e.set_vr(op.rd, both);
    }),
    form(&enc::VMSKNZ_B, 0, 0, |e, op| {
        let j = e.vr(op.rj, types::I8X16);
        let zero = splat(e, types::I8X16, 0);
        let mask = e.b.ins().icmp(IntCC::NotEqual, j, zero);
        signs(e, op, mask);
    }),
    form(&enc::VMSKGEZ_B, 0, 0, |e, op| {
        let j = e.vr(op.rj, types::I8X16);
        let negated = e.b.ins().bnot(j);
        signs(e, op, negated);
    }),
    form(&enc::VSETNEZ_V, 0, 0, |e, op| {
        let flag = not_zero(e, op);
        e.set_condition(op.rd, flag);
    }),
    form(&enc::VSETEQZ_V, 0, 0, |e, op| {
        let flag = not_zero(e, op);
        let flag = e.b.ins().bxor_imm_s(flag, 1);
        e.set_condition(op.rd, flag);
    }),
];

pub(super) const FORMS: &[&[Form]] = &[SHIFTS, ARITHMETIC, LIMITS, COMPARE, ELEMENTS, REST];
