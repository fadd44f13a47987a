// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The flags of x86's shifts and rotations. A count of zero changes nothing, except that
//! `x86rotr` and `x86rotl` were measured to set CF then too; OF is defined for a count
//! of one and stays otherwise, AF always stays.

use super::flags::{Flags, update};
use super::word::{bit, count, low, rotate_right, signed, top};
use crate::cpu::{Cpu, Group, Op, Step};
use la_arch::insn::lbt as enc;

/// A shift by rk.
#[inline(always)]
fn register<const W: u32>(
    cpu: &mut Cpu,
    op: &Op,
    f: impl FnOnce(u64, u32, Flags) -> Flags,
) -> Step {
    update(cpu, op, |cpu, op, old| {
        f(low::<W>(cpu.get(op.rj)), count::<W>(cpu.get(op.rk)), old)
    })
}

/// A shift by the immediate, which is always smaller than the width.
#[inline(always)]
fn immediate<const W: u32>(
    cpu: &mut Cpu,
    op: &Op,
    f: impl FnOnce(u64, u32, Flags) -> Flags,
) -> Step {
    update(cpu, op, |cpu, op, old| {
        f(low::<W>(cpu.get(op.rj)), op.imm as u32, old)
    })
}

/// What a shift by `n` sets, given its result, the last bit that went out, and the
/// overflow of a shift by one.
fn shifted<const W: u32>(n: u32, result: u64, out: bool, overflow: bool, old: Flags) -> Flags {
    if n == 0 {
        return old;
    }
    let new = Flags::of_result::<W>(result) | Flags::when(Flags::CF, out);
    rotated(n, out, overflow, old).with(Flags::ZF | Flags::SF | Flags::PF, new)
}

/// What a rotation sets.
fn rotated(n: u32, out: bool, overflow: bool, old: Flags) -> Flags {
    let old = old.with(Flags::CF, Flags::when(Flags::CF, out));
    match n {
        1 => old.with(Flags::OF, Flags::when(Flags::OF, overflow)),
        _ => old,
    }
}

fn sll<const W: u32>(a: u64, n: u32, old: Flags) -> Flags {
    let result = low::<W>(a.checked_shl(n).unwrap_or(0));
    let out = n <= W && bit(a, W - n);
    shifted::<W>(n, result, out, top::<W>(a ^ result), old)
}

fn srl<const W: u32>(a: u64, n: u32, old: Flags) -> Flags {
    shifted::<W>(n, a >> n, bit(a, n.wrapping_sub(1)), top::<W>(a), old)
}

fn sra<const W: u32>(a: u64, n: u32, old: Flags) -> Flags {
    let wide = signed::<W>(a);
    let out = wide >> n.saturating_sub(1) & 1 != 0;
    shifted::<W>(n, low::<W>((wide >> n) as u64), out, false, old)
}

fn rotr<const W: u32>(a: u64, n: u32, old: Flags) -> Flags {
    let result = rotate_right::<W>(a, n);
    rotated(n, top::<W>(result), top::<W>(a ^ result), old)
}

fn rotl<const W: u32>(a: u64, n: u32, old: Flags) -> Flags {
    let result = rotate_right::<W>(a, W - n % W);
    rotated(n, bit(result, 0), top::<W>(a ^ result), old)
}

/// The way through CF and back is one bit longer.
fn rcr<const W: u32>(a: u64, n: u32, old: Flags) -> Flags {
    match n % (W + 1) {
        0 => old,
        places => {
            let overflow = old.contains(Flags::CF) != top::<W>(a);
            rotated(n, bit(a, places - 1), overflow, old)
        }
    }
}

fn rcl<const W: u32>(a: u64, n: u32, old: Flags) -> Flags {
    match n % (W + 1) {
        0 => old,
        places => {
            let out = bit(a, W - places);
            rotated(n, out, top::<W>(a << 1) != out, old)
        }
    }
}

