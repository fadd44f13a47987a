// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Virtualization instructions (`docs/lvz.md` chapter 4).

use super::privileged::exchange;
use crate::cpu::{Cpu, Group, Op, Step, Via};
use crate::mem::Bus;
use la_arch::Exception;
use la_arch::insn::lvz as enc;

crate::insn_table! { Group::Lvz;
    HVCL => hvcl, @ends;
    GCSRXCHG => gcsrxchg, @ends;
    GTLBCLR => gtlbclr, @ends;
    GTLBFLUSH => gtlbflush, @ends;
    GTLBSRCH => gtlbsrch, @ends;
    GTLBRD => gtlbrd, @ends;
    GTLBWR => gtlbwr, @ends;
    GTLBFILL => gtlbfill, @ends;
}

fn hvcl(cpu: &mut Cpu, _bus: &mut Bus, _op: &Op) -> Step {
    Err(cpu.hypervisor_call())
}

/// Root at PLV0 only: IPE at other levels, INE for a guest's kernel (4.2).
fn root_only(cpu: &mut Cpu) -> Step {
    cpu.require_plv0()?;
    if cpu.in_guest() {
        return Err(cpu.raise(Exception::INE));
    }
    Ok(())
}

fn gcsrxchg(cpu: &mut Cpu, bus: &mut Bus, op: &Op) -> Step {
    root_only(cpu)?;
    exchange(cpu, bus, op, Via::Gcsr);
    Ok(())
}

fn gtlbclr(cpu: &mut Cpu, _bus: &mut Bus, _op: &Op) -> Step {
    root_only(cpu)?;
    cpu.tlb_clear(cpu.gtlb_scope(), false);
    Ok(())
}

fn gtlbflush(cpu: &mut Cpu, _bus: &mut Bus, _op: &Op) -> Step {
    root_only(cpu)?;
    cpu.tlb_clear(cpu.gtlb_scope(), true);
    Ok(())
}

fn gtlbsrch(cpu: &mut Cpu, _bus: &mut Bus, _op: &Op) -> Step {
    root_only(cpu)?;
    cpu.tlb_search(cpu.gtlb_scope());
    Ok(())
}

fn gtlbrd(cpu: &mut Cpu, _bus: &mut Bus, _op: &Op) -> Step {
    root_only(cpu)?;
    cpu.tlb_read(cpu.gtlb_scope());
    Ok(())
}

fn gtlbwr(cpu: &mut Cpu, _bus: &mut Bus, op: &Op) -> Step {
    root_only(cpu)?;
    cpu.executing(op);
    cpu.tlb_write(cpu.gtlb_scope());
    Ok(())
}

fn gtlbfill(cpu: &mut Cpu, _bus: &mut Bus, op: &Op) -> Step {
    root_only(cpu)?;
    cpu.executing(op);
    cpu.tlb_fill(cpu.gtlb_scope());
    Ok(())
}
