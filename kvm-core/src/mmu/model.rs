// SPDX-License-Identifier: GPL-2.0

//! The tables against a naive map, under random sequences of operations, with
//! the TLBs of two vCPUs that hold on to whatever is not flushed.

use super::*;
use std::collections::BTreeMap;

mod cases;
mod sequences;
mod world;

/// Tables in memory. Reading a freed one panics.
struct Memory {
    geometry: Geometry,
    tables: BTreeMap<u64, Vec<Pte>>,
    next: u64,
    /// Tables that `allocate` may still give.
    cache: usize,
    retired: Vec<u64>,
    /// TLBs of two vCPUs: (base, level) to entry. The first is the caller.
    tlbs: [BTreeMap<(u64, u8), Pte>; 2],
    resched_flushes: bool,
    rescheds: usize,
}

const ROOT: u64 = 0x10_0000;

impl Memory {
    fn new(geometry: Geometry) -> Self {
        let root = vec![geometry.empty(geometry.root_level()); geometry.entries()];
        Self {
            geometry,
            tables: BTreeMap::from([(ROOT, root)]),
            next: ROOT,
            cache: 0,
            retired: Vec::new(),
            tlbs: Default::default(),
            resched_flushes: false,
            rescheds: 0,
        }
    }

    fn flush(&mut self, flush: Flush) {
        match flush {
            Flush::None => {}
            Flush::Gpa(gpa) => {
                let g = self.geometry;
                self.tlbs[0].retain(|(base, level), _| {
                    // An entry holds a pair of pages; a huge page is its own pair.
                    let size = g.size(*level) << u32::from(*level == 0);
                    gpa & !(size - 1) != base & !(size - 1)
                });
            }
            Flush::Vcpu => self.tlbs[0].clear(),
            Flush::All => {
                self.tlbs = Default::default();
                self.free_retired();
            }
        }
    }

    fn free_retired(&mut self) {
        for table in self.retired.drain(..) {
            self.tables.remove(&table).expect("freed twice");
        }
    }

    /// Refills the TLB of `vcpu` for `gpa`, unless an entry is there.
    fn touch(&mut self, vcpu: usize, gpa: u64) {
        let g = self.geometry;
        if (0..2).any(|level| self.tlbs[vcpu].contains_key(&(g.base(gpa, level), level))) {
            return;
        }
        if let Some(leaf) = lookup(self, &g, gpa) {
            if leaf.pte.is_young() {
                self.tlbs[vcpu].insert((leaf.base, leaf.level), leaf.pte);
            }
        }
    }

    /// No TLB leads where the tables do not, or allows what they forbid.
    fn check_tlbs(&self) {
        let g = self.geometry;
        for (&(base, level), cached) in self.tlbs.iter().flatten() {
            let last = g.size(level) - g.page_size();
            for offset in [0, g.page_size().min(last), last] {
                let gpa = base + offset;
                let leaf = lookup(self, &g, gpa).expect("a TLB entry of an unmapped page");
                let address = leaf.pte.address() + (gpa - leaf.base);
                assert_eq!(cached.address() + offset, address, "{gpa:#x}");
                assert!(!cached.is_dirty() || leaf.pte.is_dirty(), "{gpa:#x}");
            }
        }
    }
}

impl Tables for Memory {
    type Table = u64;

    fn root(&self) -> u64 {
        ROOT
    }

    fn read(&self, place: Place<u64>) -> Pte {
        let (table, index) = (place.table(), place.index());
        assert!(!self.retired.contains(&table), "read of a retired table");
        self.tables[&table][index]
    }

    fn write(&mut self, place: Place<u64>, pte: Pte) {
        let table = self.tables.get_mut(&place.table());
        table.expect("a freed table")[place.index()] = pte;
    }

    fn allocate(&mut self, entry: impl FnMut(usize) -> Pte) -> Option<u64> {
        self.cache = self.cache.checked_sub(1)?;
        self.next += self.geometry.page_size();
        let entries = (0..self.geometry.entries()).map(entry).collect();
        self.tables.insert(self.next, entries);
        Some(self.next)
    }

    fn retire(&mut self, table: Unlinked<u64>) {
        let table = table.into_table();
        assert_ne!(table, ROOT);
        self.retired.push(table);
    }

    fn address_of(&self, table: u64) -> u64 {
        table
    }

    fn table_at(&self, link: Link) -> u64 {
        link.address()
    }

    fn resched(&mut self, pending: Flush) -> Resched {
        self.rescheds += 1;
        if !self.resched_flushes || !pending.is_needed() {
            return Resched::Continue;
        }
        self.flush(pending);
        Resched::Flushed
    }
}