crate::insn_table! { Group::Lbt;
    X86SLL_B => |cpu, _bus, op| register::<8>(cpu, op, sll::<8>);
    X86SLL_H => |cpu, _bus, op| register::<16>(cpu, op, sll::<16>);
    X86SLL_W => |cpu, _bus, op| register::<32>(cpu, op, sll::<32>);
    X86SLL_D => |cpu, _bus, op| register::<64>(cpu, op, sll::<64>);
    X86SRL_B => |cpu, _bus, op| register::<8>(cpu, op, srl::<8>);
    X86SRL_H => |cpu, _bus, op| register::<16>(cpu, op, srl::<16>);
    X86SRL_W => |cpu, _bus, op| register::<32>(cpu, op, srl::<32>);
    X86SRL_D => |cpu, _bus, op| register::<64>(cpu, op, srl::<64>);
    X86SRA_B => |cpu, _bus, op| register::<8>(cpu, op, sra::<8>);
    X86SRA_H => |cpu, _bus, op| register::<16>(cpu, op, sra::<16>);
    X86SRA_W => |cpu, _bus, op| register::<32>(cpu, op, sra::<32>);
    X86SRA_D => |cpu, _bus, op| register::<64>(cpu, op, sra::<64>);
    X86ROTR_B => |cpu, _bus, op| register::<8>(cpu, op, rotr::<8>);
    X86ROTR_H => |cpu, _bus, op| register::<16>(cpu, op, rotr::<16>);
    X86ROTR_W => |cpu, _bus, op| register::<32>(cpu, op, rotr::<32>);
    X86ROTR_D => |cpu, _bus, op| register::<64>(cpu, op, rotr::<64>);
    X86ROTL_B => |cpu, _bus, op| register::<8>(cpu, op, rotl::<8>);
    X86ROTL_H => |cpu, _bus, op| register::<16>(cpu, op, rotl::<16>);
    X86ROTL_W => |cpu, _bus, op| register::<32>(cpu, op, rotl::<32>);
    X86ROTL_D => |cpu, _bus, op| register::<64>(cpu, op, rotl::<64>);
    X86RCR_B => |cpu, _bus, op| register::<8>(cpu, op, rcr::<8>);
    X86RCR_H => |cpu, _bus, op| register::<16>(cpu, op, rcr::<16>);
    X86RCR_W => |cpu, _bus, op| register::<32>(cpu, op, rcr::<32>);
    X86RCR_D => |cpu, _bus, op| register::<64>(cpu, op, rcr::<64>);
    X86RCL_B => |cpu, _bus, op| register::<8>(cpu, op, rcl::<8>);
    X86RCL_H => |cpu, _bus, op| register::<16>(cpu, op, rcl::<16>);
    X86RCL_W => |cpu, _bus, op| register::<32>(cpu, op, rcl::<32>);
    X86RCL_D => |cpu, _bus, op| register::<64>(cpu, op, rcl::<64>);
    X86SLLI_B => |cpu, _bus, op| immediate::<8>(cpu, op, sll::<8>);
    X86SLLI_H => |cpu, _bus, op| immediate::<16>(cpu, op, sll::<16>);
    X86SLLI_W => |cpu, _bus, op| immediate::<32>(cpu, op, sll::<32>);
    X86SLLI_D => |cpu, _bus, op| immediate::<64>(cpu, op, sll::<64>);
    X86SRLI_B => |cpu, _bus, op| immediate::<8>(cpu, op, srl::<8>);
    X86SRLI_H => |cpu, _bus, op| immediate::<16>(cpu, op, srl::<16>);
    X86SRLI_W => |cpu, _bus, op| immediate::<32>(cpu, op, srl::<32>);
    X86SRLI_D => |cpu, _bus, op| immediate::<64>(cpu, op, srl::<64>);
    X86SRAI_B => |cpu, _bus, op| immediate::<8>(cpu, op, sra::<8>);
    X86SRAI_H => |cpu, _bus, op| immediate::<16>(cpu, op, sra::<16>);
    X86SRAI_W => |cpu, _bus, op| immediate::<32>(cpu, op, sra::<32>);
    X86SRAI_D => |cpu, _bus, op| immediate::<64>(cpu, op, sra::<64>);
    X86ROTRI_B => |cpu, _bus, op| immediate::<8>(cpu, op, rotr::<8>);
    X86ROTRI_H => |cpu, _bus, op| immediate::<16>(cpu, op, rotr::<16>);
    X86ROTRI_W => |cpu, _bus, op| immediate::<32>(cpu, op, rotr::<32>);
    X86ROTRI_D => |cpu, _bus, op| immediate::<64>(cpu, op, rotr::<64>);
    X86ROTLI_B => |cpu, _bus, op| immediate::<8>(cpu, op, rotl::<8>);
    X86ROTLI_H => |cpu, _bus, op| immediate::<16>(cpu, op, rotl::<16>);
    X86ROTLI_W => |cpu, _bus, op| immediate::<32>(cpu, op, rotl::<32>);
    X86ROTLI_D => |cpu, _bus, op| immediate::<64>(cpu, op, rotl::<64>);
    X86RCRI_B => |cpu, _bus, op| immediate::<8>(cpu, op, rcr::<8>);
    X86RCRI_H => |cpu, _bus, op| immediate::<16>(cpu, op, rcr::<16>);
    X86RCRI_W => |cpu, _bus, op| immediate::<32>(cpu, op, rcr::<32>);
    X86RCRI_D => |cpu, _bus, op| immediate::<64>(cpu, op, rcr::<64>);
    X86RCLI_B => |cpu, _bus, op| immediate::<8>(cpu, op, rcl::<8>);
    X86RCLI_H => |cpu, _bus, op| immediate::<16>(cpu, op, rcl::<16>);
    X86RCLI_W => |cpu, _bus, op| immediate::<32>(cpu, op, rcl::<32>);
    X86RCLI_D => |cpu, _bus, op| immediate::<64>(cpu, op, rcl::<64>);
}
