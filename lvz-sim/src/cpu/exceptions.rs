// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Exceptions: raising, delivery and return (Volume 1, 6.2 to 6.4; for guest
//! mode `docs/lvz.md` 5.3 to 5.5 and 7.2).

use super::{Cpu, Reading, Stop, Trap};
use crate::mem::Bus;
use crate::trace::Trace;
use crate::world::World;
use la_arch::Exception;
use la_arch::csr::{MerrCtl, TlbEhi, TlbrEhi, TlbrEra, number};

impl Cpu {
    /// Records an exception without a bad address:
    /// `return Err(cpu.raise(Exception::INE));`
    #[cold]
    pub(crate) fn raise(&mut self, exception: Exception) -> Stop {
        self.trap = Trap {
            exception,
            ..Trap::default()
        };
        Stop::Trap
    }

    /// Records an exception with BADV, whose upper half is zero in 32-bit address mode
    /// (7.4.8): `return Err(cpu.raise_at(Exception::ALE, va));`
    #[cold]
    pub(crate) fn raise_at(&mut self, exception: Exception, badv: u64) -> Stop {
        self.trap = Trap {
            exception,
            badv: Some(self.narrow(badv)),
            ..Trap::default()
        };
        Stop::Trap
    }

    /// Records an exception that root handles even if the guest caused it.
    #[cold]
    pub(crate) fn raise_to_root(&mut self, exception: Exception) -> Stop {
        self.trap = Trap {
            exception,
            to_root: true,
            ..Trap::default()
        };
        Stop::Trap
    }

    /// Records that what is at physical address `pa` is lost. Root handles it.
    #[cold]
    pub(crate) fn raise_machine_error(&mut self, pa: u64) -> Stop {
        self.trap = Trap {
            exception: Exception::ADEM,
            machine_error: true,
            badv: Some(pa),
            to_root: true,
            ..Trap::default()
        };
        Stop::Trap
    }

    /// Delivers the recorded exception, which the instruction `insn` at `pc`
    /// caused (`None`: it could not be fetched, or an interrupt).
    pub(crate) fn deliver(&mut self, bus: &mut Bus, pc: u64, insn: Option<u32>) {
        let trap = self.trap;
        self.tally_exception(&trap);
        if self.trace != Trace::default() {
            self.trace_exception(bus, pc, insn, &trap);
        }
        if trap.exception == Exception::SYS && self.calls.is_some() {
            self.note_call();
        }
        let exit = self.in_guest() && trap.to_root;
        if exit {
            self.leave_guest(bus, pc, &trap, insn);
        } else if !self.in_guest()
            && !trap.refill
            && !trap.machine_error
            && self.reads(Reading::RootExceptionPgm)
        {
            let gstat = self.root().gstat().with_pgm(false);
            self.put(World::Root, gstat);
        }
        if trap.machine_error {
            self.deliver_machine_error(pc, trap.badv.unwrap_or(0), exit);
        } else if trap.refill {
            self.deliver_refill(pc, insn, trap.badv.unwrap_or(0), exit);
        } else {
            self.deliver_general(pc, insn, &trap);
        }
        self.idle = false;
        if !exit && !self.in_guest() {
            self.stats_exception(trap.exception == Exception::INT);
        }
    }

    /// Volume 1, 6.2.4, and for BADI 7.4.9, which leaves out INT, GCHC and MERR alone.
    fn deliver_refill(&mut self, pc: u64, insn: Option<u32>, badv: u64, exit: bool) {
        let (world, csr) = (self.world(), self.csr());
        let crmd = csr.crmd();
        let vppn = TlbEhi(badv).vppn();
        let ehi = TlbrEhi(csr.raw(number::TLBREHI)).with_vppn(vppn);
        let entry = csr.raw(number::TLBRENTRY);
        let prmd = csr
            .tlbrprmd()
            .with_pplv(crmd.plv())
            .with_pie(crmd.ie())
            .with_pwe(crmd.we())
            .with_pgm(exit);
        self.put(world, prmd);
        let crmd = crmd.with_plv(0).with_ie(false).with_we(false);
        self.put(world, crmd.with_da(true).with_pg(false));
        self.put(world, TlbrEra(pc & !3).with_istlbr(true));
        self.put_csr(world, number::TLBRBADV, badv);
        self.put_csr(world, number::TLBREHI, ehi.0);
        self.put_badi(world, insn);
        self.pc = entry;
    }

