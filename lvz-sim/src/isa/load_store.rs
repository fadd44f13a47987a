// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Ordinary loads and stores and prefetches (Volume 1, 2.2.5).

use super::operand::{Datum, load, offset, store};
use crate::cpu::{Cpu, Group, Op, Step};
use crate::mem::Bus;
use la_arch::insn::integer as enc;

/// `rj + si12`.
#[inline(always)]
fn displaced(cpu: &Cpu, op: &Op) -> u64 {
    cpu.get(op.rj).wrapping_add(i64::from(op.imm) as u64)
}

/// `rj + rk`.
#[inline(always)]
fn indexed(cpu: &Cpu, op: &Op) -> u64 {
    cpu.get(op.rj).wrapping_add(cpu.get(op.rk))
}

/// `rj + (si14 << 2)`.
#[inline(always)]
fn scaled(cpu: &Cpu, op: &Op) -> u64 {
    cpu.get(op.rj).wrapping_add(offset(op))
}

#[inline]
pub(super) fn ld<T: Datum>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    load::<T>(cpu, bus, op, displaced(cpu, op))
}

#[inline]
pub(super) fn st<T: Datum>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    store::<T>(cpu, bus, op, displaced(cpu, op))
}

fn ldx<T: Datum>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    load::<T>(cpu, bus, op, indexed(cpu, op))
}

fn stx<T: Datum>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    store::<T>(cpu, bus, op, indexed(cpu, op))
}

#[inline]
pub(super) fn ldptr<T: Datum>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    load::<T>(cpu, bus, op, scaled(cpu, op))
}

#[inline]
pub(super) fn stptr<T: Datum>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    store::<T>(cpu, bus, op, scaled(cpu, op))
}

/// Prefetches never trap and there is no cache to fill.
fn prefetch(_cpu: &mut Cpu, _bus: &mut Bus, _op: &Op) -> Step {
    Ok(())
}

crate::insn_table! { Group::Integer;
    LD_B => ld::<i8>;
    LD_H => ld::<i16>;
    LD_W => ld::<i32>;
    LD_D => ld::<u64>;
    LD_BU => ld::<u8>;
    LD_HU => ld::<u16>;
    LD_WU => ld::<u32>;
    ST_B => st::<u8>;
    ST_H => st::<u16>;
    ST_W => st::<u32>;
    ST_D => st::<u64>;
    LDX_B => ldx::<i8>;
    LDX_H => ldx::<i16>;
    LDX_W => ldx::<i32>;
    LDX_D => ldx::<u64>;
    LDX_BU => ldx::<u8>;
    LDX_HU => ldx::<u16>;
    LDX_WU => ldx::<u32>;
    STX_B => stx::<u8>;
    STX_H => stx::<u16>;
    STX_W => stx::<u32>;
    STX_D => stx::<u64>;
    LDPTR_W => ldptr::<i32>;
    LDPTR_D => ldptr::<u64>;
    STPTR_W => stptr::<u32>;
    STPTR_D => stptr::<u64>;
    PRELD => prefetch;
    PRELDX => prefetch;
}

#[cfg(test)]
mod tests {
    use super::super::testing::{In, Machine, djk, jk};
    use super::enc;
    use la_arch::Exception;

    const VA: u64 = 0x10_0000;
    const DATA: u64 = 0xf7e6_d5c4_b3a2_9180;

    #[test]
    fn loads_extend_as_their_names_say() {
        for (displaced, indexed, value) in [
            (&enc::LD_B, &enc::LDX_B, 0xffff_ffff_ffff_ff80),
            (&enc::LD_BU, &enc::LDX_BU, 0x80),
            (&enc::LD_H, &enc::LDX_H, 0xffff_ffff_ffff_9180),
            (&enc::LD_HU, &enc::LDX_HU, 0x9180),
            (&enc::LD_W, &enc::LDX_W, 0xffff_ffff_b3a2_9180),
            (&enc::LD_WU, &enc::LDX_WU, 0xb3a2_9180),
            (&enc::LD_D, &enc::LDX_D, DATA),
        ] {
            let mut machine = Machine::new();
            machine.set_memory(VA, DATA);
            let minus = In {
                imm: -2048,
                ..jk(VA + 2048, 0)
            };
            assert_eq!(machine.exec(displaced, minus), Ok(()));
            assert_eq!(machine.rd(), value, "{}", displaced.name);
            assert_eq!(machine.exec(indexed, jk(VA + 1, u64::MAX)), Ok(()));
            assert_eq!(machine.rd(), value, "{}", indexed.name);
        }
    }

    #[test]
    fn stores_write_their_size() {
        for (displaced, indexed, value) in [
            (&enc::ST_B, &enc::STX_B, 0x80),
            (&enc::ST_H, &enc::STX_H, 0x9180),
            (&enc::ST_W, &enc::STX_W, 0xb3a2_9180),
            (&enc::ST_D, &enc::STX_D, DATA),
        ] {
            let mut machine = Machine::new();
            let plus = In {
                imm: 2040,
                ..djk(DATA, VA - 2040, 0)
            };
            assert_eq!(machine.exec(displaced, plus), Ok(()));
            assert_eq!(machine.memory(VA), value, "{}", displaced.name);
            assert_eq!(machine.exec(indexed, djk(DATA, VA, 64)), Ok(()));
            assert_eq!(machine.memory(VA + 64), value, "{}", indexed.name);
        }
    }

    #[test]
    fn pointer_accesses_scale_their_offset() {
        let mut machine = Machine::new();
        machine.set_memory(VA, DATA);
        let at = |rd, imm: i32| In {
            imm,
            ..djk(rd, VA.wrapping_sub((i64::from(imm) * 4) as u64), 0)
        };
        assert_eq!(machine.exec(&enc::LDPTR_W, at(0, 8191)), Ok(()));
        assert_eq!(machine.rd(), 0xffff_ffff_b3a2_9180);
        assert_eq!(machine.exec(&enc::LDPTR_D, at(0, -8192)), Ok(()));
        assert_eq!(machine.rd(), DATA);
        assert_eq!(machine.exec(&enc::STPTR_W, at(!DATA, 1)), Ok(()));
        assert_eq!(machine.memory(VA), 0xf7e6_d5c4_4c5d_6e7f);
        assert_eq!(machine.exec(&enc::STPTR_D, at(!DATA, -1)), Ok(()));
        assert_eq!(machine.memory(VA), !DATA);
    }

    #[test]
    fn prefetches_never_trap() {
        for encoding in [&enc::PRELD, &enc::PRELDX] {
            let nowhere = jk(0x4000_0000_0000_0001, u64::MAX);
            assert_eq!(Machine::new().exec(encoding, nowhere), Ok(()));
        }
    }

    #[test]
    fn a_load_that_traps_leaves_rd_alone() {
        // Neither memory nor a device is there: an address error.
        let mut machine = Machine::new();
        let trap = machine.trap(&enc::LD_D, djk(7, 0x4000_0000, 0));
        assert_eq!(trap, (Exception::ADEM, Some(0x4000_0000)));
    }
}
