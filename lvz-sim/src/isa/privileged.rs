// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Privileged instructions (Volume 1, chapter 4), `cpucfg` and `dbcl`, with
//! what guest mode makes of them (`docs/lvz.md` 3.3 and 7.4).

use crate::cpu::{Check, Cpu, CsrClass, Group, Op, Reading, Step, Stop, Via};
use crate::mem::Bus;
use la_arch::Exception;
use la_arch::csr::number;
use la_arch::insn::integer::{CPUCFG, DBCL};
use la_arch::insn::privileged as p;

mod enc {
    pub(super) use super::p::*;
    pub(super) use super::{CPUCFG, DBCL};
}

crate::insn_table! { Group::Privileged;
    CPUCFG => cpucfg;
    DBCL => dbcl, @ends;
    CSRXCHG => csrxchg, @ends;
    CACOP => cacop;
    LDDIR => lddir;
    LDPTE => ldpte;
    IOCSRRD_B => iocsrrd::<1>, @ends;
    IOCSRRD_H => iocsrrd::<2>, @ends;
    IOCSRRD_W => iocsrrd::<4>, @ends;
    IOCSRRD_D => iocsrrd::<8>, @ends;
    IOCSRWR_B => iocsrwr::<1>, @ends;
    IOCSRWR_H => iocsrwr::<2>, @ends;
    IOCSRWR_W => iocsrwr::<4>, @ends;
    IOCSRWR_D => iocsrwr::<8>, @ends;
    TLBCLR => tlbclr, @ends;
    TLBFLUSH => tlbflush, @ends;
    TLBSRCH => tlbsrch, @ends;
    TLBRD => tlbrd, @ends;
    TLBWR => tlbwr, @ends;
    TLBFILL => tlbfill, @ends;
    ERTN => ertn, @ends;
    IDLE => idle, @ends;
    INVTLB => invtlb, @ends;
}

/// The guest has no CPUCFG of its own: any level's `cpucfg` exits.
fn cpucfg(cpu: &mut Cpu, _bus: &mut Bus, op: &Op) -> Step {
    cpu.require_root()?;
    let word = cpu.model.cpucfg(cpu.get(op.rj));
    cpu.set(op.rd, word as i32 as u64);
    Ok(())
}

/// Debug mode is not implemented.
fn dbcl(cpu: &mut Cpu, _bus: &mut Bus, _op: &Op) -> Step {
    Err(cpu.raise(Exception::INE))
}

/// `csrrd` (rj 0), `csrwr` (rj 1) and `csrxchg`.
fn csrxchg(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    let number = op.imm as u16;
    if !(op.rj == 0 && cpu.user_reads_counter(number)) {
        cpu.require_plv0()?;
    }
    if cpu.in_guest() && cpu.guest_csr_class(number) == CsrClass::Sensitive {
        return Err(cpu.raise_to_root(Exception::GSPR));
    }
    exchange(cpu, bus, op, Via::Csr);
    Ok(())
}

/// The common part of `csrxchg` and `gcsrxchg`.
pub(super) fn exchange(cpu: &mut Cpu, bus: &mut Bus, op: &Op, via: Via) {
    // TVAL and the like have their value at this very instruction.
    cpu.executing(op);
    let number = op.imm as u16;
    cpu.catch_up_timers(bus, via, number, op.rj > 1);
    let old = cpu.csr_read(bus, via, number);
    let mut written = None;
    if number == number::MSGIR && cpu.model.has_msgint() {
        cpu.take_message(cpu.reached(via));
    }
    match op.rj {
        0 => {}
        1 => {
            let value = cpu.get(op.rd);
            cpu.csr_write(bus, via, number, value);
            written = Some(value);
        }
        rj => {
            let mask = cpu.get(rj);
            if via == Via::Gcsr && number == number::ESTAT {
                cpu.race_estat_exchange(bus);
            }
            // The merge is with the stored value where lines are shown.
            let value = old & !mask | cpu.get(op.rd) & mask;
            if !(number == number::TICLR && mask & 1 == 0) {
                cpu.csr_write(bus, via, number, value);
            }
            written = Some(value);
        }
    }
    if cpu.trace.lint {
        cpu.lint_csr(bus, via, number, old, written);
    }
    cpu.set(op.rd, old);
}

/// No caches are modelled; which operations a guest may use, GCFG.TOCI says.
fn cacop(cpu: &mut Cpu, _bus: &mut Bus, op: &Op) -> Step {
    cpu.require_plv0()?;
    if cpu.in_guest() {
        let operation = op.rd >> 3;
        let allowed = match cpu.root().gcfg().toci() {
            0 => false,
            1 => operation == 2,
            // Index-Invalidate-Writeback is operation 1. There are caches 0 to
            // 3 (CPUCFG.16); whether others are let through, Q-22 leaves open.
            _ if op.rd & 7 > 3 && cpu.reads(Reading::Toci2Cache) => false,
            _ => operation == 1 || operation == 2,
        };
        if !allowed {
            return Err(cpu.raise_to_root(Exception::GSPR));
        }
    }
    Ok(())
}

