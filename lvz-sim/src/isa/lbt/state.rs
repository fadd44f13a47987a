// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What moves and tests the state of binary translation.

use super::flags::{self, BY_MASK, Flags};
use crate::cpu::{Cpu, Group, Op, Step};
use crate::fp::Fcsr;
use crate::isa::operand::offset;
use la_arch::insn::lbt as enc;

/// Arm's flags are in bits 31 to 28 of a general register.
const ARM: [(Flags, u32); 4] = [
    (Flags::SF, 31),
    (Flags::ZF, 30),
    (Flags::CF, 29),
    (Flags::OF, 28),
];

fn movgr2scr(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_lbt()?;
    cpu.lbt.scr[usize::from(op.rd & 3)] = cpu.get(op.rj);
    Ok(())
}

fn movscr2gr(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_lbt()?;
    cpu.set(op.rd, cpu.lbt.scr[usize::from(op.rj & 3)]);
    Ok(())
}

fn jiscr0(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_lbt()?;
    cpu.jump(cpu.lbt.scr[0].wrapping_add(offset(op)))
}

/// It leaves its own address in SCR0.
fn jiscr1(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_lbt()?;
    let target = cpu.lbt.scr[1].wrapping_add(offset(op));
    cpu.lbt.scr[0] = cpu.pc_of(op);
    cpu.jump(target)
}

/// The flags that the mask in the first immediate names.
fn masked(op: &Op) -> Flags {
    BY_MASK
        .into_iter()
        .enumerate()
        .filter(|(bit, _)| op.imm >> bit & 1 != 0)
        .fold(Flags::empty(), |all, (_, flag)| all | flag)
}

fn x86mfflag(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_lbt()?;
    let value = flags::get(cpu) & masked(op);
    cpu.set(op.rd, value.bits().into());
    Ok(())
}

fn x86mtflag(cpu: &mut Cpu, op: &Op) -> Step {
    flags::update(cpu, op, |cpu, op, old| {
        let new = Flags::from_bits_truncate(cpu.get(op.rd) as u32);
        old.with(masked(op), new)
    })
}

fn armmfflag(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_lbt()?;
    let value = flags::get(cpu) & masked(op);
    let bits = ARM.into_iter().fold(0u32, |bits, (flag, place)| {
        bits | u32::from(value.contains(flag)) << place
    });
    cpu.set(op.rd, bits as i32 as u64);
    Ok(())
}

fn armmtflag(cpu: &mut Cpu, op: &Op) -> Step {
    flags::update(cpu, op, |cpu, op, old| {
        let value = cpu.get(op.rd);
        let all = ARM.into_iter();
        let changed = all
            .clone()
            .fold(Flags::empty(), |all, (flag, _)| all | flag);
        let new = all.fold(Flags::empty(), |all, (flag, place)| {
            all | Flags::when(flag, value >> place & 1 != 0)
        });
        old.with(masked(op) & changed, new)
    })
}

fn setx86j(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_lbt()?;
    cpu.set(op.rd, flags::get(cpu).x86_condition(op.imm).into());
    Ok(())
}

fn setarmj(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_lbt()?;
    cpu.set(op.rd, flags::get(cpu).arm_condition(op.imm).into());
    Ok(())
}

/// `setx86loope` and `setx86loopne`: whether x86's loop goes on with its counter in rj.
fn setx86loop(cpu: &mut Cpu, op: &Op, zero: bool) -> Step {
    cpu.require_lbt()?;
    let same = flags::get(cpu).contains(Flags::ZF) == zero;
    cpu.set(op.rd, (cpu.get(op.rj) != 0 && same).into());
    Ok(())
}

fn x86mftop(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_lbt()?;
    cpu.set(op.rd, cpu.lbt.top.into());
    Ok(())
}

/// Sets the top of the stack to what `top` makes of it.
fn set_top(cpu: &mut Cpu, top: impl FnOnce(u8) -> u8) -> Step {
    cpu.require_lbt()?;
    cpu.lbt.top = top(cpu.lbt.top) & 7;
    Ok(())
}

/// In stack mode (FCSR0.TM) registers f0 to f7 are counted from the top. The engine
/// looks at it between blocks.
fn set_mode(cpu: &mut Cpu, on: bool) -> Step {
    cpu.require_lbt()?;
    cpu.fcsr = Fcsr::from_bits(cpu.fcsr).with_stack_mode(on).bits();
    cpu.attention = true;
    Ok(())
}

crate::insn_table! { Group::Lbt;
    MOVGR2SCR => |cpu, _bus, op| movgr2scr(cpu, op);
    MOVSCR2GR => |cpu, _bus, op| movscr2gr(cpu, op);
    JISCR0 => |cpu, _bus, op| jiscr0(cpu, op), @ends;
    JISCR1 => |cpu, _bus, op| jiscr1(cpu, op), @ends;
    X86MFFLAG => |cpu, _bus, op| x86mfflag(cpu, op);
    X86MTFLAG => |cpu, _bus, op| x86mtflag(cpu, op);
    ARMMFFLAG => |cpu, _bus, op| armmfflag(cpu, op);
    ARMMTFLAG => |cpu, _bus, op| armmtflag(cpu, op);
    SETX86J => |cpu, _bus, op| setx86j(cpu, op);
    SETARMJ => |cpu, _bus, op| setarmj(cpu, op);
    SETX86LOOPE => |cpu, _bus, op| setx86loop(cpu, op, true);
    SETX86LOOPNE => |cpu, _bus, op| setx86loop(cpu, op, false);
    X86MFTOP => |cpu, _bus, op| x86mftop(cpu, op);
    X86MTTOP => |cpu, _bus, op| set_top(cpu, |_| op.imm as u8);
    X86INCTOP => |cpu, _bus, _op| set_top(cpu, |top| top.wrapping_add(1));
    X86DECTOP => |cpu, _bus, _op| set_top(cpu, |top| top.wrapping_sub(1));
    X86SETTM => |cpu, _bus, _op| set_mode(cpu, true), @ends;
    X86CLRTM => |cpu, _bus, _op| set_mode(cpu, false), @ends;
}
