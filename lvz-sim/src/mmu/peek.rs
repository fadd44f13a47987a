// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Translation for a debugger: without exceptions, permissions and effects. Where the TLB has
//! no entry the page tables are walked, as `lddir` and `ldpte` would (Volume 1, 4.2.6).

use super::tlb::{Kind, Tag};
use super::walk::{index, index_field};
use super::{PA_MASK, PAGE_MASK};
use crate::cpu::Cpu;
use crate::mem::Bus;
use crate::world::World;
use la_arch::csr::{Dmw, TlbElo, number as n};
use la_arch::page_table::HUGE;

/// Levels of directories, the highest first.
const LEVELS: [u32; 4] = [4, 3, 2, 1];

impl Cpu {
    /// The physical address of virtual address `va` in the mode `world`, whatever the mode in
    /// force is. A guest's goes through both stages.
    pub(crate) fn peek(&self, bus: &Bus, world: World, va: u64) -> Option<u64> {
        let first = self.peek_stage1(bus, world, va)?;
        match world {
            World::Root => Some(first),
            World::Guest => self.peek_stage2(bus, first),
        }
    }

    /// What stage 1 makes of `va`: for the guest its physical address.
    pub(crate) fn peek_stage1(&self, bus: &Bus, world: World, va: u64) -> Option<u64> {
        let csr = self.file(world);
        if csr.direct() {
            return Some(va & PA_MASK);
        }
        // A debugger sees what any privilege level sees.
        let in_window = (0..4).any(|i| {
            let window = Dmw(csr.raw(n::DMW0 + i));
            window.plv() != 0 && window.vseg() == va >> 60
        });
        if in_window {
            return Some(va & PA_MASK);
        }
        if (va as i64) << 16 >> 16 != va as i64 {
            return None;
        }
        let (kind, gid) = match world {
            World::Root => (Kind::Host, 0),
            World::Guest => (Kind::Stage1, self.root().gstat().gid() as u8),
        };
        let table = self.directory(world, va);
        match self.peek_tlb(world, kind, gid, va) {
            Some((found, ps)) => page(found, ps, va),
            None => self.peek_tables(bus, world, table, va),
        }
    }

    /// The physical address of the physical address `gpa` of the guest whose GID root has set.
    /// Its page tables are known while the guest runs or is about to: then root's are.
    pub(crate) fn peek_stage2(&self, bus: &Bus, gpa: u64) -> Option<u64> {
        let (gstat, gtlbc) = (self.root().gstat(), self.root().gtlbc());
        let gid = match self.in_guest() {
            true => gtlbc.tgid(),
            false => gstat.gid(),
        };
        if let Some((found, ps)) = self.peek_tlb(World::Root, Kind::Stage2, gid as u8, gpa) {
            return page(found, ps, gpa);
        }
        if !self.in_guest() && !gstat.pgm() {
            return None;
        }
        let table = self.root().raw(n::PGDL);
        self.peek_tables(bus, World::Root, table, gpa)
    }

    /// The page of `va` and its size, if the TLB has an entry.
    fn peek_tlb(&self, world: World, kind: Kind, gid: u8, va: u64) -> Option<(TlbElo, u64)> {
        let csr = self.file(world);
        let tag = Tag {
            kind,
            gid,
            asid: csr.asid().asid() as u16,
            any_asid: self.any_asid(kind),
        };
        let index = self.tlb.find(&tag, va, csr.stlbps().ps() as u8)?;
        let entry = self.tlb.get(index)?;
        Some((entry.page(va), entry.ps.into()))
    }

    /// What the page tables of `world` at `table` say.
    fn peek_tables(&self, bus: &Bus, world: World, table: u64, va: u64) -> Option<u64> {
        let csr = self.file(world);
        let read = |table: u64, field: (u64, u64)| {
            let at = (table & PA_MASK & !PAGE_MASK | index(va, field) << 3) & PA_MASK;
            let pa = match world {
                World::Root => at,
                World::Guest => self.peek_stage2(bus, at)?,
            };
            Some(bus.ram.read::<u64>(bus.ram.offset(pa)?))
        };
        let mut table = table;
        for level in LEVELS {
            let field = index_field(csr, level);
            if field.1 == 0 {
                continue;
            }
            table = read(table, field)?;
            if table & HUGE != 0 {
                return page(TlbElo(table), field.0, va);
            }
            if table & PA_MASK & !PAGE_MASK == 0 {
                return None;
            }
        }
        let field = index_field(csr, 0);
        page(TlbElo(read(table, field)?), field.0, va)
    }
}

/// Where in a valid page of `1 << ps` bytes `va` is.
fn page(page: TlbElo, ps: u64, va: u64) -> Option<u64> {
    let offset = (1u64 << ps.min(47)) - 1;
    page.v()
        .then_some((page.ppn() << 12) & !offset | va & offset)
}
