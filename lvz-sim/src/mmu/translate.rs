// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Translation of one address: stage 1 by the CSR file in force, stage 2 by
//! root's TLB entries in guest mode (Volume 1, 5.2 and 5.4.4; `docs/lvz.md`
//! chapter 6).

use super::access::{Access, Perms};
use super::tlb::{Kind, Tag};
use super::{PA_MASK, PAGE_MASK};
use crate::cpu::{Cpu, Reading, Step, Stop, Trap};
use crate::finding::Rule;
use crate::mem::Bus;
use crate::mem::ram::page_flag;
use crate::world::World;
use la_arch::Exception;
use la_arch::csr::{Dmw, TlbElo, number};

/// A translation, with what else the page would allow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mapping {
    /// Physical address.
    pub(crate) pa: u64,
    /// What stage 1 makes of the virtual address: a guest's physical address.
    pub(crate) guest: u64,
    /// What the page allows; of two stages what both allow.
    perms: Perms,
    /// TLB entries it comes from: stage 1 (or the host's), stage 2.
    entries: [Option<u16>; 2],
}

/// A look-up in the TLB.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lookup {
    /// Whose entries.
    pub(super) tag: Tag,
    /// Whose registers say how: sizes, tables, dirty check.
    pub(super) registers: World,
    pub(super) address: u64,
    pub(super) access: Access,
    pub(super) plv: u8,
}

/// What stage 1 makes of an address.
enum Place {
    /// A direct mapping.
    Direct(Mapping),
    /// The TLB has to be asked. `fetch_only`: loads and stores there use a window.
    Mapped { lookup: Lookup, fetch_only: bool },
    /// Not an address.
    Nowhere,
}

/// Why an address has no translation.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// No entry.
    Refill,
    /// The page of the entry forbids the access.
    Page(Exception, TlbElo),
    /// Not an address, or one that nothing answers at.
    Address,
}

pub(super) fn page_invalid(access: Access) -> Exception {
    match access {
        Access::Load => Exception::PIL,
        Access::Store => Exception::PIS,
        Access::Fetch => Exception::PIF,
    }
}

/// Permissions of a valid page at privilege level `plv`.
pub(super) fn permissions(page: TlbElo, plv: u8, dirty_unchecked: bool) -> Perms {
    let level = if page.rplv() {
        u64::from(plv) == page.plv()
    } else {
        u64::from(plv) <= page.plv()
    };
    if !(page.v() && level) {
        return Perms::empty();
    }
    let mut perms = Perms::empty();
    perms.set(Perms::READ, !page.nr());
    perms.set(Perms::WRITE, page.d() || dirty_unchecked);
    perms.set(Perms::FETCH, !page.nx());
    perms
}

/// The exception of an access that `permissions` refuse (5.4.4.1's order).
pub(super) fn refusal(page: TlbElo, plv: u8, access: Access) -> Exception {
    if !page.v() {
        page_invalid(access)
    } else if access == Access::Fetch && page.nx() {
        Exception::PNX
    } else if permissions(page.with_nr(false), plv, true).is_empty() {
        Exception::PPI
    } else if access == Access::Load && page.nr() {
        Exception::PNR
    } else {
        Exception::PME
    }
}

impl Cpu {
    /// Physical address of virtual address `va`.
    ///
    /// # Errors
    /// The exception is recorded: refill, page fault or address error, of the
    /// guest's stage or of root's.
    pub(crate) fn translate(&mut self, bus: &mut Bus, va: u64, access: Access) -> Step<Mapping> {
        let va = self.narrow(va);
        loop {
            let first = self.first_stage(bus, va, access)?;
            if !self.in_guest() {
                if self.watch.lookups && access != Access::Fetch && first.entries[0].is_some() {
                    let what = format!("mapped access of root to {va:#x} with TGID set");
                    self.lint(Rule::RootLookup, self.pc, &what);
                }
                return Ok(first);
            }
            let second = self.guest_physical(bus, first.pa, access)?;
            // A walk of stage 2 may have replaced the entry of stage 1.
            let replaced = first.entries[0].is_some_and(|index| {
                let entry = self.tlb.get(usize::from(index));
                entry.is_none_or(|entry| entry.kind != Kind::Stage1)
            });
            if !replaced {
                return Ok(Mapping {
                    pa: second.pa,
                    guest: first.pa,
                    perms: first.perms & second.perms,
                    entries: [first.entries[0], second.entries[0]],
                });
            }
        }
    }

