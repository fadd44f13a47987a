// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `csrrd`, `csrwr`, `csrxchg` and their `gcsr` forms: which registers exist,
//! what of them can be written and what a write does (Volume 1, chapter 7;
//! `docs/lvz.md` chapter 3).

use super::csr_numbers::{DMW3, MSGIS3, PERFCNTR3, SAVE7, SAVE8, SAVE15, WATCH_LAST};
use super::{Cpu, Reading, watch_registers};
use crate::mem::Bus;
use crate::mmu::PA_MASK;
use crate::world::World;
use la_arch::Interrupt;
use la_arch::csr::{
    Asid, Crmd, Dmw, Ecfg, Estat, MerrCtl, Misc, MsgIe, Prmd, Pwch, Pwcl, RvaCfg, StlbPs, Tcfg,
    TlbEhi, TlbElo, TlbIdx, TlbrEhi, TlbrEra, TlbrPrmd, number as n,
};
use la_arch::lvz::{Gcfg, Gintc, Gstat, Gtlbc};

/// The instructions by which software reaches a CSR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// `csrrd`, `csrwr` and `csrxchg`: a register of the mode in force.
    Csr,
    /// `gcsrrd`, `gcsrwr` and `gcsrxchg`: root reaches a register of the guest,
    /// and in it fields that the guest itself cannot write (`docs/lvz.md` G-1).
    Gcsr,
}

/// Everything but bits 11:0, for page-aligned addresses.
const PAGE_ALIGNED: u64 = !0xfff;
/// Registers of 32 bits.
const LOW_HALF: u64 = 0xffff_ffff;
/// What software can write of its own ESTAT: the software interrupts.
const SOFTWARE_IS: u64 = 0x3;
/// Interrupt status that can be latched in a guest's ESTAT: all but the lines
/// HWI0 to HWI7, which come from GINTC.
const GUEST_LATCHED_IS: u64 = 0x7c03;
/// What root can write of a guest's ESTAT.
const GUEST_ESTAT: u64 = Estat(GUEST_LATCHED_IS)
    .with_ecode(0x3f)
    .with_esubcode(0x1ff)
    .0;
/// CPUID.CoreID.
const CORE_ID: u64 = 0x1ff;

impl Cpu {
    /// Whose register an instruction reaches.
    pub(crate) fn reached(&self, via: Via) -> World {
        match via {
            Via::Csr => self.world(),
            Via::Gcsr => World::Guest,
        }
    }

    /// Reads a register as software sees it; registers that do not exist read zero.
    pub fn csr_read(&self, bus: &Bus, via: Via, number: u16) -> u64 {
        self.csr_read_of(bus, self.reached(via), via, number)
    }

    /// The same for a register of `world`, whatever the mode in force is.
    pub(crate) fn csr_read_of(&self, bus: &Bus, world: World, via: Via, number: u16) -> u64 {
        let csr = self.file(world);
        match number {
            // Only gcsrrd reads the guest's file in root mode.
            n::ESTAT if via == Via::Gcsr && self.reads(Reading::GcsrEstat) => csr.estat().0,
            n::ESTAT => csr.estat().with_is(self.estat_is(world)).0,
            n::PGD => {
                let refill = csr.tlbrera().istlbr();
                let bad = csr.raw(if refill { n::TLBRBADV } else { n::BADV });
                self.directory(world, bad)
            }
            n::TVAL => self.timer_value(world),
            n::PERFCTRL0..=PERFCNTR3 => self.read_counter(world, number),
            n::TICLR => 0,
            // Above VALEN they repeat the top bit of VPPN (7.5.2, 7.5.17).
            n::TLBEHI | n::TLBREHI => ((csr.raw(number) << 16) as i64 >> 16) as u64,
            // 32-bit registers read sign-extended (7.2.2); the others of that
            // size have no bit 31.
            n::BADI | n::TLBIDX | n::PWCL | n::TID => csr.raw(number) as i32 as u64,
            n::LLBCTL => self.llbctl(bus, world),
            n::MSGIR if self.model.has_msgint() => self.message_request(world),
            n::GSTAT if world == World::Root && self.model.has_lvz() => {
                csr.gstat().with_vm(self.in_guest()).0
            }
            _ => csr.raw(number),
        }
    }

    /// The top table for an address: PGDL or PGDH.
    pub(crate) fn directory(&self, world: World, address: u64) -> u64 {
        // The top bit chooses: a guest physical address never has bit 63, so
        // that root's walk uses PGDL for guests.
        let top = if self.reads(Reading::PgdBit) { 47 } else { 63 };
        let high = address >> top & 1 != 0;
        self.file(world).raw(if high { n::PGDH } else { n::PGDL })
    }

