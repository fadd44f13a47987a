// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Moves, loads, stores, branches and comparisons of floating point. A floating-point
//! register is the low half of a vector register, which stays in memory.

use super::super::emitter::{Emitter, Gate};
use super::super::form::{Form, Way, field};
use super::memory::{displaced, indexed};
use crate::cpu::Op;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use la_arch::insn::Encoding;
use la_arch::insn::fp as enc;

pub(super) const fn form(
    encoding: &'static Encoding,
    reads: u8,
    writes: u8,
    emit: fn(&mut Emitter<'_>, &Op),
) -> Form {
    Form::gated(Gate::Fp, encoding, reads, writes, emit)
}

impl Emitter<'_> {
    /// Floating-point register `r`, or its low word, as a value of a type.
    pub(super) fn fpr(&mut self, r: u8, ty: Type) -> Value {
        self.vr_element(r, ty, 0)
    }

    /// Writes a number or an integer of 64 or 32 bits; the latter is NaN-boxed.
    pub(super) fn set_fpr(&mut self, r: u8, value: Value) {
        self.set_vr_element(r, value, 0);
        if self.b.func.dfg.value_type(value).bytes() == 4 {
            let ones = self.b.ins().iconst(types::I32, 0xffff_ffff);
            self.set_vr_element(r, ones, 1);
        }
    }

    /// Condition flag `c`, as an integer.
    fn condition(&mut self, c: u8) -> Value {
        let flags = self.fcc();
        let flag = self.b.ins().ushr_imm_s(flags, i64::from(c & 7));
        self.b.ins().band_imm_s(flag, 1)
    }
}

fn load(e: &mut Emitter<'_>, op: &Op, va: Value, ty: Type) {
    e.release_vector(op.rd);
    e.load_with(va, ty, 0, |e, value| e.set_fpr(op.rd, value));
}

fn store(e: &mut Emitter<'_>, op: &Op, va: Value, ty: Type) {
    let value = e.fpr(op.rd, ty);
    e.store(va, value);
}

macro_rules! access {
    ($enc:ident, $what:ident, $address:ident, $ty:ident, $reads:expr) => {
        form(&enc::$enc, $reads, 0, |e, op| {
            let va = $address(e, op);
            $what(e, op, va, types::$ty);
        })
    };
}

fn branch(e: &mut Emitter<'_>, op: &Op, wanted: IntCC) {
    let flag = e.condition(op.rj);
    let holds = e.b.ins().icmp_imm_s(wanted, flag, 0);
    e.branch(op, holds);
}

/// The sign bit of fj changes.
macro_rules! sign {
    ($enc:ident, $ty:ident, |$e:ident, $value:ident, $sign:ident| $changed:expr) => {
        form(&enc::$enc, 0, 0, |$e, op| {
            let $value = $e.fpr(op.rj, types::$ty);
            let $sign = $e.b.ins().iconst(types::$ty, 1);
            let $sign =
                $e.b.ins()
                    .ishl_imm_s($sign, i64::from(types::$ty.bits()) - 1);
            let value = $changed;
            $e.set_fpr(op.rd, value);
        })
    };
}

/// Compares; a NaN is left to the handler.
fn compare(e: &mut Emitter<'_>, op: &Op, ty: Type) {
    let (j, k) = (e.fpr(op.rj, ty), e.fpr(op.rk, ty));
    let ordered = e.b.ins().fcmp(FloatCC::Ordered, j, k);
    e.or_light(ordered, |e| {
        // Bits 1 and 2 of the condition's field select less and equal, bit 4 less and
        // greater; bits 0 and 3 are about NaNs.
        let flag = match op.insn >> 16 & 0b1011 {
            0 => e.b.ins().iconst(types::I8, 0),
            1 => e.b.ins().fcmp(FloatCC::LessThan, j, k),
            2 => e.b.ins().fcmp(FloatCC::Equal, j, k),
            3 => e.b.ins().fcmp(FloatCC::LessThanOrEqual, j, k),
            8 => e.b.ins().fcmp(FloatCC::NotEqual, j, k),
            _ => e.b.ins().iconst(types::I8, 1),
        };
        e.set_condition(op.rd, flag);
        e.set_cause(None);
    });
}

macro_rules! comparisons {
    ($($s:ident $d:ident)*) => {
        &[$(
            form(&enc::$s, 0, 0, |e, op| compare(e, op, types::F32)),
            form(&enc::$d, 0, 0, |e, op| compare(e, op, types::F64)),
        )*]
    };
}

