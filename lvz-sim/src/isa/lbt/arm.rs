// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The flags of Arm's arithmetic, if the condition in the instruction holds; the result
//! is left to another instruction. `armmove` moves under a condition.

use super::flags::{self, Flags, update};
use super::word::{bit, rotate_right, top};
use crate::cpu::{Cpu, Group, Op, Step};
use la_arch::insn::lbt as enc;

/// The flags of an operation under the condition in the first immediate: N and Z of its
/// result of `W` bits, and those that it names itself. `None` leaves a flag alone.
#[inline(always)]
fn conditional<const W: u32>(
    cpu: &mut Cpu,
    op: &Op,
    f: impl FnOnce(&Cpu, Flags) -> Outcome,
) -> Step {
    update(cpu, op, |cpu, op, old| {
        if !old.arm_condition(op.imm) {
            return old;
        }
        let Outcome {
            result,
            carry,
            overflow,
        } = f(cpu, old);
        let flag = |flags: Flags, flag, new: Option<bool>| match new {
            Some(on) => flags.with(flag, Flags::when(flag, on)),
            None => flags,
        };
        let new = flag(flag(old, Flags::CF, carry), Flags::OF, overflow);
        new.with(Flags::SF | Flags::ZF, Flags::sign_and_zero::<W>(result))
    })
}

/// What an operation results in.
struct Outcome {
    result: u64,
    carry: Option<bool>,
    overflow: Option<bool>,
}

impl Outcome {
    /// A result that leaves C and V alone.
    fn plain(result: u64) -> Self {
        Self::shifted(result, None)
    }

    /// One that leaves V alone.
    fn shifted(result: u64, carry: Option<bool>) -> Self {
        Outcome {
            result,
            carry,
            overflow: None,
        }
    }
}

/// An operation on the words in rj and rk.
#[inline(always)]
fn words(cpu: &mut Cpu, op: &Op, f: impl FnOnce(u32, u32, bool) -> Outcome) -> Step {
    conditional::<32>(cpu, op, |cpu, old| {
        let carry = old.contains(Flags::CF);
        f(cpu.get(op.rj) as u32, cpu.get(op.rk) as u32, carry)
    })
}

/// A shift of the word in rj by the second immediate.
#[inline(always)]
fn immediate(cpu: &mut Cpu, op: &Op, f: impl FnOnce(u32, u32) -> Outcome) -> Step {
    conditional::<32>(cpu, op, |cpu, _| f(cpu.get(op.rj) as u32, op.imm2 as u32))
}

fn adc(a: u32, b: u32, carry: bool) -> Outcome {
    let sum = u64::from(a) + u64::from(b) + u64::from(carry);
    let result = sum as u32;
    Outcome {
        result: result.into(),
        carry: Some(sum >> 32 != 0),
        overflow: Some(top::<32>((!(a ^ b) & (a ^ result)).into())),
    }
}

fn add(a: u32, b: u32, _: bool) -> Outcome {
    adc(a, b, false)
}

/// C was measured to be the borrow, not its opposite as on Arm.
fn sub_with(a: u32, b: u64) -> Outcome {
    let result = a.wrapping_sub(b as u32);
    Outcome {
        result: result.into(),
        carry: Some(u64::from(a) < b),
        overflow: Some(top::<32>(((a ^ b as u32) & (a ^ result)).into())),
    }
}

fn sub(a: u32, b: u32, _: bool) -> Outcome {
    sub_with(a, b.into())
}

/// Here the borrow that comes in is C's opposite, as on Arm.
fn sbc(a: u32, b: u32, carry: bool) -> Outcome {
    sub_with(a, u64::from(b) + u64::from(!carry))
}

fn and(a: u32, b: u32, _: bool) -> Outcome {
    Outcome::plain((a & b).into())
}

fn or(a: u32, b: u32, _: bool) -> Outcome {
    Outcome::plain((a | b).into())
}

fn xor(a: u32, b: u32, _: bool) -> Outcome {
    Outcome::plain((a ^ b).into())
}

/// The lowest byte of rk is the count of a shift.
fn count(b: u32) -> u32 {
    b & 0xff
}