    /// Volume 1, 6.3.4 and 7.7; in guest mode `docs/lvz.md` X-8. What MERRINFO1 holds is
    /// up to the implementation: the address.
    fn deliver_machine_error(&mut self, pc: u64, pa: u64, exit: bool) {
        let csr = self.root();
        let crmd = csr.crmd();
        let entry = csr.raw(number::MERRENTRY);
        let merrctl = MerrCtl(0)
            .with_ismerr(true)
            .with_pplv(crmd.plv())
            .with_pie(crmd.ie())
            .with_pgm(exit)
            .with_pwe(crmd.we())
            .with_pda(crmd.da())
            .with_ppg(crmd.pg())
            .with_pdatf(crmd.datf())
            .with_pdatm(crmd.datm());
        self.put(World::Root, merrctl);
        let crmd = crmd.with_plv(0).with_ie(false).with_we(false);
        let crmd = crmd.with_datf(0).with_datm(0);
        self.put(World::Root, crmd.with_da(true).with_pg(false));
        self.put_csr(World::Root, number::MERRERA, pc);
        self.put_csr(World::Root, number::MERRINFO1, pa);
        self.pc = entry;
    }

    fn deliver_general(&mut self, pc: u64, insn: Option<u32>, trap: &Trap) {
        let exception = trap.exception;
        let (world, csr) = (self.world(), self.csr());
        let (crmd, ecfg, entry) = (csr.crmd(), csr.ecfg(), csr.raw(number::EENTRY));
        let pending = self.pending(world);
        let prmd = csr
            .prmd()
            .with_pplv(crmd.plv())
            .with_pie(crmd.ie())
            .with_pwe(crmd.we());
        let estat = csr
            .estat()
            .with_ecode(u64::from(exception.code))
            .with_esubcode(u64::from(exception.sub));
        self.put(world, prmd);
        self.put(world, crmd.with_plv(0).with_ie(false).with_we(false));
        self.put(world, estat);
        self.put_csr(world, number::ERA, pc);
        if let Some(badv) = trap.badv {
            self.put_csr(world, number::BADV, badv);
            if (Exception::PIL.code..=Exception::PPI.code).contains(&exception.code) {
                let ehi = TlbEhi(0).with_vppn(TlbEhi(badv).vppn());
                self.put_csr(world, number::TLBEHI, ehi.0);
            }
        }
        self.put_badi(world, insn);
        let spacing = match ecfg.vs() {
            0 => 0,
            vs => 4u64 << vs,
        };
        let vector = if exception == Exception::INT {
            // Interrupt n has vector 64 + n; the highest number wins.
            64 + u64::from(pending.checked_ilog2().unwrap_or(0))
        } else {
            u64::from(exception.code)
        };
        // An OR, no sum: aligning the base is up to software (6.2.1).
        self.pc = entry | (vector * spacing);
    }

    /// An instruction that could not be fetched, or an interrupt, leaves BADI alone.
    fn put_badi(&mut self, world: World, insn: Option<u32>) {
        if let Some(insn) = insn {
            self.put_csr(world, number::BADI, u64::from(insn));
        }
    }

    /// `ertn`, after the privilege check. Which context it returns to, see
    /// `docs/lvz.md` 5.3.
    pub(crate) fn exception_return(&mut self, bus: &mut Bus) {
        let from = self.pc_executing();
        let (world, csr) = (self.world(), self.csr());
        let crmd = csr.crmd();
        let merr = csr.merrctl();
        let era = csr.tlbrera();
        let enter;
        if world == World::Root && merr.ismerr() {
            self.pc = csr.raw(number::MERRERA);
            enter = merr.pgm();
            self.put(world, merr.with_ismerr(false));
            let crmd = crmd
                .with_plv(merr.pplv())
                .with_ie(merr.pie())
                .with_we(merr.pwe())
                .with_datf(merr.pdatf())
                .with_datm(merr.pdatm());
            self.put(world, crmd.with_da(merr.pda()).with_pg(merr.ppg()));
        } else if era.istlbr() {
            let prmd = csr.tlbrprmd();
            self.pc = era.pc() << 2;
            enter = prmd.pgm();
            self.put(world, era.with_istlbr(false));
            let crmd = crmd
                .with_plv(prmd.pplv())
                .with_ie(prmd.pie())
                .with_we(prmd.pwe());
            self.put(world, crmd.with_da(false).with_pg(true));
        } else {
            let prmd = csr.prmd();
            self.pc = csr.raw(number::ERA);
            enter = self.root().gstat().pgm();
            let crmd = crmd
                .with_plv(prmd.pplv())
                .with_ie(prmd.pie())
                .with_we(prmd.pwe());
            self.put(world, crmd);
            self.end_linked_by_return(bus);
            self.lint_returned();
        }
        if world == World::Root && enter && self.model.has_lvz() {
            self.enter_guest(from);
        }
        self.stats_returned();
    }
}