    /// Writes a register as software does, with all that follows from it.
    pub fn csr_write(&mut self, bus: &mut Bus, via: Via, number: u16, value: u64) {
        self.csr_write_of(bus, self.reached(via), via, number, value);
    }

    /// The same for a register of `world`, whatever the mode in force is.
    pub(crate) fn csr_write_of(
        &mut self,
        bus: &mut Bus,
        world: World,
        via: Via,
        number: u16,
        value: u64,
    ) {
        let old = self.file(world).raw(number);
        match number {
            n::ESTAT => {
                let mask = match via {
                    Via::Csr => SOFTWARE_IS,
                    // Of lent counters PMI is the state of a line.
                    Via::Gcsr if self.lent_counters() > 0 => GUEST_ESTAT & !Interrupt::PMI.mask(),
                    Via::Gcsr => GUEST_ESTAT,
                };
                self.put(world, Estat(old & !mask | value & mask));
                if via == Via::Gcsr && self.model.has_msgint() {
                    self.messages_written(world, true);
                }
            }
            n::MSGIS0..=MSGIS3 | n::MSGIE if self.model.has_msgint() => {
                let mask = self.write_mask(world, via, number);
                self.put_csr(world, number, old & !mask | value & mask);
                self.messages_written(world, via == Via::Gcsr);
            }
            n::TCFG => {
                let tick = self.tick_of_load(bus);
                self.configure_timer(world, Tcfg(value & Tcfg::FIELDS), tick);
            }
            n::TVAL if via == Via::Gcsr => self.set_timer_value(bus, world, value),
            n::TICLR => {
                if value & 1 != 0 {
                    self.clear_timer(world);
                }
            }
            n::LLBCTL => self.set_llbctl(bus, world, value),
            n::STLBPS => {
                let ps = StlbPs(value).ps();
                if self.model.has_page_size(ps) {
                    self.put(world, StlbPs(0).with_ps(ps));
                }
            }
            n::PERFCTRL0..=PERFCNTR3 => self.write_counter(world, number, value),
            n::MWPC..=WATCH_LAST if self.model.has_watchpoints() => {
                self.put_csr(world, number, watch_registers::written(number, old, value));
            }
            n::GTLBC | n::GSTAT | n::GCFG if world == World::Root => {
                self.write_lvz(number, old, value);
            }
            _ => {
                let mask = self.write_mask(world, via, number);
                self.put_csr(world, number, old & !mask | value & mask);
            }
        }
        self.settle();
    }

    /// Writable bits of registers without special rules.
    fn write_mask(&self, world: World, via: Via, number: u16) -> u64 {
        let lvz = self.model.has_lvz() && world == World::Root;
        match number {
            n::CRMD => Crmd::FIELDS,
            n::PRMD => Prmd::FIELDS,
            n::EUEN => self.model.euen_mask(),
            // Addresses and counters are never narrowed or forbidden at PLV0.
            n::MISC => {
                let all = Misc(Misc::FIELDS);
                let all = all.with_va32l(0xe).with_drdtl(0xe).with_rpcntl(0xe);
                // All ones where accesses must be aligned anyway (7.4.4).
                match self.model.has_ual() {
                    true => all.0,
                    false => all.with_alcl(0).0,
                }
            }
            n::ECFG => {
                let all = Ecfg(Ecfg::FIELDS);
                all.with_msgint(self.model.has_msgint()).0
            }
            n::ERA | n::BADV | n::TLBRBADV | n::TLBRSAVE | n::MERRERA | n::MERRSAVE => u64::MAX,
            n::BADI if via == Via::Gcsr => LOW_HALF,
            n::CPUID if via == Via::Gcsr => CORE_ID,
            n::EENTRY | n::PGDL | n::PGDH => PAGE_ALIGNED,
            // Physical addresses.
            n::TLBRENTRY | n::MERRENTRY => PAGE_ALIGNED & PA_MASK,
            // 2112 entries need 12 bits.
            n::TLBIDX => TlbIdx(TlbIdx::FIELDS).with_index(0xfff).0,
            n::TLBEHI => TlbEhi::FIELDS,
            n::TLBELO0 | n::TLBELO1 | n::TLBRELO0 | n::TLBRELO1 => TlbElo::FIELDS,
            n::ASID => Asid(0).with_asid(0x3ff).0,
            // Entries of page tables have 64 bits, as all known software wants them.
            n::PWCL => Pwcl(Pwcl::FIELDS).with_pte_width(0).0,
            n::PWCH => Pwch(Pwch::FIELDS).with_hptw_en(self.model.has_walker()).0,
            n::RVACFG => RvaCfg::FIELDS,
            n::SAVE0..=SAVE7 => u64::MAX,
            SAVE8..=SAVE15 if self.reads(Reading::Save8) => u64::MAX,
            n::TID => LOW_HALF,
            n::CNTC | n::DERA | n::DSAVE => u64::MAX,
            n::TLBRERA => TlbrEra::FIELDS,
            n::TLBREHI => TlbrEhi::FIELDS,
            n::TLBRPRMD => TlbrPrmd(TlbrPrmd::FIELDS).with_pgm(lvz).0,
            n::MERRCTL => {
                let all = MerrCtl(MerrCtl::FIELDS);
                // Only the hardware says that an error is being handled.
                all.with_ismerr(false).with_pgm(lvz).0
            }
            // What is recorded, only root can write, and only for a guest.
            n::MSGIS0..=MSGIS3 if via == Via::Gcsr && self.model.has_msgint() => u64::MAX,
            n::MSGIE if self.model.has_msgint() => MsgIe::FIELDS,
            n::CTAG | n::IMPCTL1 | n::IMPCTL2 => u64::MAX,
            n::DMW0..=DMW3 => Dmw::FIELDS,
            n::GINTC if lvz => Gintc::FIELDS,
            n::GCNTC if lvz => u64::MAX,
            _ => 0,
        }
    }

