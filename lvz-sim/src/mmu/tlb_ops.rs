// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `tlbsrch`, `tlbrd`, `tlbwr`, `tlbfill`, `tlbclr`, `tlbflush` and their
//! `gtlb` forms (Volume 1, 4.2.5; `docs/lvz.md` 4.3 and 4.4).

use super::tlb::{Entry, Kind, STLB_SIZE, TLB_SIZE, Tag};
use crate::cpu::{Cpu, CsrFile, Reading};
use crate::world::World;
use la_arch::csr::{TlbEhi, TlbElo, TlbIdx, TlbrEhi, number as n};
use la_arch::lvz::Trgp;

/// Whose entries a TLB instruction acts on, and with whose registers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope {
    kind: Kind,
    gid: u8,
    registers: World,
}

impl Cpu {
    /// Scope of the plain instructions in the mode in force.
    pub(crate) fn tlb_scope(&self) -> Scope {
        if self.in_guest() {
            let gid = self.root().gstat().gid() as u8;
            return Scope {
                kind: Kind::Stage1,
                gid,
                registers: World::Guest,
            };
        }
        match self.root_tlb_gid() {
            0 => Scope {
                kind: Kind::Host,
                gid: 0,
                registers: World::Root,
            },
            gid => Scope {
                kind: Kind::Stage2,
                gid,
                registers: World::Root,
            },
        }
    }

    /// Scope of the `gtlb` instructions, which root executes.
    pub(crate) fn gtlb_scope(&self) -> Scope {
        Scope {
            kind: Kind::Stage1,
            gid: self.root_tlb_gid(),
            registers: World::Guest,
        }
    }

    fn registers(&self, scope: Scope) -> &CsrFile {
        self.file(scope.registers)
    }

    fn tag(&self, scope: Scope) -> Tag {
        let asid = self.registers(scope).asid().asid() as u16;
        Tag {
            kind: scope.kind,
            gid: scope.gid,
            asid,
            any_asid: self.any_asid(scope.kind),
        }
    }

    /// Whether entries of a kind are looked up whatever their ASID: those of
    /// stage 2, unless Q-4 is read otherwise.
    pub(super) fn any_asid(&self, kind: Kind) -> bool {
        kind == Kind::Stage2 && !self.reads(Reading::Stage2Asid)
    }

    /// Removes entry `index` and what was cached from it.
    pub(crate) fn drop_entry(&mut self, index: usize) {
        if let Some(entry) = self.tlb.get(index).filter(|e| e.e) {
            self.soft.drop_list(&entry.slots);
            self.tlb.put(index, Entry::default());
        }
    }

    /// Drops what was cached from entry `index`.
    fn forget(&mut self, index: usize) {
        if let Some(entry) = self.tlb.get_mut(index) {
            let slots = std::mem::take(&mut entry.slots);
            self.soft.drop_list(&slots);
        }
    }

    /// The entry at TLBIDX.Index, if the scope may see it (I-3: a guest must
    /// not see the host's).
    fn indexed(&self, scope: Scope) -> (usize, Option<&Entry>) {
        let index = TlbIdx(self.registers(scope).raw(n::TLBIDX)).index() as usize;
        // Plain root instructions see every entry of root's, of whichever GID.
        let visible = |e: &&Entry| {
            e.e && match scope.registers {
                World::Guest => e.kind == scope.kind && e.gid == scope.gid,
                World::Root => true,
            }
        };
        (index, self.tlb.get(index).filter(visible))
    }

    /// `tlbsrch`.
    pub(crate) fn tlb_search(&mut self, scope: Scope) {
        let csr = self.registers(scope);
        let vppn = if csr.tlbrera().istlbr() {
            TlbrEhi(csr.raw(n::TLBREHI)).vppn()
        } else {
            TlbEhi(csr.raw(n::TLBEHI)).vppn()
        };
        let ps = csr.stlbps().ps() as u8;
        let found = self.tlb.find(&self.tag(scope), vppn << 13, ps);
        let idx = TlbIdx(self.registers(scope).raw(n::TLBIDX));
        let idx = match found {
            Some(i) => idx.with_index(i as u64).with_ne(false),
            None => idx.with_ne(true),
        };
        self.put_csr(scope.registers, n::TLBIDX, idx.0);
    }

    /// `tlbrd`. In root TRGP says whose entry it was (`docs/lvz.md` 2.2).
    pub(crate) fn tlb_read(&mut self, scope: Scope) {
        let (_, entry) = self.indexed(scope);
        let entry = entry.cloned().unwrap_or_default();
        let csr = self.registers(scope);
        let idx = TlbIdx(csr.raw(n::TLBIDX))
            .with_ne(!entry.e)
            .with_ps(u64::from(entry.ps));
        let asid = csr.asid().with_asid(u64::from(entry.asid));
        for (number, value) in [
            (n::TLBIDX, idx.0),
            (n::TLBEHI, entry.vppn),
            (n::TLBELO0, entry.lo[0] & TlbElo::FIELDS),
            (n::TLBELO1, entry.lo[1] & TlbElo::FIELDS),
            (n::ASID, asid.0),
        ] {
            self.put_csr(scope.registers, number, value);
        }
        if !self.in_guest() && self.model.has_lvz() {
            let guest = entry.kind != Kind::Host;
            let gid = if guest { u64::from(entry.gid) } else { 0 };
            let trgp = Trgp(0).with_gtep(guest).with_trgid(gid);
            self.put_csr(World::Root, n::TRGP, trgp.0);
        }
    }

