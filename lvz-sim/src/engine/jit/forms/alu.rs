// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Integer computation without memory, and what does nothing.

use super::super::emitter::Emitter;
use super::super::form::{Form, field};
use crate::cpu::Op;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use la_arch::insn::integer as enc;

/// The form that writes to rd a value made of operands: `rd!(ENC, |e, rj, rk| ...)`.
macro_rules! rd {
    ($enc:ident, |$e:ident $(, $operand:ident)*| $value:expr) => {
        rd!($enc, |_op| true, |$e $(, $operand)*| $value)
    };
    ($enc:ident, $fits:expr, |$e:ident $(, $operand:ident)*| $value:expr) => {
        Form {
            encoding: &enc::$enc,
            reads: 0 $(| rd!(@field $operand))*,
            writes: field::RD,
            way: None,
            gate: None,
            fits: $fits,
            emit: |$e, op| {
                $(let $operand = rd!(@get $operand, $e, op);)*
                let value = $value;
                $e.set(op.rd, value);
            },
        }
    };
    (@field rd) => { field::RD };
    (@field rj) => { field::RJ };
    (@field rk) => { field::RK };
    (@field $other:ident) => { 0 };
    (@get rd, $e:ident, $op:ident) => { $e.get($op.rd) };
    (@get rj, $e:ident, $op:ident) => { $e.get($op.rj) };
    (@get rk, $e:ident, $op:ident) => { $e.get($op.rk) };
    (@get imm, $e:ident, $op:ident) => { i64::from($op.imm) };
    (@get op, $e:ident, $op:ident) => { $op };
}

fn nothing(_: &mut Emitter<'_>, _: &Op) {}

macro_rules! nothing {
    ($enc:ident) => {
        Form {
            encoding: &enc::$enc,
            reads: 0,
            writes: 0,
            way: None,
            gate: None,
            fits: |_| true,
            emit: nothing,
        }
    };
}

impl Emitter<'_> {
    /// The low word, sign-extended.
    fn word(&mut self, value: Value) -> Value {
        let low = self.b.ins().ireduce(types::I32, value);
        self.b.ins().sextend(types::I64, low)
    }

    fn low(&mut self, value: Value) -> Value {
        self.b.ins().ireduce(types::I32, value)
    }

    fn signed(&mut self, value: Value) -> Value {
        self.b.ins().sextend(types::I64, value)
    }

    fn unsigned(&mut self, value: Value) -> Value {
        self.b.ins().uextend(types::I64, value)
    }

    fn flag(&mut self, condition: IntCC, a: Value, b: Value) -> Value {
        let flag = self.b.ins().icmp(condition, a, b);
        self.b.ins().uextend(types::I64, flag)
    }

    fn alsl(&mut self, rj: Value, rk: Value, imm: i64) -> Value {
        let shifted = self.b.ins().ishl_imm_s(rj, (imm & 3) + 1);
        self.b.ins().iadd(shifted, rk)
    }

    /// `value` if `test` is zero, else zero; or the other way round.
    fn masked(&mut self, value: Value, test: Value, keep_if_zero: bool) -> Value {
        let zero = self.b.ins().iconst(types::I64, 0);
        let is_zero = self.b.ins().icmp_imm_s(IntCC::Equal, test, 0);
        match keep_if_zero {
            true => self.b.ins().select(is_zero, value, zero),
            false => self.b.ins().select(is_zero, zero, value),
        }
    }
}

/// The quotient or remainder with what the interpreter gives for a divisor of zero,
/// which is like one, and for the most negative number divided by minus one.
fn divide(
    e: &mut Emitter<'_>,
    rj: Value,
    rk: Value,
    ty: Type,
    signed: bool,
    quotient: bool,
) -> Value {
    let (rj, rk) = match ty {
        types::I64 => (rj, rk),
        _ => (e.low(rj), e.low(rk)),
    };
    let one = e.b.ins().iconst(ty, 1);
    let is_zero = e.b.ins().icmp_imm_s(IntCC::Equal, rk, 0);
    let mut divisor = e.b.ins().select(is_zero, one, rk);
    // Division by minus one is negation, which does not overflow into a trap.
    let is_minus_one = e.b.ins().icmp_imm_s(IntCC::Equal, rk, -1);
    if signed {
        divisor = e.b.ins().select(is_minus_one, one, divisor);
    }
    let value = match (signed, quotient) {
        (false, true) => e.b.ins().udiv(rj, divisor),
        (false, false) => e.b.ins().urem(rj, divisor),
        (true, false) => e.b.ins().srem(rj, divisor),
        (true, true) => {
            let negated = e.b.ins().ineg(rj);
            let divided = e.b.ins().sdiv(rj, divisor);
            e.b.ins().select(is_minus_one, negated, divided)
        }
    };
    match ty {
        types::I64 => value,
        _ => e.signed(value),
    }
}

