// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Atomic memory access (Volume 1, 2.2.7).
//!
//! Every access is complete before the next instruction starts, so that the
//! `_db` forms need no barrier of their own, nor `llacq` and `screl`.

use super::operand::{Datum, offset};
use crate::cpu::{Cpu, Group, Op, Step};
use crate::mem::Bus;
use la_arch::Exception;
use la_arch::insn::atomic as enc;
use std::ops::{BitAnd, BitOr, BitXor};

/// `am*`: rd gets the old value at rj, memory `f` of the old value and rk.
///
/// The manual makes rd = rj an INE, for r0 as well (compilers use
/// `amswap.w $r0, $ra, $r0` as a trap), and leaves rd = rk open. Like QEMU, we
/// make that an INE too, unless it is r0: a plain atomic store of zero.
#[inline(always)]
fn am<T: Datum>(cpu: &mut Cpu, bus: &mut Bus, op: &Op, f: impl FnOnce(T, T) -> T) -> Step {
    if op.rd == op.rj || op.rd == op.rk && op.rd != 0 {
        return Err(cpu.raise(Exception::INE));
    }
    let (va, rk) = (cpu.get(op.rj), T::from_register(cpu.get(op.rk)));
    let old = cpu.modify(bus, va, |old| f(T::from_bits(old), rk).to_bits())?;
    // The `.wu` forms too sign-extend.
    cpu.set(op.rd, T::from_bits(old).sign_extend());
    Ok(())
}

/// A handler of an `am*`, given the function and through it the type.
macro_rules! am {
    ($f:expr) => {
        |cpu, bus, op| am(cpu, bus, op, $f)
    };
}

/// `amswap`'s function.
#[inline(always)]
fn swap<T>(_old: T, rk: T) -> T {
    rk
}

/// `amcas`: rd holds the expected value and gets the old one. As for the others, rd = rj
/// is an INE (QEMU agrees).
fn amcas<T: Datum>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    if op.rd == op.rj {
        return Err(cpu.raise(Exception::INE));
    }
    let va = cpu.get(op.rj);
    let expected = T::from_register(cpu.get(op.rd));
    let new = T::from_register(cpu.get(op.rk));
    let exchange = |old: T| if old == expected { new } else { old };
    let old = cpu.modify(bus, va, |old| exchange(T::from_bits(old)).to_bits())?;
    cpu.set(op.rd, T::from_bits(old).sign_extend());
    Ok(())
}

/// `rj + (si14 << 2)`; `llacq` and `screl` have no immediate, which is zero.
#[inline(always)]
fn address(cpu: &Cpu, op: &Op) -> u64 {
    cpu.get(op.rj).wrapping_add(offset(op))
}

fn ll<T: Datum>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    let value = T::from_bits(cpu.load_linked(bus, address(cpu, op))?);
    cpu.set(op.rd, value.sign_extend());
    Ok(())
}

fn sc<T: Datum>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    let value = T::from_register(cpu.get(op.rd));
    let stored = cpu.store_conditional(bus, address(cpu, op), value.to_bits())?;
    cpu.set(op.rd, stored.into());
    Ok(())
}

/// `sc.q`: stores `{rk, rd}` after an `ll.d`.
fn sc_q(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    let value = u128::from(cpu.get(op.rk)) << 64 | u128::from(cpu.get(op.rd));
    let stored = cpu.store_conditional(bus, cpu.get(op.rj), value)?;
    cpu.set(op.rd, stored.into());
    Ok(())
}

