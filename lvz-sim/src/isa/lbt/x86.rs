// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The flags of x86's arithmetic: each sets them as x86's instruction does, and leaves
//! the result to another instruction. Where silicon was measured to differ from x86,
//! it is as measured (docs/lbt.md).

use super::flags::{Flags, update};
use super::word::{low, signed, top};
use crate::cpu::{Cpu, Group, Op, Step};
use la_arch::insn::lbt as enc;

/// The flags of an operation on the low `W` bits of rj and rk.
#[inline(always)]
fn binary<const W: u32>(cpu: &mut Cpu, op: &Op, f: impl FnOnce(u64, u64, Flags) -> Flags) -> Step {
    update(cpu, op, |cpu, op, old| {
        f(low::<W>(cpu.get(op.rj)), low::<W>(cpu.get(op.rk)), old)
    })
}

/// Whether bit 4 took part in a carry or borrow.
fn adjust(a: u64, b: u64, result: u64) -> Flags {
    Flags::when(Flags::AF, (a ^ b ^ result) & 0x10 != 0)
}

fn add_with<const W: u32>(a: u64, b: u64, carry: bool) -> Flags {
    let sum = u128::from(a) + u128::from(b) + u128::from(carry);
    let result = low::<W>(sum as u64);
    Flags::of_result::<W>(result)
        | Flags::when(Flags::CF, sum >> W != 0)
        | Flags::when(Flags::OF, top::<W>(!(a ^ b) & (a ^ result)))
        | adjust(a, b, result)
}

fn add<const W: u32>(a: u64, b: u64, _: Flags) -> Flags {
    add_with::<W>(a, b, false)
}

fn adc<const W: u32>(a: u64, b: u64, old: Flags) -> Flags {
    add_with::<W>(a, b, old.contains(Flags::CF))
}

/// Of unsigned numbers: there is no overflow.
fn add_unsigned<const W: u32>(a: u64, b: u64, old: Flags) -> Flags {
    add::<W>(a, b, old) - Flags::OF
}

/// `a - b - borrow` without AF.
fn sub_with<const W: u32>(a: u64, b: u64, borrow: bool) -> Flags {
    let result = low::<W>(a.wrapping_sub(b).wrapping_sub(borrow.into()));
    Flags::of_result::<W>(result)
        | Flags::when(
            Flags::CF,
            u128::from(a) < u128::from(b) + u128::from(borrow),
        )
        | Flags::when(Flags::OF, top::<W>((a ^ b) & (a ^ result)))
}

fn sub<const W: u32>(a: u64, b: u64, _: Flags) -> Flags {
    sub_with::<W>(a, b, false) | adjust(a, b, a.wrapping_sub(b))
}

/// AF was measured not to know of the borrow that comes in.
fn sbc<const W: u32>(a: u64, b: u64, old: Flags) -> Flags {
    sub_with::<W>(a, b, old.contains(Flags::CF)) | Flags::when(Flags::AF, a & 15 < b & 15)
}

fn sub_unsigned<const W: u32>(a: u64, b: u64, old: Flags) -> Flags {
    sub::<W>(a, b, old) - Flags::OF
}

/// `inc` and `dec` leave CF alone.
fn step<const W: u32>(cpu: &mut Cpu, op: &Op, f: impl FnOnce(u64, u64, Flags) -> Flags) -> Step {
    update(cpu, op, |cpu, op, old| {
        let new = f(low::<W>(cpu.get(op.rj)), 1, old);
        new.with(Flags::CF, old)
    })
}

/// CF and OF say that the product has more than `W` bits; the others are clear.
fn mul<const W: u32>(a: u64, b: u64, _: Flags) -> Flags {
    let product = i128::from(signed::<W>(a)) * i128::from(signed::<W>(b));
    let overflow = product != i128::from(signed::<W>(product as u64));
    Flags::when(Flags::CF | Flags::OF, overflow)
}

fn mul_unsigned<const W: u32>(a: u64, b: u64, _: Flags) -> Flags {
    let overflow = (u128::from(a) * u128::from(b)) >> W != 0;
    Flags::when(Flags::CF | Flags::OF, overflow)
}

fn and<const W: u32>(a: u64, b: u64, _: Flags) -> Flags {
    Flags::of_result::<W>(a & b)
}

fn or<const W: u32>(a: u64, b: u64, _: Flags) -> Flags {
    Flags::of_result::<W>(a | b)
}

fn xor<const W: u32>(a: u64, b: u64, _: Flags) -> Flags {
    Flags::of_result::<W>(a ^ b)
}