/// The mask of a bit field's low bits.
fn mask(op: &Op) -> i64 {
    (u64::MAX >> (63 - (i32::from(op.imm2) - op.imm).clamp(0, 63))) as i64
}

fn is_field(op: &Op) -> bool {
    i32::from(op.imm2) >= op.imm
}

fn bstrins(e: &mut Emitter<'_>, op: &Op, rd: Value, rj: Value) -> Value {
    let (mask, lsb) = (mask(op), i64::from(op.imm));
    let kept = e.b.ins().band_imm_s(rd, !(mask << lsb));
    let field = e.b.ins().band_imm_s(rj, mask);
    let field = e.b.ins().ishl_imm_s(field, lsb);
    e.b.ins().bor(kept, field)
}

fn bstrpick(e: &mut Emitter<'_>, op: &Op, rj: Value) -> Value {
    let shifted = e.b.ins().ushr_imm_s(rj, i64::from(op.imm));
    e.b.ins().band_imm_s(shifted, mask(op))
}

/// The address of the instruction plus a constant.
fn pc_plus(e: &mut Emitter<'_>, op: &Op, distance: i64) -> Value {
    let pc = e.pc_of(op);
    e.b.ins().iadd_imm_s(pc, distance)
}

pub(super) const FORMS: &[Form] = &[
    rd!(ADD_W, |e, rj, rk| {
        let sum = e.b.ins().iadd(rj, rk);
        e.word(sum)
    }),
    rd!(ADD_D, |e, rj, rk| e.b.ins().iadd(rj, rk)),
    rd!(SUB_W, |e, rj, rk| {
        let difference = e.b.ins().isub(rj, rk);
        e.word(difference)
    }),
    rd!(SUB_D, |e, rj, rk| e.b.ins().isub(rj, rk)),
    rd!(ADDI_W, |e, rj, imm| {
        let sum = e.b.ins().iadd_imm_s(rj, imm);
        e.word(sum)
    }),
    rd!(ADDI_D, |e, rj, imm| e.b.ins().iadd_imm_s(rj, imm)),
    rd!(ADDU16I_D, |e, rj, imm| e.b.ins().iadd_imm_s(rj, imm << 16)),
    rd!(ALSL_W, |e, rj, rk, imm| {
        let sum = e.alsl(rj, rk, imm);
        e.word(sum)
    }),
    rd!(ALSL_WU, |e, rj, rk, imm| {
        let sum = e.alsl(rj, rk, imm);
        let low = e.low(sum);
        e.unsigned(low)
    }),
    rd!(ALSL_D, |e, rj, rk, imm| e.alsl(rj, rk, imm)),
    rd!(LU12I_W, |e, imm| e.b.ins().iconst(types::I64, imm << 12)),
    rd!(LU32I_D, |e, rd, imm| {
        let low = e.b.ins().band_imm_s(rd, 0xffff_ffff);
        e.b.ins().bor_imm_s(low, imm << 32)
    }),
    rd!(LU52I_D, |e, rj, imm| {
        let low = e.b.ins().band_imm_s(rj, (1 << 52) - 1);
        e.b.ins().bor_imm_s(low, imm << 52)
    }),
    rd!(SLT, |e, rj, rk| e.flag(IntCC::SignedLessThan, rj, rk)),
    rd!(SLTU, |e, rj, rk| e.flag(IntCC::UnsignedLessThan, rj, rk)),
    rd!(SLTI, |e, rj, imm| {
        let imm = e.b.ins().iconst(types::I64, imm);
        e.flag(IntCC::SignedLessThan, rj, imm)
    }),
    rd!(SLTUI, |e, rj, imm| {
        let imm = e.b.ins().iconst(types::I64, imm);
        e.flag(IntCC::UnsignedLessThan, rj, imm)
    }),
    rd!(PCADDI, |e, op| pc_plus(e, op, i64::from(op.imm) << 2)),
    rd!(PCADDU12I, |e, op| pc_plus(e, op, i64::from(op.imm) << 12)),
    rd!(PCADDU18I, |e, op| pc_plus(e, op, i64::from(op.imm) << 18)),
    rd!(PCALAU12I, |e, op| {
        let sum = pc_plus(e, op, i64::from(op.imm) << 12);
        e.b.ins().band_imm_s(sum, !0xfff)
    }),
    rd!(AND, |e, rj, rk| e.b.ins().band(rj, rk)),
    rd!(OR, |e, rj, rk| e.b.ins().bor(rj, rk)),
    rd!(NOR, |e, rj, rk| {
        let or = e.b.ins().bor(rj, rk);
        e.b.ins().bnot(or)
    }),
    rd!(XOR, |e, rj, rk| e.b.ins().bxor(rj, rk)),
    rd!(ANDN, |e, rj, rk| e.b.ins().band_not(rj, rk)),
    rd!(ORN, |e, rj, rk| e.b.ins().bor_not(rj, rk)),
    rd!(ANDI, |e, rj, imm| e.b.ins().band_imm_s(rj, imm)),
    rd!(ORI, |e, rj, imm| e.b.ins().bor_imm_s(rj, imm)),
    rd!(XORI, |e, rj, imm| e.b.ins().bxor_imm_s(rj, imm)),
    // Cranelift's shifts and rotations use as many bits of the amount as the
    // manual says.
    rd!(SLL_W, |e, rj, rk| {
        let (value, amount) = (e.low(rj), e.low(rk));
        let shifted = e.b.ins().ishl(value, amount);
        e.signed(shifted)
    }),
    rd!(SRL_W, |e, rj, rk| {
        let (value, amount) = (e.low(rj), e.low(rk));
        let shifted = e.b.ins().ushr(value, amount);
        e.signed(shifted)
    }),
    rd!(SRA_W, |e, rj, rk| {
        let (value, amount) = (e.low(rj), e.low(rk));
        let shifted = e.b.ins().sshr(value, amount);
        e.signed(shifted)
    }),
    rd!(ROTR_W, |e, rj, rk| {
        let (value, amount) = (e.low(rj), e.low(rk));
        let rotated = e.b.ins().rotr(value, amount);
        e.signed(rotated)
    }),
    rd!(SLL_D, |e, rj, rk| e.b.ins().ishl(rj, rk)),
    rd!(SRL_D, |e, rj, rk| e.b.ins().ushr(rj, rk)),
    rd!(SRA_D, |e, rj, rk| e.b.ins().sshr(rj, rk)),
    rd!(ROTR_D, |e, rj, rk| e.b.ins().rotr(rj, rk)),
    rd!(SLLI_W, |e, rj, imm| {
        let value = e.low(rj);
        let shifted = e.b.ins().ishl_imm_s(value, imm);
        e.signed(shifted)
    }),
    rd!(SRLI_W, |e, rj, imm| {
        let value = e.low(rj);
        let shifted = e.b.ins().ushr_imm_s(value, imm);
        e.signed(shifted)
    }),
    rd!(SRAI_W, |e, rj, imm| {
        let value = e.low(rj);
        let shifted = e.b.ins().sshr_imm_s(value, imm);
        e.signed(shifted)
    }),
    rd!(ROTRI_W, |e, rj, imm| {
        let value = e.low(rj);
        let rotated = e.b.ins().rotr_imm_s(value, imm);
        e.signed(rotated)
    }),
    rd!(SLLI_D, |e, rj, imm| e.b.ins().ishl_imm_s(rj, imm)),
    rd!(SRLI_D, |e, rj, imm| e.b.ins().ushr_imm_s(rj, imm)),
    rd!(SRAI_D, |e, rj, imm| e.b.ins().sshr_imm_s(rj, imm)),
    rd!(ROTRI_D, |e, rj, imm| e.b.ins().rotr_imm_s(rj, imm)),
    rd!(MUL_W, |e, rj, rk| {
        let product = e.b.ins().imul(rj, rk);
        e.word(product)
    }),
    rd!(MUL_D, |e, rj, rk| e.b.ins().imul(rj, rk)),
    rd!(MULH_D, |e, rj, rk| e.b.ins().smulhi(rj, rk)),
    rd!(MULH_DU, |e, rj, rk| e.b.ins().umulhi(rj, rk)),
    rd!(MULW_D_W, |e, rj, rk| {
        let (rj, rk) = (e.word(rj), e.word(rk));
        e.b.ins().imul(rj, rk)
    }),
    rd!(MULW_D_WU, |e, rj, rk| {
        let (rj, rk) = (e.low(rj), e.low(rk));
        let (rj, rk) = (e.unsigned(rj), e.unsigned(rk));
        e.b.ins().imul(rj, rk)
    }),
    rd!(DIV_W, |e, rj, rk| divide(e, rj, rk, types::I32, true, true)),
    rd!(MOD_W, |e, rj, rk| divide(
        e,
        rj,
        rk,
        types::I32,
        true,
        false
    )),
    rd!(DIV_WU, |e, rj, rk| divide(
        e,
        rj,
        rk,
        types::I32,
        false,
        true
    )),
    rd!(MOD_WU, |e, rj, rk| divide(
        e,
        rj,
        rk,
        types::I32,
        false,
        false
    )),
    rd!(DIV_D, |e, rj, rk| divide(e, rj, rk, types::I64, true, true)),
    rd!(MOD_D, |e, rj, rk| divide(
        e,
        rj,
        rk,
        types::I64,
        true,
        false
    )),
    rd!(DIV_DU, |e, rj, rk| divide(
        e,
        rj,
        rk,
        types::I64,
        false,
        true
    )),
    rd!(MOD_DU, |e, rj, rk| divide(
        e,
        rj,
        rk,
        types::I64,
        false,
        false
    )),
    rd!(EXT_W_B, |e, rj| {
        let byte = e.b.ins().ireduce(types::I8, rj);
        e.signed(byte)
    }),
    rd!(EXT_W_H, |e, rj| {
        let half = e.b.ins().ireduce(types::I16, rj);
        e.signed(half)
    }),
    rd!(CLZ_W, |e, rj| {
        let low = e.low(rj);
        let count = e.b.ins().clz(low);
        e.unsigned(count)
    }),
    rd!(CTZ_W, |e, rj| {
        let low = e.low(rj);
        let count = e.b.ins().ctz(low);
        e.unsigned(count)
    }),
    rd!(CLZ_D, |e, rj| e.b.ins().clz(rj)),
    rd!(CTZ_D, |e, rj| e.b.ins().ctz(rj)),
    rd!(CTO_W, |e, rj| {
        let inverted = e.b.ins().bnot(rj);
        let low = e.low(inverted);
        let count = e.b.ins().ctz(low);
        e.unsigned(count)
    }),
    rd!(CTO_D, |e, rj| {
        let inverted = e.b.ins().bnot(rj);
        e.b.ins().ctz(inverted)
    }),
    rd!(CLO_D, |e, rj| {
        let inverted = e.b.ins().bnot(rj);
        e.b.ins().clz(inverted)
    }),
    rd!(REVB_2W, |e, rj| {
        let swapped = e.b.ins().bswap(rj);
        e.b.ins().rotl_imm_s(swapped, 32)
    }),
    rd!(REVB_D, |e, rj| e.b.ins().bswap(rj)),
    rd!(BSTRINS_W, is_field, |e, op, rd, rj| {
        let value = bstrins(e, op, rd, rj);
        e.word(value)
    }),
    rd!(BSTRINS_D, is_field, |e, op, rd, rj| bstrins(e, op, rd, rj)),
    rd!(BSTRPICK_W, is_field, |e, op, rj| {
        let value = bstrpick(e, op, rj);
        e.word(value)
    }),
    rd!(BSTRPICK_D, is_field, |e, op, rj| bstrpick(e, op, rj)),
    rd!(MASKEQZ, |e, rj, rk| e.masked(rj, rk, false)),
    rd!(MASKNEZ, |e, rj, rk| e.masked(rj, rk, true)),
    nothing!(PRELD),
    nothing!(PRELDX),
    nothing!(DBAR),
];