crate::insn_table! { Group::Atomic;
    LL_W => ll::<i32>;
    SC_W => sc::<i32>;
    LL_D => ll::<i64>;
    SC_D => sc::<i64>;
    SC_Q => sc_q;
    LLACQ_W => ll::<i32>;
    SCREL_W => sc::<i32>;
    LLACQ_D => ll::<i64>;
    SCREL_D => sc::<i64>;
    AMCAS_B => amcas::<i8>;
    AMCAS_H => amcas::<i16>;
    AMCAS_W => amcas::<i32>;
    AMCAS_D => amcas::<i64>;
    AMCAS_DB_B => amcas::<i8>;
    AMCAS_DB_H => amcas::<i16>;
    AMCAS_DB_W => amcas::<i32>;
    AMCAS_DB_D => amcas::<i64>;
    AMSWAP_B => am!(swap::<i8>);
    AMSWAP_H => am!(swap::<i16>);
    AMADD_B => am!(i8::wrapping_add);
    AMADD_H => am!(i16::wrapping_add);
    AMSWAP_DB_B => am!(swap::<i8>);
    AMSWAP_DB_H => am!(swap::<i16>);
    AMADD_DB_B => am!(i8::wrapping_add);
    AMADD_DB_H => am!(i16::wrapping_add);
    AMSWAP_W => am!(swap::<i32>);
    AMSWAP_D => am!(swap::<i64>);
    AMADD_W => am!(i32::wrapping_add);
    AMADD_D => am!(i64::wrapping_add);
    AMAND_W => am!(i32::bitand);
    AMAND_D => am!(i64::bitand);
    AMOR_W => am!(i32::bitor);
    AMOR_D => am!(i64::bitor);
    AMXOR_W => am!(i32::bitxor);
    AMXOR_D => am!(i64::bitxor);
    AMMAX_W => am!(i32::max);
    AMMAX_D => am!(i64::max);
    AMMIN_W => am!(i32::min);
    AMMIN_D => am!(i64::min);
    AMMAX_WU => am!(u32::max);
    AMMAX_DU => am!(u64::max);
    AMMIN_WU => am!(u32::min);
    AMMIN_DU => am!(u64::min);
    AMSWAP_DB_W => am!(swap::<i32>);
    AMSWAP_DB_D => am!(swap::<i64>);
    AMADD_DB_W => am!(i32::wrapping_add);
    AMADD_DB_D => am!(i64::wrapping_add);
    AMAND_DB_W => am!(i32::bitand);
    AMAND_DB_D => am!(i64::bitand);
    AMOR_DB_W => am!(i32::bitor);
    AMOR_DB_D => am!(i64::bitor);
    AMXOR_DB_W => am!(i32::bitxor);
    AMXOR_DB_D => am!(i64::bitxor);
    AMMAX_DB_W => am!(i32::max);
    AMMAX_DB_D => am!(i64::max);
    AMMIN_DB_W => am!(i32::min);
    AMMIN_DB_D => am!(i64::min);
    AMMAX_DB_WU => am!(u32::max);
    AMMAX_DB_DU => am!(u64::max);
    AMMIN_DB_WU => am!(u32::min);
    AMMIN_DB_DU => am!(u64::min);
}

#[cfg(test)]
mod tests {
    use super::super::testing::{In, Machine, RD, RJ, RK, djk};
    use super::enc;
    use crate::cpu::Stop;
    use la_arch::Exception;

    const VA: u64 = 0x10_0000;
    /// Negative as a word and as a doubleword.
    const OLD: u64 = 0xf000_0000_8000_0005;
    /// Positive as both.
    const RK_VALUE: u64 = 0x0fff_ffff_7000_0003;

