// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The two halves of an unaligned access, as little-endian MIPS has them: what is known
//! of them is that they are MIPS-style (docs/lbt.md).

use super::super::operand::word;
use crate::cpu::{Cpu, Group, Op, Step};
use crate::mem::Bus;
use la_arch::insn::lbt as enc;

/// Which part of the register an instruction moves.
#[derive(Clone, Copy)]
enum Part {
    /// The most significant bytes: from the address down to the aligned word's begin.
    Left,
    /// The least significant ones: from the address up to its end.
    Right,
}

fn address(cpu: &Cpu, op: &Op) -> u64 {
    cpu.get(op.rj).wrapping_add(i64::from(op.imm) as u64)
}

/// The bytes that an access at `at` moves, this one first: address, and place in the
/// register.
fn bytes<const SIZE: u64>(at: u64, part: Part) -> impl Iterator<Item = (u64, u32)> {
    let inside = at & (SIZE - 1);
    let count = match part {
        Part::Left => inside + 1,
        Part::Right => SIZE - inside,
    };
    (0..count).map(move |n| match part {
        Part::Left => (at - n, 8 * (SIZE - 1 - n) as u32),
        Part::Right => (at + n, 8 * n as u32),
    })
}

fn load<const SIZE: u64>(cpu: &mut Cpu, bus: &mut Bus, op: &Op, part: Part) -> Step {
    cpu.require_lbt()?;
    let mut value = cpu.get(op.rd);
    for (at, place) in bytes::<SIZE>(address(cpu, op), part) {
        let byte: u8 = cpu.load(bus, at)?;
        value = value & !(0xff << place) | u64::from(byte) << place;
    }
    cpu.set(op.rd, if SIZE == 4 { word(value as u32) } else { value });
    Ok(())
}

fn store<const SIZE: u64>(cpu: &mut Cpu, bus: &mut Bus, op: &Op, part: Part) -> Step {
    cpu.require_lbt()?;
    let value = cpu.get(op.rd);
    let at = address(cpu, op);
    let (mut lowest, mut count) = (at, 0);
    for (at, _) in bytes::<SIZE>(at, part) {
        (lowest, count) = (lowest.min(at), count + 1);
    }
    cpu.check_store(bus, lowest, count)?;
    // All in one page: if the first byte can be written, the others can.
    for (at, place) in bytes::<SIZE>(at, part) {
        cpu.store(bus, at, (value >> place) as u8)?;
    }
    Ok(())
}

crate::insn_table! { Group::Lbt;
    LDL_W => |cpu, bus, op| load::<4>(cpu, bus, op, Part::Left);
    LDR_W => |cpu, bus, op| load::<4>(cpu, bus, op, Part::Right);
    LDL_D => |cpu, bus, op| load::<8>(cpu, bus, op, Part::Left);
    LDR_D => |cpu, bus, op| load::<8>(cpu, bus, op, Part::Right);
    STL_W => |cpu, bus, op| store::<4>(cpu, bus, op, Part::Left);
    STR_W => |cpu, bus, op| store::<4>(cpu, bus, op, Part::Right);
    STL_D => |cpu, bus, op| store::<8>(cpu, bus, op, Part::Left);
    STR_D => |cpu, bus, op| store::<8>(cpu, bus, op, Part::Right);
}