    /// Stage 1, or root's only one.
    fn first_stage(&mut self, bus: &mut Bus, va: u64, access: Access) -> Step<Mapping> {
        match self.stage1(va, access) {
            Place::Direct(mapping) => Ok(mapping),
            Place::Mapped { lookup, fetch_only } => {
                let mut mapping = self.mapped(bus, &lookup)?;
                if fetch_only {
                    mapping.perms = Perms::FETCH;
                }
                Ok(mapping)
            }
            Place::Nowhere => {
                let exception = match access {
                    Access::Fetch => Exception::ADEF,
                    Access::Load | Access::Store => Exception::ADEM,
                };
                Err(self.raise_at(exception, va))
            }
        }
    }

    /// What the entries of stage 2 that are in force are tagged with.
    fn stage2_tag(&self) -> Tag {
        Tag {
            kind: Kind::Stage2,
            gid: self.root().gtlbc().tgid() as u8,
            asid: self.root().asid().asid() as u16,
            any_asid: self.any_asid(Kind::Stage2),
        }
    }

    /// What the TLB's entry of stage 2 says of guest physical address `gpa`, if there is one.
    pub(crate) fn stage2_page(&self, gpa: u64) -> Option<TlbElo> {
        let ps = self.root().stlbps().ps() as u8;
        let index = self.tlb.find(&self.stage2_tag(), gpa, ps)?;
        Some(self.tlb.get(index)?.page(gpa))
    }

    /// Physical address of guest physical address `gpa` (stage 2).
    pub(super) fn guest_physical(
        &mut self,
        bus: &mut Bus,
        gpa: u64,
        access: Access,
    ) -> Step<Mapping> {
        let tag = self.stage2_tag();
        // Root's background privilege level counts, not the guest's (M-5).
        let plv = self.root().crmd().plv() as u8;
        let lookup = Lookup {
            tag,
            registers: World::Root,
            address: gpa,
            access,
            plv,
        };
        self.mapped(bus, &lookup)
    }

    /// Whether a load or store at `va` would be more than an address error.
    pub(crate) fn is_data_address(&self, va: u64) -> bool {
        !matches!(self.stage1(self.narrow(va), Access::Load), Place::Nowhere)
    }

    /// Translation by the TLB, or by the tables if the hardware may walk them.
    fn mapped(&mut self, bus: &mut Bus, lookup: &Lookup) -> Step<Mapping> {
        match self.look_up(lookup) {
            Ok(mapping) => Ok(mapping),
            Err(fault) if self.walks(lookup, fault) => self.walk(bus, lookup),
            Err(fault) => Err(self.record(fault, lookup)),
        }
    }

    /// Records the exception of a look-up; in guest mode one of stage 2 is an exit.
    pub(super) fn record(&mut self, fault: Fault, lookup: &Lookup) -> Stop {
        let (exception, refill) = match fault {
            Fault::Refill => {
                self.tlb.counts.refills[lookup.tag.kind as usize] += 1;
                (page_invalid(lookup.access), true)
            }
            Fault::Page(exception, _) => (exception, false),
            Fault::Address if lookup.access == Access::Fetch => (Exception::ADEF, false),
            Fault::Address => (Exception::ADEM, false),
        };
        self.trap = Trap {
            exception,
            refill,
            badv: Some(lookup.address),
            to_root: lookup.tag.kind == Kind::Stage2,
            ..Trap::default()
        };
        Stop::Trap
    }