    #[test]
    fn read_modify_write() {
        for (word, double, w, d) in [
            (&enc::AMSWAP_W, &enc::AMSWAP_D, 0x7000_0003, RK_VALUE),
            (&enc::AMSWAP_DB_W, &enc::AMSWAP_DB_D, 0x7000_0003, RK_VALUE),
            (
                &enc::AMADD_W,
                &enc::AMADD_D,
                0xf000_0008,
                0xffff_ffff_f000_0008,
            ),
            (
                &enc::AMADD_DB_W,
                &enc::AMADD_DB_D,
                0xf000_0008,
                0xffff_ffff_f000_0008,
            ),
            (&enc::AMAND_W, &enc::AMAND_D, 1, 1),
            (&enc::AMAND_DB_W, &enc::AMAND_DB_D, 1, 1),
            (
                &enc::AMOR_W,
                &enc::AMOR_D,
                0xf000_0007,
                0xffff_ffff_f000_0007,
            ),
            (
                &enc::AMOR_DB_W,
                &enc::AMOR_DB_D,
                0xf000_0007,
                0xffff_ffff_f000_0007,
            ),
            (
                &enc::AMXOR_W,
                &enc::AMXOR_D,
                0xf000_0006,
                0xffff_ffff_f000_0006,
            ),
            (
                &enc::AMXOR_DB_W,
                &enc::AMXOR_DB_D,
                0xf000_0006,
                0xffff_ffff_f000_0006,
            ),
            (&enc::AMMAX_W, &enc::AMMAX_D, 0x7000_0003, RK_VALUE),
            (&enc::AMMAX_DB_W, &enc::AMMAX_DB_D, 0x7000_0003, RK_VALUE),
            (&enc::AMMIN_W, &enc::AMMIN_D, 0x8000_0005, OLD),
            (&enc::AMMIN_DB_W, &enc::AMMIN_DB_D, 0x8000_0005, OLD),
            (&enc::AMMAX_WU, &enc::AMMAX_DU, 0x8000_0005, OLD),
            (&enc::AMMAX_DB_WU, &enc::AMMAX_DB_DU, 0x8000_0005, OLD),
            (&enc::AMMIN_WU, &enc::AMMIN_DU, 0x7000_0003, RK_VALUE),
            (&enc::AMMIN_DB_WU, &enc::AMMIN_DB_DU, 0x7000_0003, RK_VALUE),
        ] {
            let mut machine = Machine::new();
            machine.set_memory(VA, OLD);
            assert_eq!(machine.exec(word, djk(0, VA, RK_VALUE)), Ok(()));
            assert_eq!(machine.rd(), 0xffff_ffff_8000_0005, "{}", word.name);
            assert_eq!(machine.memory(VA), OLD >> 32 << 32 | w, "{}", word.name);
            machine.set_memory(VA, OLD);
            assert_eq!(machine.exec(double, djk(0, VA, RK_VALUE)), Ok(()));
            assert_eq!(machine.rd(), OLD, "{}", double.name);
            assert_eq!(machine.memory(VA), d, "{}", double.name);
        }
    }

    #[test]
    fn bytes_and_halfwords_of_v1_1() {
        for (encoding, rd, memory) in [
            (&enc::AMSWAP_B, 0xffff_ffff_ffff_ff85, 0x9003),
            (&enc::AMSWAP_H, 0xffff_ffff_ffff_9085, 0x7703),
            (&enc::AMADD_DB_B, 0xffff_ffff_ffff_ff85, 0x9088),
            (&enc::AMADD_DB_H, 0xffff_ffff_ffff_9085, 0x0788),
        ] {
            let mut machine = Machine::new();
            machine.set_memory(VA, 0x9085);
            assert_eq!(machine.exec(encoding, djk(0, VA, 0x7703)), Ok(()));
            assert_eq!(
                (machine.rd(), machine.memory(VA)),
                (rd, memory),
                "{}",
                encoding.name
            );
        }
    }

    #[test]
    fn compare_and_swap_compares_its_size() {
        for (encoding, expected, memory) in [
            (&enc::AMCAS_B, 0x1105, 0x8000_0077),
            (&enc::AMCAS_B, 0x06, 0x8000_0005),
            (&enc::AMCAS_DB_W, 0x8000_0005, 0x77),
            (&enc::AMCAS_W, 0x8001_0005, 0x8000_0005),
            (&enc::AMCAS_D, 0x8000_0005, 0x77),
            (&enc::AMCAS_D, 0xffff_ffff_8000_0005, 0x8000_0005),
        ] {
            let mut machine = Machine::new();
            machine.set_memory(VA, 0x8000_0005);
            assert_eq!(machine.exec(encoding, djk(expected, VA, 0x77)), Ok(()));
            assert_eq!(
                machine.memory(VA),
                memory,
                "{} {expected:#x}",
                encoding.name
            );
        }
    }

