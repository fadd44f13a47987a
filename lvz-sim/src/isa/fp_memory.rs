// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Floating-point loads and stores (volume 1, 3.2.6).

use super::fp_operands::Scalar;
use crate::cpu::{Cpu, Group, Op, Step};
use crate::mem::Bus;
use crate::mem::Value;
use la_arch::insn::fp as enc;

/// The address of `fld` and `fst`.
#[inline(always)]
fn displaced(cpu: &Cpu, op: &Op) -> u64 {
    cpu.get(op.rj).wrapping_add_signed(i64::from(op.imm))
}

/// The address of `fldx` and `fstx`.
#[inline(always)]
fn indexed(cpu: &Cpu, op: &Op) -> u64 {
    cpu.get(op.rj).wrapping_add(cpu.get(op.rk))
}

#[inline(always)]
pub(super) fn load<F: Scalar<Bits: Value>>(cpu: &mut Cpu, bus: &mut Bus, op: &Op, va: u64) -> Step {
    let value = cpu.load(bus, va)?;
    F::set(cpu, op.rd, value);
    Ok(())
}

#[inline(always)]
pub(super) fn store<F: Scalar<Bits: Value>>(
    cpu: &mut Cpu,
    bus: &mut Bus,
    op: &Op,
    va: u64,
) -> Step {
    let value = F::get(cpu, op.rd);
    cpu.store(bus, va, value)
}

/// A handler that loads or stores a format at an address.
macro_rules! access {
    ($access:ident, $format:ty, $address:ident) => {
        |cpu, bus, op| {
            cpu.require_fp()?;
            let va = $address(cpu, op);
            $access::<$format>(cpu, bus, op, va)
        }
    };
}

crate::insn_table! { Group::Fp;
    FLD_S => access!(load, f32, displaced);
    FST_S => access!(store, f32, displaced);
    FLD_D => access!(load, f64, displaced);
    FST_D => access!(store, f64, displaced);
    FLDX_S => access!(load, f32, indexed);
    FLDX_D => access!(load, f64, indexed);
    FSTX_S => access!(store, f32, indexed);
    FSTX_D => access!(store, f64, indexed);
}