    fn stage1(&self, va: u64, access: Access) -> Place {
        let csr = self.csr();
        let plv = self.plv;
        let direct = Mapping {
            pa: va & PA_MASK,
            guest: va & PA_MASK,
            perms: Perms::all(),
            entries: [None; 2],
        };
        if csr.direct() {
            return Place::Direct(direct);
        }
        let window = |i| {
            let window = Dmw(csr.raw(number::DMW0 + i));
            window.plv() >> plv & 1 != 0 && window.vseg() == va >> 60
        };
        if window(0) || window(1) {
            return Place::Direct(direct);
        }
        // The last two windows are for loads and stores only (5.2.1).
        let data_window = window(2) || window(3);
        if data_window && access != Access::Fetch {
            return Place::Direct(Mapping {
                perms: Perms::READ | Perms::WRITE,
                ..direct
            });
        }
        // Bits 63:47 must be equal (VALEN is 48), in reduced mode up to eight
        // more (RVACFG, 7.5.11).
        let unused = 16 + csr.rvacfg().rbits().min(8);
        if (va as i64) << unused >> unused != va as i64 {
            return Place::Nowhere;
        }
        let (kind, gid) = match (self.world(), self.root_lookup_gid()) {
            (World::Guest, _) => (Kind::Stage1, self.root().gstat().gid() as u8),
            (World::Root, 0) => (Kind::Host, 0),
            (World::Root, gid) => (Kind::Stage2, gid),
        };
        let tag = Tag {
            kind,
            gid,
            asid: csr.asid().asid() as u16,
            any_asid: self.any_asid(kind),
        };
        Place::Mapped {
            lookup: Lookup {
                tag,
                registers: self.world(),
                address: va,
                access,
                plv,
            },
            fetch_only: data_window,
        }
    }

    /// GID whose stage-2 entries root's own mapped accesses use: 0, none,
    /// unless Q-5 is read otherwise.
    pub(super) fn root_lookup_gid(&self) -> u8 {
        match self.reads(Reading::RootLookup) {
            true => self.root_tlb_gid(),
            false => 0,
        }
    }

    pub(super) fn look_up(&self, lookup: &Lookup) -> Result<Mapping, Fault> {
        let (va, plv) = (lookup.address, lookup.plv);
        let csr = self.file(lookup.registers);
        let ps = csr.stlbps().ps() as u8;
        let index = self.tlb.find(&lookup.tag, va, ps).ok_or(Fault::Refill)?;
        let entry = self.tlb.get(index).ok_or(Fault::Refill)?;
        let page = entry.page(va);
        let perms = permissions(page, plv, self.dirty_unchecked(lookup));
        if !perms.contains(lookup.access.needs()) {
            return Err(Fault::Page(refusal(page, plv, lookup.access), page));
        }
        // Below the page size the PPN holds software's bits.
        let offset = (1u64 << entry.ps.min(47)) - 1;
        let pa = (page.ppn() << 12) & !offset | va & offset;
        Ok(Mapping {
            pa,
            guest: pa,
            perms,
            entries: [Some(index as u16), None],
        })
    }

    /// Whether stores need no D at the look-up's privilege level (MISC.DWPL).
    pub(super) fn dirty_unchecked(&self, lookup: &Lookup) -> bool {
        let dwpl = self.file(lookup.registers).misc().dwpl();
        dwpl >> lookup.plv & 1 != 0 && lookup.plv < 3
    }

    /// Puts a translation into the software TLB, if memory is behind it.
    pub(crate) fn remember(&mut self, bus: &Bus, va: u64, mapping: &Mapping) {
        let Some(offset) = bus.ram.offset(mapping.pa & !PAGE_MASK) else {
            return;
        };
        let mut perms = mapping.perms;
        let flags = bus.ram.flags(offset);
        if flags & page_flag::POISONED != 0 {
            return;
        }
        if flags != 0 {
            perms.remove(Perms::WRITE);
        }
        if self.watch.data || self.watch.lookups || !self.watched.is_empty() {
            // Each access is looked at.
            perms &= Perms::FETCH;
        }
        let slot = self.soft.fill(va, self.soft_context(), offset, perms);
        for index in mapping.entries.into_iter().flatten() {
            if let Some(entry) = self.tlb.get_mut(usize::from(index)) {
                entry.slots.add(slot, perms.contains(Perms::FETCH));
            }
        }
    }
}
