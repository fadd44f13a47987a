// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `csrrd`, `csrwr`, `csrxchg` and their `gcsr` forms: which registers exist,
//! what of them can be written and what a write does (Volume 1, chapter 7;
//! `docs/lvz.md` chapter 3).

use super::{Cpu, Reading};
use crate::mem::Bus;
use crate::mmu::PA_MASK;
use la_arch::csr::{Asid, Crmd, Ecfg, Estat, Pwch, Pwcl, StlbPs, Tcfg, TlbrEra, number as n};
use la_arch::lvz::{Gcfg, Gstat, Gtlbc};

/// What a CSR access in guest mode does (`docs/lvz.md` 3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CsrClass {
    /// Reads or writes the guest's register.
    Direct,
    /// Raises GSPR in root.
    Sensitive,
}

/// Everything but bits 11:0, for page-aligned addresses.
const PAGE_ALIGNED: u64 = !0xfff;
/// TLBELO and TLBRELO: V D PLV MAT G, PPN at 47:12, NR NX RPLV.
const ELO: u64 = 0xe000_ffff_ffff_f07f;
/// VPPN, address bits 47:13.
const VPPN: u64 = 0x0000_ffff_ffff_e000;
/// Interrupt status that can be latched in a guest's ESTAT: all but the lines
/// HWI0 to HWI7, which come from GINTC.
const GUEST_LATCHED_IS: u64 = 0x7c03;

impl Cpu {
    /// The class of register `number` for guest accesses: the safe rule G-10,
    /// everything that is not known to be a guest register is sensitive, unless
    /// are read otherwise.
    pub fn guest_csr_class(&self, number: u16) -> CsrClass {
        let tlb = matches!(number, 0x10..=0x13 | 0x18..=0x1e | 0x88..=0x8f);
        if tlb && self.root.gtlbc().toti() {
            return CsrClass::Sensitive;
        }
        if matches!(number, 0x40..=0x44) && self.root.gcfg().toti() {
            return CsrClass::Sensitive;
        }
        match number {
            0x0..=0x8
            | 0xc
            | 0x10..=0x13
            | 0x18..=0x23
            | 0x30..=0x37
            | 0x40..=0x44
            | 0x60
            | 0x88..=0x8f
            | 0x180..=0x183 => CsrClass::Direct,
            _ => self.doubtful_csr_class(number),
        }
    }

    /// The class of a register that is not known to be a guest's own.
    #[cold]
    fn doubtful_csr_class(&self, number: u16) -> CsrClass {
        let direct = match number {
            // Known to exit (`docs/lvz.md` 3.3); counters are never lent.
            0x15 | 0x16 | 0x50..=0x53 | 0x80 | 0x81 | 0x90..=0x95 | 0x98 => false,
            0xc0..=0xff | 0x100..=0x109 | 0x200..=0x207 | 0x500..=0x502 => false,
            0x38..=0x3f if self.reads(Reading::Save8) => true,
            0x300..=0x3ff => self.reads(Reading::WatchCsr),
            // TOHU decides where it is offered.
            _ if self.root.gcfg().tohup() => !self.root.gcfg().tohu(),
            _ => self.reads(Reading::UndefinedCsr),
        };
        match direct {
            true => CsrClass::Direct,
            false => CsrClass::Sensitive,
        }
    }

    /// Reads register `number` of the root or guest file as software sees it;
    /// registers that do not exist read zero.
    pub fn csr_read(&self, bus: &Bus, guest: bool, number: u16) -> u64 {
        let csr = if guest { &self.guest } else { &self.root };
        match number {
            // Only gcsrrd reads the guest's file in root mode.
            n::ESTAT if guest && !self.vm && self.reads(Reading::GcsrEstat) => csr.estat().0,
            n::ESTAT => csr.estat().with_is(self.estat_is(guest)).0,
            n::PGD => {
                let refill = csr.tlbrera().istlbr();
                let bad = csr.raw(if refill { n::TLBRBADV } else { n::BADV });
                // The top bit chooses: a guest physical address never
                // has bit 63, so that root's walker uses PGDL for guests.
                let top = if self.reads(Reading::PgdBit) { 47 } else { 63 };
                let high = bad >> top & 1 != 0;
                csr.raw(if high { n::PGDH } else { n::PGDL })
            }
            n::TVAL => self.timer_value(guest),
            n::TICLR => 0,
            // Above VALEN they repeat the top bit of VPPN (7.5.2, 7.5.17).
            n::TLBEHI | n::TLBREHI => ((csr.raw(number) << 16) as i64 >> 16) as u64,
            // 32-bit registers read sign-extended (7.2.2); the others of that
            // size have no bit 31.
            n::BADI | n::TLBIDX | n::PWCL | n::TID => csr.raw(number) as i32 as u64,
            n::LLBCTL => self.llbctl(bus, guest),
            n::GSTAT if !guest && self.model.has_lvz() => csr.gstat().with_vm(self.vm).0,
            _ => csr.raw(number),
        }
    }