    /// The entry that the registers describe.
    fn described(&self, scope: Scope) -> Entry {
        let csr = self.registers(scope);
        let refill = csr.tlbrera().istlbr();
        let (vppn, ps, lo) = if refill {
            let ehi = TlbrEhi(csr.raw(n::TLBREHI));
            (
                ehi.vppn(),
                ehi.ps(),
                [csr.raw(n::TLBRELO0), csr.raw(n::TLBRELO1)],
            )
        } else {
            let ps = TlbIdx(csr.raw(n::TLBIDX)).ps();
            (
                TlbEhi(csr.raw(n::TLBEHI)).vppn(),
                ps,
                [csr.raw(n::TLBELO0), csr.raw(n::TLBELO1)],
            )
        };
        Entry::pair(&self.tag(scope), vppn << 13, ps as u8, lo)
    }

    /// `tlbwr`: writes the entry at TLBIDX.Index, or removes it if NE is set
    /// (and no refill is being handled).
    pub(crate) fn tlb_write(&mut self, scope: Scope) {
        let csr = self.registers(scope);
        let idx = TlbIdx(csr.raw(n::TLBIDX));
        let refill = csr.tlbrera().istlbr();
        let index = idx.index() as usize;
        if index >= TLB_SIZE {
            return;
        }
        if idx.ne() && !refill {
            if self.indexed(scope).1.is_some() {
                self.drop_entry(index);
            }
            return;
        }
        let entry = self.described(scope);
        if !self.model.has_page_size(u64::from(entry.ps)) {
            return;
        }
        self.look_at(&entry, scope, "tlbwr");
        let any_asid = self.any_asid(entry.kind);
        let mut places = self.places(&entry, scope.registers);
        while let Some(other) = places.find(|&i| self.is_rival(i, &entry, any_asid)) {
            self.forget(other);
        }
        self.replace(index, entry);
    }

    /// Lints an entry that is to be written.
    fn look_at(&mut self, entry: &Entry, scope: Scope, instruction: &str) {
        if self.trace.lint {
            let by_root = scope.registers == World::Guest && !self.in_guest();
            let prefix = if by_root { "g" } else { "" };
            self.lint_tlb_entry(&format!("{prefix}{instruction}"), entry.ps, entry.lo);
        }
    }

    /// `tlbfill`: the place is chosen by the hardware.
    pub(crate) fn tlb_fill(&mut self, scope: Scope) {
        let entry = self.described(scope);
        if self.model.has_page_size(u64::from(entry.ps)) {
            self.look_at(&entry, scope, "tlbfill");
            self.fill(entry, scope.registers);
        }
    }

    /// Puts an entry where the hardware chooses; `registers` have the page size of
    /// the STLB.
    pub(super) fn fill(&mut self, entry: Entry, registers: World) {
        let any_asid = self.any_asid(entry.kind);
        let tag = Tag {
            kind: entry.kind,
            gid: entry.gid,
            asid: entry.asid,
            any_asid,
        };
        let mut places = self.places(&entry, registers);
        while let Some(other) = places.find(|&i| self.is_rival(i, &entry, any_asid)) {
            // One for the same pair would make the look-up ambiguous.
            let same = self.tlb.get(other);
            match same.is_some_and(|old| old.belongs(&tag) && old.covers(entry.vppn)) {
                true => self.drop_entry(other),
                false => self.forget(other),
            }
        }
        let stlb_ps = self.file(registers).stlbps().ps() as u8;
        let index = self.tlb.victim(entry.vppn, entry.ps, stlb_ps);
        self.replace(index, entry);
    }

    /// Where entries for addresses of `entry` can be.
    fn places(&self, entry: &Entry, registers: World) -> impl Iterator<Item = usize> + use<> {
        let stlb_ps = self.file(registers).stlbps().ps() as u8;
        self.tlb.places(entry.vppn, entry.ps, stlb_ps)
    }

    /// Whether an address may be found by entry `index` or by `entry`: what was cached from
    /// the one must go when the other comes.
    fn is_rival(&self, index: usize, entry: &Entry, any_asid: bool) -> bool {
        let other = self.tlb.get(index);
        other.is_some_and(|other| other.rivals(entry, any_asid))
    }

    /// Puts an entry into a place whose rivals the caller has seen to.
    fn replace(&mut self, index: usize, entry: Entry) {
        self.drop_entry(index);
        self.tlb.counts.fills[entry.kind as usize] += 1;
        self.tlb.put(index, entry);
    }

    /// `tlbclr` (only non-global entries of the ASID) and `tlbflush` (all) in
    /// the STLB set or the MTLB that TLBIDX.Index points into.
    pub(crate) fn tlb_clear(&mut self, scope: Scope, all: bool) {
        let index = TlbIdx(self.registers(scope).raw(n::TLBIDX)).index() as usize;
        let tag = self.tag(scope);
        let doomed = self.tlb.matching(|e| {
            e.kind == tag.kind && e.gid == tag.gid && (all || !e.g && e.asid == tag.asid)
        });
        for i in doomed {
            let same_part = if index < STLB_SIZE {
                i < STLB_SIZE && i % super::tlb::STLB_SETS == index % super::tlb::STLB_SETS
            } else {
                i >= STLB_SIZE && index < TLB_SIZE
            };
            if same_part {
                self.drop_entry(i);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tlb::stlb_set;

    #[test]
    fn stlb_sets_are_chosen_by_the_bits_above_the_pair() {
        assert_eq!(stlb_set(0x8000, 14), 1);
        assert_eq!(stlb_set(0x7fff, 14), 0);
        assert_eq!(stlb_set(0x2000, 12), 1);
    }
}
