// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Results that the base instruction set has no instruction for: arithmetic with CF,
//! rotations of bytes and halfwords, and through CF.

use super::flags::{self, Flags};
use super::word::{count, low, rotate_right, rotate_through, signed};
use crate::cpu::{Cpu, Group, Op, Step};
use la_arch::insn::lbt as enc;

/// rd becomes `f` of the low `W` bits of rj, of `other` and of CF, with its sign.
#[inline(always)]
fn with_carry<const W: u32>(
    cpu: &mut Cpu,
    op: &Op,
    other: u64,
    f: impl FnOnce(u64, u64, bool) -> u64,
) -> Step {
    cpu.require_lbt()?;
    let carry = flags::get(cpu).contains(Flags::CF);
    let result = f(low::<W>(cpu.get(op.rj)), other, carry);
    cpu.set(op.rd, signed::<W>(result) as u64);
    Ok(())
}

fn adc(a: u64, b: u64, carry: bool) -> u64 {
    a.wrapping_add(b).wrapping_add(carry.into())
}

fn sbc(a: u64, b: u64, carry: bool) -> u64 {
    a.wrapping_sub(b).wrapping_sub(carry.into())
}

fn rotr<const W: u32>(a: u64, n: u64, _: bool) -> u64 {
    rotate_right::<W>(a, n as u32 % W)
}

fn rcr<const W: u32>(a: u64, n: u64, carry: bool) -> u64 {
    rotate_through::<W>(a, carry, count::<W>(n))
}

/// The offset of `addu12i`: its immediate times 4096.
fn upper(op: &Op) -> u64 {
    (i64::from(op.imm) << 12) as u64
}

crate::insn_table! { Group::Lbt;
    ADDU12I_W => |cpu, _bus, op| with_carry::<32>(cpu, op, upper(op), |a, b, _| a.wrapping_add(b));
    ADDU12I_D => |cpu, _bus, op| with_carry::<64>(cpu, op, upper(op), |a, b, _| a.wrapping_add(b));
    ADC_B => |cpu, _bus, op| with_carry::<8>(cpu, op, cpu.get(op.rk), adc);
    ADC_H => |cpu, _bus, op| with_carry::<16>(cpu, op, cpu.get(op.rk), adc);
    ADC_W => |cpu, _bus, op| with_carry::<32>(cpu, op, cpu.get(op.rk), adc);
    ADC_D => |cpu, _bus, op| with_carry::<64>(cpu, op, cpu.get(op.rk), adc);
    SBC_B => |cpu, _bus, op| with_carry::<8>(cpu, op, cpu.get(op.rk), sbc);
    SBC_H => |cpu, _bus, op| with_carry::<16>(cpu, op, cpu.get(op.rk), sbc);
    SBC_W => |cpu, _bus, op| with_carry::<32>(cpu, op, cpu.get(op.rk), sbc);
    SBC_D => |cpu, _bus, op| with_carry::<64>(cpu, op, cpu.get(op.rk), sbc);
    ROTR_B => |cpu, _bus, op| with_carry::<8>(cpu, op, cpu.get(op.rk), rotr::<8>);
    ROTRI_B => |cpu, _bus, op| with_carry::<8>(cpu, op, op.imm as u64, rotr::<8>);
    ROTR_H => |cpu, _bus, op| with_carry::<16>(cpu, op, cpu.get(op.rk), rotr::<16>);
    ROTRI_H => |cpu, _bus, op| with_carry::<16>(cpu, op, op.imm as u64, rotr::<16>);
    RCR_B => |cpu, _bus, op| with_carry::<8>(cpu, op, cpu.get(op.rk), rcr::<8>);
    RCRI_B => |cpu, _bus, op| with_carry::<8>(cpu, op, op.imm as u64, rcr::<8>);
    RCR_H => |cpu, _bus, op| with_carry::<16>(cpu, op, cpu.get(op.rk), rcr::<16>);
    RCRI_H => |cpu, _bus, op| with_carry::<16>(cpu, op, op.imm as u64, rcr::<16>);
    RCR_W => |cpu, _bus, op| with_carry::<32>(cpu, op, cpu.get(op.rk), rcr::<32>);
    RCRI_W => |cpu, _bus, op| with_carry::<32>(cpu, op, op.imm as u64, rcr::<32>);
    RCR_D => |cpu, _bus, op| with_carry::<64>(cpu, op, cpu.get(op.rk), rcr::<64>);
    RCRI_D => |cpu, _bus, op| with_carry::<64>(cpu, op, op.imm as u64, rcr::<64>);
}