    /// Writes register `number` of the root or guest file. `by_root` is a
    /// write with `gcsrwr`, which also reaches fields that the guest itself
    /// cannot write (`docs/lvz.md` G-1).
    pub fn csr_write(
        &mut self,
        bus: &mut Bus,
        guest: bool,
        number: u16,
        value: u64,
        by_root: bool,
    ) {
        let csr = if guest {
            &mut self.guest
        } else {
            &mut self.root
        };
        let old = csr.raw(number);
        match number {
            n::ESTAT => {
                let mask = if by_root {
                    GUEST_LATCHED_IS | 0x7fff_0000
                } else {
                    0x3
                };
                csr.put(Estat(old & !mask | value & mask));
            }
            n::TCFG => {
                let cfg = Tcfg(value & Tcfg::FIELDS);
                csr.put(cfg);
                let tick = self.tick_of_load(bus);
                self.timer_configured(guest, cfg, tick);
            }
            n::TVAL if by_root => self.set_timer_value(bus, guest, value),
            n::TICLR => {
                if value & 1 != 0 {
                    self.clear_timer(guest);
                }
            }
            n::LLBCTL => self.set_llbctl(bus, guest, value),
            n::STLBPS => {
                let ps = StlbPs(value).ps();
                if self.model.has_page_size(ps) {
                    csr.put(StlbPs(0).with_ps(ps));
                }
            }
            n::GTLBC | n::GSTAT | n::GCFG if !guest => self.write_lvz(number, old, value),
            _ => {
                let mask = self.write_mask(guest, number, by_root);
                let csr = if guest {
                    &mut self.guest
                } else {
                    &mut self.root
                };
                csr.set_raw(number, old & !mask | value & mask);
            }
        }
        match number {
            // Interrupts go off and on much more often than modes change.
            n::CRMD if (old ^ value) & Crmd::FIELDS & !Crmd(0).with_ie(true).0 == 0 => {
                self.attention = true;
            }
            n::DMW0..=0x183 | n::MISC | n::RVACFG => {
                self.windows_changed(guest);
                self.mode_changed();
            }
            n::CRMD | n::EUEN | n::ASID | n::GTLBC | n::GSTAT => self.mode_changed(),
            n::ECFG | n::ESTAT | n::GINTC => self.attention = true,
            _ => {}
        }
    }

    /// Writable bits of registers without special rules.
    fn write_mask(&self, guest: bool, number: u16, by_root: bool) -> u64 {
        let lvz = self.model.has_lvz() && !guest;
        match number {
            n::CRMD => Crmd::FIELDS,
            n::PRMD => 0xf,
            n::EUEN => self.model.euen_mask(),
            // Bits 0, 4 and 8 are reserved.
            n::MISC => 0x7_feee,
            n::ECFG => Ecfg::FIELDS,
            n::ERA | n::BADV | n::TLBRBADV | n::TLBRSAVE | n::MERRERA | n::MERRSAVE => u64::MAX,
            n::BADI if by_root => 0xffff_ffff,
            n::CPUID if by_root => 0x1ff,
            n::EENTRY | n::PGDL | n::PGDH => PAGE_ALIGNED,
            // Physical addresses.
            n::TLBRENTRY | n::MERRENTRY => PAGE_ALIGNED & PA_MASK,
            n::TLBIDX => 0xbf00_0fff,
            n::TLBEHI => VPPN,
            n::TLBELO0 | n::TLBELO1 | n::TLBRELO0 | n::TLBRELO1 => ELO,
            n::ASID => Asid(0).with_asid(0x3ff).0,
            n::PWCL => Pwcl::FIELDS,
            n::PWCH => Pwch::FIELDS & !Pwch(0).with_hptw_en(true).0,
            n::RVACFG => 0xf,
            0x30..=0x37 => u64::MAX,
            0x38..=0x3f if self.reads(Reading::Save8) => u64::MAX,
            n::TID => 0xffff_ffff,
            n::CNTC | n::DERA | n::DSAVE => u64::MAX,
            n::TLBRERA => TlbrEra::FIELDS,
            n::TLBREHI => VPPN | 0x3f,
            n::TLBRPRMD => 0x17 | u64::from(lvz) << 3,
            n::MERRCTL => 0x1dd | u64::from(lvz) << 5,
            n::CTAG | n::IMPCTL1 | n::IMPCTL2 => u64::MAX,
            n::DMW0..=0x183 => 0xf000_0000_0000_003f,
            n::TRGP => 0,
            n::GINTC if lvz => 0xff_ffff,
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
                self.root.put(Gtlbc(new));
            }
            n::GSTAT => {
                let value = Gstat(value);
                let gid = value.gid() & self.gid_mask();
                self.root
                    .put(Gstat(old).with_pgm(value.pgm()).with_gid(gid));
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
                self.root.put(new);
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
        for number in 0..=n::DMW0 + 3 {
            let ones = self.write_mask(true, number, true);
            let kept = self.guest.raw(number) & !ones;
            self.guest.set_raw(number, kept | ones);
        }
        self.guest.put(Estat(GUEST_LATCHED_IS | 0x7fff_0000));
        let tcfg = Tcfg(Tcfg::FIELDS);
        self.guest.put(tcfg);
        self.timer_configured(true, tcfg, 0);
        for number in [n::GINTC, n::GCNTC] {
            let ones = self.write_mask(false, number, true);
            self.root.set_raw(number, ones);
        }
        let gstat = self.root.gstat().with_gid(self.gid_mask());
        self.root.put(gstat);
        self.windows_changed(true);
    }

    fn gid_mask(&self) -> u64 {
        (1 << self.model.gidbits()) - 1
    }
}
