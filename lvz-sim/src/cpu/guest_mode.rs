// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Entering and leaving guest mode (`docs/lvz.md` chapter 5).

use super::{Cpu, Reading, Step, Stop, Trap};
use crate::calls::Call;
use crate::mem::Bus;
use crate::stats::ExitCause;
use crate::world::World;
use la_arch::Exception;
use la_arch::csr::number;

/// The cause of an exit by `trap` of the instruction `insn`.
fn exit_cause(trap: &Trap, insn: Option<u32>) -> ExitCause {
    if trap.refill {
        return ExitCause::Refill;
    }
    match trap.exception {
        Exception::INT => ExitCause::Interrupt,
        Exception::PIL => ExitCause::LoadFault,
        Exception::PIS => ExitCause::StoreFault,
        Exception::PIF => ExitCause::FetchFault,
        Exception::PME => ExitCause::ModifyFault,
        Exception::HVC => ExitCause::Hypercall,
        Exception::FPD => ExitCause::Fpu,
        Exception::SXD => ExitCause::Lsx,
        Exception::ASXD => ExitCause::Lasx,
        Exception::BTD => ExitCause::Lbt,
        Exception::GSPR => sensitive(insn.unwrap_or(0)),
        _ => ExitCause::Other,
    }
}

fn sensitive(insn: u32) -> ExitCause {
    use la_arch::insn::{integer, privileged as p};
    if integer::CPUCFG.matches(insn) {
        ExitCause::Cpucfg
    } else if p::CSRXCHG.matches(insn) {
        ExitCause::Csr
    } else if p::IDLE.matches(insn) {
        ExitCause::Idle
    } else if p::CACOP.matches(insn) {
        ExitCause::Cacop
    } else if insn >> 13 == p::IOCSRRD_B.bits >> 13 {
        ExitCause::Iocsr
    } else {
        ExitCause::Other
    }
}

impl Cpu {
    /// The part of the `ertn` at `from` that switches to guest mode. PGM stays as it is,
    /// unless Q-3 is read otherwise.
    pub(super) fn enter_guest(&mut self, from: u64) {
        self.switch_to(World::Guest);
        if self.reads(Reading::EntryPgm) {
            let gstat = self.root().gstat().with_pgm(false);
            self.put(World::Root, gstat);
        }
        let at = self.ended();
        self.stats.enter_guest(at);
        self.trace_entry(from);
    }

    /// The part of exception delivery that switches to root. PGM is set for
    /// refills too, unless Q-2 is read otherwise.
    pub(super) fn leave_guest(&mut self, bus: &mut Bus, pc: u64, trap: &Trap, insn: Option<u32>) {
        self.switch_to(World::Root);
        if !(trap.refill && self.reads(Reading::RefillPgm)) {
            let gstat = self.root().gstat().with_pgm(true);
            self.put(World::Root, gstat);
        }
        if self.reads(Reading::ExitLl) {
            bus.take_reservation(self.id, World::Guest);
        }
        let at = self.ended();
        self.stats.leave_guest(at, exit_cause(trap, insn), pc);
    }

    /// For instructions that are sensitive in guest mode: raises GSPR there.
    #[inline]
    pub(crate) fn require_root(&mut self) -> Step {
        if self.in_guest() {
            return Err(self.raise_to_root(Exception::GSPR));
        }
        Ok(())
    }

    /// GID with which root's TLB instructions act: GTLBC.TGID if USETGID,
    /// else GSTAT.GID while PGM is set, else 0 (`docs/lvz.md` 2.1).
    pub(crate) fn root_tlb_gid(&self) -> u8 {
        let gtlbc = self.root().gtlbc();
        let gstat = self.root().gstat();
        if gtlbc.usetgid() {
            gtlbc.tgid() as u8
        } else if gstat.pgm() {
            gstat.gid() as u8
        } else {
            0
        }
    }

    /// `hvcl`: HVC from guest PLV0; IPE from other guest levels; INE in
    /// root. The other readings are an exit from all levels, and IPE from
    /// root's user levels.
    pub(crate) fn hypervisor_call(&mut self) -> Stop {
        match (self.in_guest(), self.plv) {
            (true, 0) => self.raise_to_root(Exception::HVC),
            (true, _) if self.reads(Reading::HvclUser) => self.raise_to_root(Exception::HVC),
            (true, _) => self.raise(Exception::IPE),
            (false, 1..) if self.reads(Reading::HvclRoot) => self.raise(Exception::IPE),
            (false, _) => self.raise(Exception::INE),
        }
    }

    /// Writes a system call of a program of the host down, if that is wanted.
    /// Called before the exception is delivered.
    #[cold]
    pub(super) fn note_call(&mut self) {
        if self.in_guest() || self.plv == 0 {
            return;
        }
        let (cpu, time_ns) = (self.id, self.now());
        let executed = self.stats.machine_executed(self.ended());
        if let Some(calls) = &mut self.calls {
            calls.note(&self.gpr, |arguments| Call {
                cpu,
                time_ns,
                executed,
                arguments,
            });
        }
    }

    /// Tells the accounting of an exception that root takes in root mode.
    pub(super) fn stats_exception(&mut self, interrupt: bool) {
        if self.stats.is_open() {
            let era = self.root().raw(number::ERA);
            let from = self.root().prmd().pplv() as u8;
            self.stats
                .exception(self.ended(), from, interrupt.then_some(era));
        }
    }

    /// Tells the accounting of a return from an exception, whose target's level
    /// CRMD has.
    pub(super) fn stats_returned(&mut self) {
        if !self.in_guest() && self.stats.is_open() {
            let at = self.ended();
            let plv = self.root().crmd().plv() as u8;
            self.stats.returned(at, self.pc, plv);
        }
    }
}