const COMPARISONS: &[Form] = comparisons! {
    FCMP_CAF_S FCMP_CAF_D
    FCMP_SAF_S FCMP_SAF_D
    FCMP_CLT_S FCMP_CLT_D
    FCMP_SLT_S FCMP_SLT_D
    FCMP_CEQ_S FCMP_CEQ_D
    FCMP_SEQ_S FCMP_SEQ_D
    FCMP_CLE_S FCMP_CLE_D
    FCMP_SLE_S FCMP_SLE_D
    FCMP_CUN_S FCMP_CUN_D
    FCMP_SUN_S FCMP_SUN_D
    FCMP_CULT_S FCMP_CULT_D
    FCMP_SULT_S FCMP_SULT_D
    FCMP_CUEQ_S FCMP_CUEQ_D
    FCMP_SUEQ_S FCMP_SUEQ_D
    FCMP_CULE_S FCMP_CULE_D
    FCMP_SULE_S FCMP_SULE_D
    FCMP_CNE_S FCMP_CNE_D
    FCMP_SNE_S FCMP_SNE_D
    FCMP_COR_S FCMP_COR_D
    FCMP_SOR_S FCMP_SOR_D
    FCMP_CUNE_S FCMP_CUNE_D
    FCMP_SUNE_S FCMP_SUNE_D
};

const REST: &[Form] = &[
    access!(FLD_S, load, displaced, I32, field::RJ),
    access!(FLD_D, load, displaced, I64, field::RJ),
    access!(FST_S, store, displaced, I32, field::RJ),
    access!(FST_D, store, displaced, I64, field::RJ),
    access!(FLDX_S, load, indexed, I32, field::RJ | field::RK),
    access!(FLDX_D, load, indexed, I64, field::RJ | field::RK),
    access!(FSTX_S, store, indexed, I32, field::RJ | field::RK),
    access!(FSTX_D, store, indexed, I64, field::RJ | field::RK),
    Form {
        way: Some(Way::Condition),
        ..form(&enc::BCEQZ, 0, 0, |e, op| branch(e, op, IntCC::Equal))
    },
    Form {
        way: Some(Way::Condition),
        ..form(&enc::BCNEZ, 0, 0, |e, op| branch(e, op, IntCC::NotEqual))
    },
    sign!(FMOV_S, I32, |e, value, _sign| value),
    sign!(FMOV_D, I64, |e, value, _sign| value),
    sign!(FABS_S, I32, |e, value, sign| e
        .b
        .ins()
        .band_not(value, sign)),
    sign!(FABS_D, I64, |e, value, sign| e
        .b
        .ins()
        .band_not(value, sign)),
    sign!(FNEG_S, I32, |e, value, sign| e.b.ins().bxor(value, sign)),
    sign!(FNEG_D, I64, |e, value, sign| e.b.ins().bxor(value, sign)),
    form(&enc::FSEL, 0, 0, |e, op| {
        let flag = e.condition(op.ra);
        let (j, k) = (e.fpr(op.rj, types::I64), e.fpr(op.rk, types::I64));
        let value = e.b.ins().select(flag, k, j);
        e.set_fpr(op.rd, value);
    }),
    form(&enc::MOVGR2FR_W, field::RJ, 0, |e, op| {
        let value = e.get(op.rj);
        let low = e.b.ins().ireduce(types::I32, value);
        e.set_vr_element(op.rd, low, 0);
    }),
    form(&enc::MOVGR2FRH_W, field::RJ, 0, |e, op| {
        let value = e.get(op.rj);
        let low = e.b.ins().ireduce(types::I32, value);
        e.set_vr_element(op.rd, low, 1);
    }),
    form(&enc::MOVGR2FR_D, field::RJ, 0, |e, op| {
        let value = e.get(op.rj);
        e.set_fpr(op.rd, value);
    }),
    form(&enc::MOVFR2GR_S, 0, field::RD, |e, op| {
        let value = e.fpr(op.rj, types::I32);
        let value = e.b.ins().sextend(types::I64, value);
        e.set(op.rd, value);
    }),
    form(&enc::MOVFRH2GR_S, 0, field::RD, |e, op| {
        let value = e.vr_element(op.rj, types::I32, 1);
        let value = e.b.ins().sextend(types::I64, value);
        e.set(op.rd, value);
    }),
    form(&enc::MOVFR2GR_D, 0, field::RD, |e, op| {
        let value = e.fpr(op.rj, types::I64);
        e.set(op.rd, value);
    }),
    form(&enc::MOVCF2GR, 0, field::RD, |e, op| {
        let flag = e.condition(op.rj);
        let value = e.b.ins().uextend(types::I64, flag);
        e.set(op.rd, value);
    }),
    form(&enc::MOVCF2FR, 0, 0, |e, op| {
        let flag = e.condition(op.rj);
        let value = e.b.ins().uextend(types::I64, flag);
        e.set_fpr(op.rd, value);
    }),
];

pub(super) const FORMS: &[&[Form]] = &[COMPARISONS, REST];