/// The last bit that went out, of a count that is not zero.
fn out(n: u32, bit: bool) -> Option<bool> {
    (n != 0).then_some(bit)
}

fn sll(a: u32, b: u32, _: bool) -> Outcome {
    left(a, count(b))
}

fn left(a: u32, n: u32) -> Outcome {
    let wide = u64::from(a).checked_shl(n).unwrap_or(0);
    Outcome::shifted(wide & 0xffff_ffff, out(n, bit(wide, 32)))
}

fn srl(a: u32, b: u32, _: bool) -> Outcome {
    right(a, count(b))
}

fn right(a: u32, n: u32) -> Outcome {
    let result = a.checked_shr(n).unwrap_or(0);
    Outcome::shifted(result.into(), out(n, bit(a.into(), n.wrapping_sub(1))))
}

fn sra(a: u32, b: u32, _: bool) -> Outcome {
    arithmetic(a, count(b))
}

fn arithmetic(a: u32, n: u32) -> Outcome {
    let wide = i64::from(a as i32);
    let result = (wide >> n.min(32)) as u32;
    let last = wide >> n.saturating_sub(1).min(32) & 1 != 0;
    Outcome::shifted(result.into(), out(n, last))
}

/// C is the sign of the result, unless the whole count is zero.
fn rotr(a: u32, b: u32, _: bool) -> Outcome {
    rotate(a, count(b))
}

fn rotate(a: u32, n: u32) -> Outcome {
    let result = rotate_right::<32>(a.into(), n);
    Outcome::shifted(result, out(n, top::<32>(result)))
}

/// Rotates through C by one.
fn armrrx(cpu: &mut Cpu, op: &Op) -> Step {
    conditional::<32>(cpu, op, |cpu, old| {
        let a = cpu.get(op.rj) as u32;
        let carry = u32::from(old.contains(Flags::CF));
        Outcome::shifted((a >> 1 | carry << 31).into(), Some(a & 1 != 0))
    })
}

fn armmove(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_lbt()?;
    if flags::get(cpu).arm_condition(op.imm) {
        cpu.set(op.rd, cpu.get(op.rj));
    }
    Ok(())
}

crate::insn_table! { Group::Lbt;
    ARMMOVE => |cpu, _bus, op| armmove(cpu, op);
    ARMMOV_W => |cpu, _bus, op| conditional::<32>(cpu, op, |cpu, _| {
        Outcome::plain(cpu.get(op.rj) & 0xffff_ffff)
    });
    ARMMOV_D => |cpu, _bus, op| conditional::<64>(cpu, op, |cpu, _| {
        Outcome::plain(cpu.get(op.rj))
    });
    ARMNOT_W => |cpu, _bus, op| conditional::<32>(cpu, op, |cpu, _| {
        Outcome::plain(!cpu.get(op.rj) & 0xffff_ffff)
    });
    ARMRRX_W => |cpu, _bus, op| armrrx(cpu, op);
    ARMADD_W => |cpu, _bus, op| words(cpu, op, add);
    ARMSUB_W => |cpu, _bus, op| words(cpu, op, sub);
    ARMADC_W => |cpu, _bus, op| words(cpu, op, adc);
    ARMSBC_W => |cpu, _bus, op| words(cpu, op, sbc);
    ARMAND_W => |cpu, _bus, op| words(cpu, op, and);
    ARMOR_W => |cpu, _bus, op| words(cpu, op, or);
    ARMXOR_W => |cpu, _bus, op| words(cpu, op, xor);
    ARMSLL_W => |cpu, _bus, op| words(cpu, op, sll);
    ARMSRL_W => |cpu, _bus, op| words(cpu, op, srl);
    ARMSRA_W => |cpu, _bus, op| words(cpu, op, sra);
    ARMROTR_W => |cpu, _bus, op| words(cpu, op, rotr);
    ARMSLLI_W => |cpu, _bus, op| immediate(cpu, op, left);
    ARMSRLI_W => |cpu, _bus, op| immediate(cpu, op, right);
    ARMSRAI_W => |cpu, _bus, op| immediate(cpu, op, arithmetic);
    ARMROTRI_W => |cpu, _bus, op| immediate(cpu, op, rotate);
}