crate::insn_table! { Group::Lbt;
    X86ADD_B => |cpu, _bus, op| binary::<8>(cpu, op, add::<8>);
    X86ADD_H => |cpu, _bus, op| binary::<16>(cpu, op, add::<16>);
    X86ADD_W => |cpu, _bus, op| binary::<32>(cpu, op, add::<32>);
    X86ADD_D => |cpu, _bus, op| binary::<64>(cpu, op, add::<64>);
    X86SUB_B => |cpu, _bus, op| binary::<8>(cpu, op, sub::<8>);
    X86SUB_H => |cpu, _bus, op| binary::<16>(cpu, op, sub::<16>);
    X86SUB_W => |cpu, _bus, op| binary::<32>(cpu, op, sub::<32>);
    X86SUB_D => |cpu, _bus, op| binary::<64>(cpu, op, sub::<64>);
    X86ADC_B => |cpu, _bus, op| binary::<8>(cpu, op, adc::<8>);
    X86ADC_H => |cpu, _bus, op| binary::<16>(cpu, op, adc::<16>);
    X86ADC_W => |cpu, _bus, op| binary::<32>(cpu, op, adc::<32>);
    X86ADC_D => |cpu, _bus, op| binary::<64>(cpu, op, adc::<64>);
    X86SBC_B => |cpu, _bus, op| binary::<8>(cpu, op, sbc::<8>);
    X86SBC_H => |cpu, _bus, op| binary::<16>(cpu, op, sbc::<16>);
    X86SBC_W => |cpu, _bus, op| binary::<32>(cpu, op, sbc::<32>);
    X86SBC_D => |cpu, _bus, op| binary::<64>(cpu, op, sbc::<64>);
    X86AND_B => |cpu, _bus, op| binary::<8>(cpu, op, and::<8>);
    X86AND_H => |cpu, _bus, op| binary::<16>(cpu, op, and::<16>);
    X86AND_W => |cpu, _bus, op| binary::<32>(cpu, op, and::<32>);
    X86AND_D => |cpu, _bus, op| binary::<64>(cpu, op, and::<64>);
    X86OR_B => |cpu, _bus, op| binary::<8>(cpu, op, or::<8>);
    X86OR_H => |cpu, _bus, op| binary::<16>(cpu, op, or::<16>);
    X86OR_W => |cpu, _bus, op| binary::<32>(cpu, op, or::<32>);
    X86OR_D => |cpu, _bus, op| binary::<64>(cpu, op, or::<64>);
    X86XOR_B => |cpu, _bus, op| binary::<8>(cpu, op, xor::<8>);
    X86XOR_H => |cpu, _bus, op| binary::<16>(cpu, op, xor::<16>);
    X86XOR_W => |cpu, _bus, op| binary::<32>(cpu, op, xor::<32>);
    X86XOR_D => |cpu, _bus, op| binary::<64>(cpu, op, xor::<64>);
    X86MUL_B => |cpu, _bus, op| binary::<8>(cpu, op, mul::<8>);
    X86MUL_H => |cpu, _bus, op| binary::<16>(cpu, op, mul::<16>);
    X86MUL_W => |cpu, _bus, op| binary::<32>(cpu, op, mul::<32>);
    X86MUL_D => |cpu, _bus, op| binary::<64>(cpu, op, mul::<64>);
    X86ADD_WU => |cpu, _bus, op| binary::<32>(cpu, op, add_unsigned::<32>);
    X86ADD_DU => |cpu, _bus, op| binary::<64>(cpu, op, add_unsigned::<64>);
    X86SUB_WU => |cpu, _bus, op| binary::<32>(cpu, op, sub_unsigned::<32>);
    X86SUB_DU => |cpu, _bus, op| binary::<64>(cpu, op, sub_unsigned::<64>);
    X86MUL_BU => |cpu, _bus, op| binary::<8>(cpu, op, mul_unsigned::<8>);
    X86MUL_HU => |cpu, _bus, op| binary::<16>(cpu, op, mul_unsigned::<16>);
    X86MUL_WU => |cpu, _bus, op| binary::<32>(cpu, op, mul_unsigned::<32>);
    X86MUL_DU => |cpu, _bus, op| binary::<64>(cpu, op, mul_unsigned::<64>);
    X86INC_B => |cpu, _bus, op| step::<8>(cpu, op, add::<8>);
    X86INC_H => |cpu, _bus, op| step::<16>(cpu, op, add::<16>);
    X86INC_W => |cpu, _bus, op| step::<32>(cpu, op, add::<32>);
    X86INC_D => |cpu, _bus, op| step::<64>(cpu, op, add::<64>);
    X86DEC_B => |cpu, _bus, op| step::<8>(cpu, op, sub::<8>);
    X86DEC_H => |cpu, _bus, op| step::<16>(cpu, op, sub::<16>);
    X86DEC_W => |cpu, _bus, op| step::<32>(cpu, op, sub::<32>);
    X86DEC_D => |cpu, _bus, op| step::<64>(cpu, op, sub::<64>);
}