    #[test]
    fn overlapping_registers() {
        let mut machine = Machine::new();
        machine.set_memory(VA, OLD);
        let input = djk(0, VA, RK_VALUE);
        for (rd, rj, rk) in [(RJ, RJ, RK), (RK, RJ, RK), (0, 0, RK)] {
            let step = machine.exec_with(&enc::AMSWAP_D, input, |op| {
                (op.rd, op.rj, op.rk) = (rd, rj, rk);
            });
            assert_eq!(step, Err(Stop::Trap));
            assert_eq!(machine.cpu.trap.exception, Exception::INE);
            assert_eq!(machine.memory(VA), OLD);
        }
        let step = machine.exec_with(&enc::AMCAS_D, input, |op| op.rd = RJ);
        assert_eq!(step, Err(Stop::Trap));
        assert_eq!(machine.cpu.trap.exception, Exception::INE);
        let step = machine.exec_with(&enc::AMSWAP_D, input, |op| (op.rd, op.rk) = (0, 0));
        assert_eq!((step, machine.memory(VA)), (Ok(()), 0));
    }

    #[test]
    fn unaligned_accesses_trap() {
        for (encoding, va) in [
            (&enc::AMADD_W, VA + 2),
            (&enc::AMADD_D, VA + 4),
            (&enc::AMCAS_H, VA + 1),
            (&enc::LL_W, VA + 2),
            (&enc::LL_D, VA + 4),
            (&enc::SC_W, VA + 1),
            (&enc::SC_Q, VA + 8),
        ] {
            let trap = Machine::new().trap(encoding, djk(9, va, 1));
            assert_eq!(trap, (Exception::ALE, Some(va)), "{}", encoding.name);
        }
    }

    #[test]
    fn store_conditional_needs_its_load() {
        for (ll, sc, loaded, stored) in [
            (
                &enc::LL_W,
                &enc::SC_W,
                0xffff_ffff_8000_0005,
                0xf000_0000_7000_0003,
            ),
            (&enc::LL_D, &enc::SC_D, OLD, RK_VALUE),
        ] {
            let mut machine = Machine::new();
            machine.set_memory(VA, OLD);
            let at = |rd| In {
                imm: -3,
                ..djk(rd, VA + 12, 0)
            };
            assert_eq!(machine.exec(sc, at(RK_VALUE)), Ok(()));
            assert_eq!((machine.rd(), machine.memory(VA)), (0, OLD));
            assert_eq!(machine.exec(ll, at(0)), Ok(()));
            assert_eq!(machine.rd(), loaded, "{}", ll.name);
            assert_eq!(machine.exec(sc, at(RK_VALUE)), Ok(()));
            assert_eq!(
                (machine.rd(), machine.memory(VA)),
                (1, stored),
                "{}",
                sc.name
            );
            // The reservation is used up.
            assert_eq!(machine.exec(sc, at(OLD)), Ok(()));
            assert_eq!((machine.rd(), machine.memory(VA)), (0, stored));
        }
    }

    #[test]
    fn store_conditional_of_a_quadword() {
        let mut machine = Machine::new();
        assert_eq!(machine.exec(&enc::LLACQ_D, djk(0, VA, 0)), Ok(()));
        assert_eq!(machine.exec(&enc::SC_Q, djk(1, VA, 2)), Ok(()));
        assert_eq!(machine.cpu.get(RD), 1);
        assert_eq!((machine.memory(VA), machine.memory(VA + 8)), (1, 2));
    }
}
