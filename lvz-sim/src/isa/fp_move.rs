// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Moves between floating-point registers and with general registers, FCSR and the condition flags
//! (volume 1, 3.2.4), and the operations on the sign bit alone (3.2.1). None of them raises a
//! floating-point exception or changes FCSR.Cause.

use super::fp_operands::{Scalar, condition, get_raw, set_condition, set_raw};
use super::operand::word;
use crate::cpu::{Cpu, Group, Op, Step};
use crate::fp::{Fcsr, Format};
use la_arch::insn::fp as enc;

const LOW: u64 = 0xffff_ffff;

/// The sign bit changes as a function of its place; the result keeps the format.
#[inline(always)]
fn sign<F: Scalar>(cpu: &mut Cpu, op: &Op, function: impl FnOnce(u64) -> u64) -> Step {
    cpu.require_fp()?;
    let value: u64 = F::get(cpu, op.rj).into();
    F::set(cpu, op.rd, F::truncate(function(value)));
    Ok(())
}

/// All bits of the sign of `fk` and above come from there, as in QEMU.
fn fcopysign<F: Scalar>(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_fp()?;
    let magnitude = F::SIGN - 1;
    let value = get_raw(cpu, op.rj) & magnitude | get_raw(cpu, op.rk) & !magnitude;
    set_raw(cpu, op.rd, value);
    Ok(())
}

fn fmov<F: Scalar>(cpu: &mut Cpu, op: &Op) -> Step {
    sign::<F>(cpu, op, |value| value)
}

fn fsel(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_fp()?;
    let source = if condition(cpu, op.ra) { op.rk } else { op.rj };
    set_raw(cpu, op.rd, get_raw(cpu, source));
    Ok(())
}

/// Writes `fd` from the old value of `fd` and the value of `rj`.
#[inline(always)]
fn to_fpr(cpu: &mut Cpu, op: &Op, function: impl FnOnce(u64, u64) -> u64) -> Step {
    cpu.require_fp()?;
    let value = function(get_raw(cpu, op.rd), cpu.get(op.rj));
    set_raw(cpu, op.rd, value);
    Ok(())
}

/// Writes `rd` from the value of `fj`.
#[inline(always)]
fn to_gpr(cpu: &mut Cpu, op: &Op, function: impl FnOnce(u64) -> u64) -> Step {
    cpu.require_fp()?;
    let value = function(get_raw(cpu, op.rj));
    cpu.set(op.rd, value);
    Ok(())
}

/// It ends its block: with binary translation it can change the stack mode.
fn movgr2fcsr(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_fp()?;
    let mut fcsr = Fcsr::from_bits(cpu.fcsr);
    let value = cpu.get(op.rj) as u32;
    match op.rd {
        0 => {
            fcsr.write_whole(value, cpu.has_lbt);
            cpu.attention |= cpu.has_lbt;
        }
        number => fcsr.write(usize::from(number), value),
    }
    cpu.fcsr = fcsr.bits();
    Ok(())
}

fn movfcsr2gr(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_fp()?;
    let value = Fcsr::from_bits(cpu.fcsr).read(usize::from(op.rj));
    cpu.set(op.rd, word(value));
    Ok(())
}

fn movfr2cf(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_fp()?;
    let bit = get_raw(cpu, op.rj) & 1 != 0;
    set_condition(cpu, op.rd, bit);
    Ok(())
}

fn movgr2cf(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_fp()?;
    let bit = cpu.get(op.rj) & 1 != 0;
    set_condition(cpu, op.rd, bit);
    Ok(())
}

fn movcf2fr(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_fp()?;
    let bit = condition(cpu, op.rj);
    set_raw(cpu, op.rd, u64::from(bit));
    Ok(())
}

fn movcf2gr(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_fp()?;
    let bit = condition(cpu, op.rj);
    cpu.set(op.rd, u64::from(bit));
    Ok(())
}

crate::insn_table! { Group::Fp;
    FCOPYSIGN_S => |cpu, _bus, op| fcopysign::<f32>(cpu, op);
    FCOPYSIGN_D => |cpu, _bus, op| fcopysign::<f64>(cpu, op);
    FABS_S => |cpu, _bus, op| sign::<f32>(cpu, op, |a| a & !f32::SIGN);
    FABS_D => |cpu, _bus, op| sign::<f64>(cpu, op, |a| a & !f64::SIGN);
    FNEG_S => |cpu, _bus, op| sign::<f32>(cpu, op, |a| a ^ f32::SIGN);
    FNEG_D => |cpu, _bus, op| sign::<f64>(cpu, op, |a| a ^ f64::SIGN);
    FMOV_S => |cpu, _bus, op| fmov::<f32>(cpu, op);
    FMOV_D => |cpu, _bus, op| fmov::<f64>(cpu, op);
    FSEL => |cpu, _bus, op| fsel(cpu, op);
    MOVGR2FR_W => |cpu, _bus, op| to_fpr(cpu, op, |old, new| old & !LOW | new & LOW);
    MOVGR2FR_D => |cpu, _bus, op| to_fpr(cpu, op, |_, new| new);
    MOVGR2FRH_W => |cpu, _bus, op| to_fpr(cpu, op, |old, new| old & LOW | new << 32);
    MOVFR2GR_S => |cpu, _bus, op| to_gpr(cpu, op, |value| word(value as u32));
    MOVFR2GR_D => |cpu, _bus, op| to_gpr(cpu, op, |value| value);
    MOVFRH2GR_S => |cpu, _bus, op| to_gpr(cpu, op, |value| word((value >> 32) as u32));
    MOVGR2FCSR => |cpu, _bus, op| movgr2fcsr(cpu, op), @ends;
    MOVFCSR2GR => |cpu, _bus, op| movfcsr2gr(cpu, op);
    MOVFR2CF => |cpu, _bus, op| movfr2cf(cpu, op);
    MOVCF2FR => |cpu, _bus, op| movcf2fr(cpu, op);
    MOVGR2CF => |cpu, _bus, op| movgr2cf(cpu, op);
    MOVCF2GR => |cpu, _bus, op| movcf2gr(cpu, op);
}
