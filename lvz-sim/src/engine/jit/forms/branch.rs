// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Branches on general registers.

use super::super::emitter::Emitter;
use super::super::form::{Form, Way, field};
use crate::cpu::Op;
use cranelift_codegen::ir::InstBuilder;
use cranelift_codegen::ir::condcodes::IntCC;
use la_arch::insn::integer as enc;

const fn branch(
    encoding: &'static la_arch::insn::Encoding,
    reads: u8,
    writes: u8,
    way: Way,
    emit: fn(&mut Emitter<'_>, &Op),
) -> Form {
    Form {
        encoding,
        reads,
        writes,
        way: Some(way),
        gate: None,
        fits: |_| true,
        emit,
    }
}

macro_rules! compare {
    ($enc:ident, $condition:ident) => {
        branch(
            &enc::$enc,
            field::RJ | field::RD,
            0,
            Way::Condition,
            |e, op| {
                let (rj, rd) = (e.get(op.rj), e.get(op.rd));
                let condition = e.b.ins().icmp(IntCC::$condition, rj, rd);
                e.branch(op, condition);
            },
        )
    };
}

macro_rules! zero {
    ($enc:ident, $condition:ident) => {
        branch(&enc::$enc, field::RJ, 0, Way::Condition, |e, op| {
            let rj = e.get(op.rj);
            let condition = e.b.ins().icmp_imm_s(IntCC::$condition, rj, 0);
            e.branch(op, condition);
        })
    };
}

pub(super) const FORMS: &[Form] = &[
    zero!(BEQZ, Equal),
    zero!(BNEZ, NotEqual),
    compare!(BEQ, Equal),
    compare!(BNE, NotEqual),
    compare!(BLT, SignedLessThan),
    compare!(BGE, SignedGreaterThanOrEqual),
    compare!(BLTU, UnsignedLessThan),
    compare!(BGEU, UnsignedGreaterThanOrEqual),
    branch(&enc::B, 0, 0, Way::Always, |e, op| e.jump(op)),
    branch(&enc::BL, 0, field::RA, Way::Always, |e, op| {
        let link = e.next_pc(op);
        e.set(1, link);
        e.jump(op);
    }),
    branch(&enc::JIRL, field::RJ, field::RD, Way::Register, |e, op| {
        // rd and rj may be the same: the target comes first.
        let rj = e.get(op.rj);
        let target = e.b.ins().iadd_imm_s(rj, i64::from(op.imm) << 2);
        let link = e.next_pc(op);
        e.set(op.rd, link);
        e.jump_to(target);
    }),
];