    /// The LVZ registers with read-only fields (`docs/lvz.md`, D-10).
    fn write_lvz(&mut self, number: u16, old: u64, value: u64) {
        if !self.model.has_lvz() {
            return;
        }
        match number {
            n::GTLBC => {
                let mut new = Gtlbc(value).0
                    & Gtlbc(0)
                        .with_gmtlbsz(0x3f)
                        .with_usetgid(true)
                        .with_toti(true)
                        .0;
                // TGID is writable only together with or after USETGID.
                if Gtlbc(value).usetgid() {
                    new |= Gtlbc(0).with_tgid(Gtlbc(value).tgid() & self.gid_mask()).0;
                } else {
                    new |= Gtlbc(0).with_tgid(Gtlbc(old).tgid()).0;
                }
                self.put(World::Root, Gtlbc(new));
            }
            n::GSTAT => {
                let value = Gstat(value);
                let gid = value.gid() & self.gid_mask();
                let new = Gstat(old).with_pgm(value.pgm()).with_gid(gid);
                self.put(World::Root, new);
            }
            _ => {
                let (old, value) = (Gcfg(old), Gcfg(value));
                let mut new = old;
                if value.matc() < 3 && old.matp() >> value.matc() & 1 != 0 {
                    new = new.with_matc(value.matc());
                }
                if value.toci() < 3 && old.tocip() >> value.toci() & 1 != 0 {
                    new = new.with_toci(value.toci());
                }
                new = new
                    .with_topi(value.topi() && old.topip())
                    .with_toti(value.toti() && old.totip())
                    .with_toe(value.toe() && old.toep())
                    .with_top(value.top() && old.topp())
                    .with_tohu(value.tohu() && old.tohup());
                if old.gpmp() {
                    new = new.with_gpmnum(value.gpmnum());
                }
                self.change_counters(|cpu| cpu.put(World::Root, new));
            }
        }
    }

    /// Fills what LVZ adds with ones: the guest's registers as far as
    /// root can write them, GINTC, GCNTC and the GID. GSTAT.PGM, GTLBC and GCFG
    /// stay zero: systems that know nothing of LVZ could not run otherwise.
    pub(super) fn reset_to_ones(&mut self) {
        if !self.model.has_lvz() {
            return;
        }
        for number in 0..=DMW3 {
            let ones = self.write_mask(World::Guest, Via::Gcsr, number);
            let value = self.guest().raw(number) | ones;
            self.put_csr(World::Guest, number, value);
        }
        self.put(World::Guest, Estat(GUEST_ESTAT));
        self.configure_timer(World::Guest, Tcfg(Tcfg::FIELDS), 0);
        for number in [n::GINTC, n::GCNTC] {
            let ones = self.write_mask(World::Root, Via::Csr, number);
            self.put_csr(World::Root, number, ones);
        }
        let gstat = self.root().gstat().with_gid(self.gid_mask());
        self.put(World::Root, gstat);
    }

    fn gid_mask(&self) -> u64 {
        (1 << self.model.gidbits()) - 1
    }
}
