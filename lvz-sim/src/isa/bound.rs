// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Bound-checking accesses and assertions (Volume 1, 2.2.6 and 2.2.10).

use super::operand::{Datum, load, store};
use crate::cpu::{Cpu, Group, Op, Step};
use crate::mem::{Bus, Value};
use la_arch::Exception;
use la_arch::insn::bound as enc;

/// The address of a bound-checking access of `size` bytes, if it is allowed.
///
/// These accesses must be aligned whatever MISC says. ALE goes before ADE, ADE
/// before BCE, and that before the exceptions of the TLB (Volume 1, "Exception
/// Priority").
#[inline(always)]
fn checked(cpu: &mut Cpu, va: u64, size: u8, within: bool) -> Step<u64> {
    if va & u64::from(size - 1) != 0 {
        return Err(cpu.raise_at(Exception::ALE, va));
    }
    if !within && cpu.is_data_address(va) {
        return Err(cpu.raise_at(Exception::BCE, va));
    }
    Ok(va)
}

/// The address in rj for an access of a `T`, which must be above rk. Addresses
/// compare as unsigned numbers.
#[inline(always)]
pub(super) fn above<T: Value>(cpu: &mut Cpu, op: &Op) -> Step<u64> {
    let (va, bound) = (cpu.get(op.rj), cpu.get(op.rk));
    checked(cpu, va, T::SIZE, va > bound)
}

/// The address in rj for an access of a `T`, which must not be above rk.
#[inline(always)]
pub(super) fn not_above<T: Value>(cpu: &mut Cpu, op: &Op) -> Step<u64> {
    let (va, bound) = (cpu.get(op.rj), cpu.get(op.rk));
    checked(cpu, va, T::SIZE, va <= bound)
}

fn ldgt<T: Datum>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    let va = above::<T::Bits>(cpu, op)?;
    load::<T>(cpu, bus, op, va)
}

fn ldle<T: Datum>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    let va = not_above::<T::Bits>(cpu, op)?;
    load::<T>(cpu, bus, op, va)
}

fn stgt<T: Datum>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    let va = above::<T::Bits>(cpu, op)?;
    store::<T>(cpu, bus, op, va)
}

fn stle<T: Datum>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    let va = not_above::<T::Bits>(cpu, op)?;
    store::<T>(cpu, bus, op, va)
}

/// Raises BCE for the value in rj, unless `holds` for rj and rk. Assertions,
/// unlike accesses, compare signed numbers.
#[inline(always)]
fn assert(cpu: &mut Cpu, op: &Op, holds: impl FnOnce(&i64, &i64) -> bool) -> Step {
    let (value, bound) = (cpu.get(op.rj), cpu.get(op.rk));
    if holds(&(value as i64), &(bound as i64)) {
        Ok(())
    } else {
        Err(cpu.raise_at(Exception::BCE, value))
    }
}

