// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Loads and stores of general registers.

use super::super::emitter::{Emitter, Extension};
use super::super::form::{Form, field};
use crate::cpu::Op;
use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use la_arch::insn::integer as enc;

pub(super) fn displaced(e: &mut Emitter<'_>, op: &Op) -> Value {
    let rj = e.get(op.rj);
    e.b.ins().iadd_imm_s(rj, i64::from(op.imm))
}

pub(super) fn indexed(e: &mut Emitter<'_>, op: &Op) -> Value {
    let (rj, rk) = (e.get(op.rj), e.get(op.rk));
    e.b.ins().iadd(rj, rk)
}

fn scaled(e: &mut Emitter<'_>, op: &Op) -> Value {
    let rj = e.get(op.rj);
    e.b.ins().iadd_imm_s(rj, i64::from(op.imm) << 2)
}

macro_rules! reads {
    (indexed) => {
        field::RJ | field::RK
    };
    ($other:ident) => {
        field::RJ
    };
}

macro_rules! load {
    ($enc:ident, $address:ident, $type:ident, $extension:ident) => {
        Form {
            encoding: &enc::$enc,
            reads: reads!($address),
            writes: field::RD,
            way: None,
            gate: None,
            fits: |_| true,
            emit: |e, op| {
                let va = $address(e, op);
                e.load_with(va, types::$type, 1 << (op.rd & 31), |e, value| {
                    let value = e.extend(value, Extension::$extension);
                    e.set(op.rd, value);
                });
            },
        }
    };
}

macro_rules! store {
    ($enc:ident, $address:ident, $type:ident) => {
        Form {
            encoding: &enc::$enc,
            reads: reads!($address) | field::RD,
            writes: 0,
            way: None,
            gate: None,
            fits: |_| true,
            emit: |e, op| {
                let va = $address(e, op);
                let value = e.get(op.rd);
                let value = narrow(e, value, types::$type);
                e.store(va, value);
            },
        }
    };
}

fn narrow(e: &mut Emitter<'_>, value: Value, to: Type) -> Value {
    match to {
        types::I64 => value,
        _ => e.b.ins().ireduce(to, value),
    }
}

pub(super) const FORMS: &[Form] = &[
    load!(LD_B, displaced, I8, Signed),
    load!(LD_H, displaced, I16, Signed),
    load!(LD_W, displaced, I32, Signed),
    load!(LD_D, displaced, I64, Signed),
    load!(LD_BU, displaced, I8, Zero),
    load!(LD_HU, displaced, I16, Zero),
    load!(LD_WU, displaced, I32, Zero),
    store!(ST_B, displaced, I8),
    store!(ST_H, displaced, I16),
    store!(ST_W, displaced, I32),
    store!(ST_D, displaced, I64),
    load!(LDX_B, indexed, I8, Signed),
    load!(LDX_H, indexed, I16, Signed),
    load!(LDX_W, indexed, I32, Signed),
    load!(LDX_D, indexed, I64, Signed),
    load!(LDX_BU, indexed, I8, Zero),
    load!(LDX_HU, indexed, I16, Zero),
    load!(LDX_WU, indexed, I32, Zero),
    store!(STX_B, indexed, I8),
    store!(STX_H, indexed, I16),
    store!(STX_W, indexed, I32),
    store!(STX_D, indexed, I64),
    load!(LDPTR_W, scaled, I32, Signed),
    load!(LDPTR_D, scaled, I64, Signed),
    store!(STPTR_W, scaled, I32),
    store!(STPTR_D, scaled, I64),
];