fn lddir(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    cpu.require_plv0()?;
    let entry = cpu.load_directory(bus, op, op.imm as u32)?;
    cpu.set(op.rd, entry);
    Ok(())
}

fn ldpte(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    cpu.require_plv0()?;
    cpu.load_page_entry(bus, op, op.imm & 1 != 0)
}

/// The number of the IOCSR register in rj, which MISC.ALCL is about (7.4.4).
fn iocsr_address(cpu: &mut Cpu, op: &Op, size: u8) -> Step<u32> {
    let address = cpu.get(op.rj);
    cpu.check_alignment(address, u64::from(size), Check::Plain)?;
    Ok(address as u32)
}

fn iocsrrd<const SIZE: u8>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    cpu.require_plv0()?;
    cpu.require_root()?;
    cpu.executing(op);
    let address = iocsr_address(cpu, op, SIZE)?;
    let value = bus.platform.iocsr_read(cpu.id, address, SIZE);
    cpu.device_accessed(bus);
    let extended = match SIZE {
        1 => value as i8 as u64,
        2 => value as i16 as u64,
        4 => value as i32 as u64,
        _ => value,
    };
    cpu.set(op.rd, extended);
    Ok(())
}

fn iocsrwr<const SIZE: u8>(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    cpu.require_plv0()?;
    cpu.require_root()?;
    cpu.executing(op);
    let address = iocsr_address(cpu, op, SIZE)?;
    let value = cpu.get(op.rd) & u64::MAX >> (64 - 8 * u32::from(SIZE));
    bus.platform.iocsr_write(cpu.id, address, SIZE, value);
    cpu.device_accessed(bus);
    Ok(())
}

/// Checks a TLB instruction's privilege: PLV0, and in guest mode GTLBC.TOTI.
fn tlb_allowed(cpu: &mut Cpu) -> Step {
    cpu.require_plv0()?;
    if cpu.root().gtlbc().toti() {
        cpu.require_root()?;
    }
    Ok(())
}

fn tlbclr(cpu: &mut Cpu, _bus: &mut Bus, _op: &Op) -> Step {
    tlb_allowed(cpu)?;
    cpu.tlb_clear(cpu.tlb_scope(), false);
    Ok(())
}

fn tlbflush(cpu: &mut Cpu, _bus: &mut Bus, _op: &Op) -> Step {
    tlb_allowed(cpu)?;
    cpu.tlb_clear(cpu.tlb_scope(), true);
    Ok(())
}

fn tlbsrch(cpu: &mut Cpu, _bus: &mut Bus, _op: &Op) -> Step {
    tlb_allowed(cpu)?;
    cpu.tlb_search(cpu.tlb_scope());
    Ok(())
}

fn tlbrd(cpu: &mut Cpu, _bus: &mut Bus, _op: &Op) -> Step {
    tlb_allowed(cpu)?;
    cpu.tlb_read(cpu.tlb_scope());
    Ok(())
}

fn tlbwr(cpu: &mut Cpu, _bus: &mut Bus, op: &Op) -> Step {
    tlb_allowed(cpu)?;
    cpu.executing(op);
    cpu.tlb_write(cpu.tlb_scope());
    Ok(())
}

fn tlbfill(cpu: &mut Cpu, _bus: &mut Bus, op: &Op) -> Step {
    tlb_allowed(cpu)?;
    cpu.executing(op);
    cpu.tlb_fill(cpu.tlb_scope());
    Ok(())
}

fn invtlb(cpu: &mut Cpu, _bus: &mut Bus, op: &Op) -> Step {
    tlb_allowed(cpu)?;
    if cpu.trace.lint {
        cpu.lint_invtlb(cpu.pc_of(op), op.rd, cpu.get(op.rj));
    }
    cpu.invalidate_tlb(op.rd, cpu.get(op.rj), cpu.get(op.rk))
}

fn ertn(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    cpu.require_plv0()?;
    cpu.executing(op);
    cpu.exception_return(bus);
    Err(Stop::Jump)
}

/// In a guest `idle` does not stop the core, it exits (`docs/lvz.md` W-15; by
/// another reading of Q-30 it has nothing to wait for when one is pending).
fn idle(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    cpu.require_plv0()?;
    if cpu.in_guest() && cpu.reads(Reading::GuestIdle) {
        cpu.executing(op);
        cpu.expire_timers(bus);
        if cpu.wakes() {
            cpu.attention = true;
            return cpu.jump(cpu.pc_of(op).wrapping_add(4));
        }
    }
    cpu.require_root()?;
    cpu.idle = true;
    cpu.attention = true;
    cpu.jump(cpu.pc_of(op).wrapping_add(4))
}