crate::insn_table! { Group::Bound;
    ASRTLE_D => |cpu, _bus, op| assert(cpu, op, i64::le);
    ASRTGT_D => |cpu, _bus, op| assert(cpu, op, i64::gt);
    LDGT_B => ldgt::<i8>;
    LDGT_H => ldgt::<i16>;
    LDGT_W => ldgt::<i32>;
    LDGT_D => ldgt::<u64>;
    LDLE_B => ldle::<i8>;
    LDLE_H => ldle::<i16>;
    LDLE_W => ldle::<i32>;
    LDLE_D => ldle::<u64>;
    STGT_B => stgt::<u8>;
    STGT_H => stgt::<u16>;
    STGT_W => stgt::<u32>;
    STGT_D => stgt::<u64>;
    STLE_B => stle::<u8>;
    STLE_H => stle::<u16>;
    STLE_W => stle::<u32>;
    STLE_D => stle::<u64>;
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Machine, djk, jk};
    use super::enc;
    use crate::cpu::Via;
    use la_arch::Exception;
    use la_arch::csr::Crmd;

    const VA: u64 = 0x10_0000;
    const DATA: u64 = 0xf7e6_d5c4_b3a2_9180;

    #[test]
    fn accesses_within_bounds() {
        for (gt, le, value) in [
            (&enc::LDGT_B, &enc::LDLE_B, 0xffff_ffff_ffff_ff80),
            (&enc::LDGT_H, &enc::LDLE_H, 0xffff_ffff_ffff_9180),
            (&enc::LDGT_W, &enc::LDLE_W, 0xffff_ffff_b3a2_9180),
            (&enc::LDGT_D, &enc::LDLE_D, DATA),
        ] {
            // Bounds are unsigned: the last one is not negative.
            for (encoding, bound) in [(gt, VA - 1), (gt, 0), (le, VA), (le, u64::MAX)] {
                let mut machine = Machine::new();
                machine.set_memory(VA, DATA);
                assert_eq!(machine.exec(encoding, jk(VA, bound)), Ok(()));
                assert_eq!(machine.rd(), value, "{}", encoding.name);
            }
        }
        for (gt, le, value) in [
            (&enc::STGT_B, &enc::STLE_B, 0x80),
            (&enc::STGT_H, &enc::STLE_H, 0x9180),
            (&enc::STGT_W, &enc::STLE_W, 0xb3a2_9180),
            (&enc::STGT_D, &enc::STLE_D, DATA),
        ] {
            for (encoding, bound) in [(gt, VA - 1), (le, VA)] {
                let mut machine = Machine::new();
                assert_eq!(machine.exec(encoding, djk(DATA, VA, bound)), Ok(()));
                assert_eq!(machine.memory(VA), value, "{}", encoding.name);
            }
        }
    }

    #[test]
    fn accesses_out_of_bounds() {
        let above = [&enc::LDGT_B, &enc::LDGT_H, &enc::LDGT_W, &enc::LDGT_D];
        let above_st = [&enc::STGT_B, &enc::STGT_H, &enc::STGT_W, &enc::STGT_D];
        let below = [&enc::LDLE_B, &enc::LDLE_H, &enc::LDLE_W, &enc::LDLE_D];
        let below_st = [&enc::STLE_B, &enc::STLE_H, &enc::STLE_W, &enc::STLE_D];
        let gt = above.into_iter().chain(above_st).map(|e| (e, VA));
        let le = below.into_iter().chain(below_st).map(|e| (e, VA - 1));
        for (encoding, bound) in gt.chain(le) {
            let mut machine = Machine::new();
            let trap = machine.trap(encoding, djk(DATA, VA, bound));
            assert_eq!(trap, (Exception::BCE, Some(VA)), "{}", encoding.name);
            assert_eq!(machine.memory(VA), 0, "{}", encoding.name);
        }
    }

    #[test]
    fn address_errors_come_before_bounds() {
        let hole = 0x1234_0000_0000_0000;
        for (encoding, bound) in [(&enc::LDGT_D, u64::MAX), (&enc::STLE_W, 0)] {
            let mut machine = Machine::new();
            // Mapped mode without windows: not every number is an address.
            let crmd = Crmd(0).with_pg(true).0;
            machine
                .cpu
                .csr_write(&mut machine.bus, Via::Csr, Crmd::NUMBER, crmd);
            let trap = machine.trap(encoding, djk(DATA, hole, bound));
            assert_eq!(trap, (Exception::ADEM, Some(hole)), "{}", encoding.name);
        }
    }

    #[test]
    fn alignment_comes_before_bounds() {
        for bound in [0, u64::MAX] {
            let trap = Machine::new().trap(&enc::LDGT_H, djk(1, VA + 1, bound));
            assert_eq!(trap, (Exception::ALE, Some(VA + 1)));
            let trap = Machine::new().trap(&enc::STLE_D, djk(1, VA + 4, bound));
            assert_eq!(trap, (Exception::ALE, Some(VA + 4)));
        }
    }

    #[test]
    fn assertions_are_signed() {
        const MINUS_1: u64 = u64::MAX;
        for (value, bound, le) in [(MINUS_1, 0, true), (0, 0, true), (0, MINUS_1, false)] {
            let (holds, fails) = match le {
                true => (&enc::ASRTLE_D, &enc::ASRTGT_D),
                false => (&enc::ASRTGT_D, &enc::ASRTLE_D),
            };
            assert_eq!(Machine::new().exec(holds, jk(value, bound)), Ok(()));
            let trap = Machine::new().trap(fails, jk(value, bound));
            assert_eq!(trap, (Exception::BCE, Some(value)));
        }
    }
}
