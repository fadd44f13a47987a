// SPDX-License-Identifier: GPL-2.0

//! Stage-2 tables under any sequence of operations.

use super::bytes::Bytes;
use kvm_core::mmu::{
    age_range, collapse, fault, lookup, map, test_age_range, unmap_all, unmap_range,
    write_protect_mask, write_protect_range, Flush, Geometry, Link, Mapping, MemoryType, MmuError,
    Outcome, Place, Pte, Reclaim, Resched, StatsDelta, Tables, Unlinked,
};
use std::collections::BTreeMap;

const ROOT: u64 = 0x10_0000;

/// Tables in memory.
struct Memory {
    geometry: Geometry,
    tables: BTreeMap<u64, Vec<Pte>>,
    /// Unlinked, freed at the next flush of everything.
    retired: Vec<u64>,
    next: u64,
    cache: usize,
    flushes_at_resched: bool,
}

impl Memory {
    fn flush(&mut self, flush: Flush) {
        if flush == Flush::All {
            for table in self.retired.drain(..) {
                assert!(self.tables.remove(&table).is_some(), "freed twice");
            }
        }
        assert!(
            self.retired.is_empty(),
            "tables were retired without a flush"
        );
    }
}

impl Tables for Memory {
    type Table = u64;

    fn root(&self) -> u64 {
        ROOT
    }

    fn read(&self, place: Place<u64>) -> Pte {
        let table = place.table();
        assert!(!self.retired.contains(&table), "read of a retired table");
        self.tables[&table][place.index()]
    }

    fn write(&mut self, place: Place<u64>, pte: Pte) {
        let table = self.tables.get_mut(&place.table());
        table.expect("a table")[place.index()] = pte;
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
        assert!(table != ROOT && self.tables.contains_key(&table));
        self.retired.push(table);
    }

    fn address_of(&self, table: u64) -> u64 {
        table
    }

    fn table_at(&self, link: Link) -> u64 {
        let address = link.address();
        assert!(self.tables.contains_key(&address), "not a table's address");
        address
    }

    fn resched(&mut self, pending: Flush) -> Resched {
        if !self.flushes_at_resched || !pending.is_needed() {
            return Resched::Continue;
        }
        self.flush(pending);
        Resched::Flushed
    }
}

/// An address near the seams of tables, or any.
fn address(bytes: &mut Bytes<'_>, g: &Geometry) -> u64 {
    let kind = bytes.byte();
    let seam = match kind & 7 {
        0 => 0,
        1 => g.huge_size(),
        2 => g.size(g.root_level()),
        3 => g.limit(),
        4 => g.size(g.root_level()).wrapping_sub(g.huge_size()),
        5 => g.limit().wrapping_sub(g.huge_size()),
        6 => u64::MAX,
        _ => return bytes.long(),
    };
    let offset = bytes.below(0x1000) * g.page_size() / 2;
    match kind & 8 {
        0 => seam.wrapping_add(offset),
        _ => seam.wrapping_sub(offset),
    }
}

/// Operations on the tables of one VM.
pub fn stage2(data: &[u8]) {
    let mut bytes = Bytes(data);
    let invalid = 0x9000_0000_0123_0000;
    let empty = [0, invalid, invalid + 0x1_0000, invalid + 0x2_0000];
    let shift = [12, 14, 16][bytes.below(3) as usize];
    let Some(geometry) = Geometry::new(shift, 2 + bytes.byte() % 3, empty) else {
        return;
    };
    let g = &geometry;
    let mut memory = Memory {
        geometry,
        tables: BTreeMap::from([(ROOT, vec![g.empty(g.root_level()); g.entries()])]),
        retired: Vec::new(),
        next: ROOT,
        cache: 0,
        flushes_at_resched: bytes.flag(),
    };
    let mut stats = StatsDelta::default();
    // Long inputs add nothing but time: ranges are walked entry by entry.
    for _ in 0..200 {
        if !bytes.more() {
            break;
        }
        memory.cache = g.cache_min();
        let gpa = address(&mut bytes, g);
        let outcome = match bytes.byte() % 9 {
            0..=2 => map_page(&mut memory, g, gpa, &mut bytes, &mut stats),
            3 => {
                let (write, log) = (bytes.flag(), bytes.flag());
                let found = lookup(&memory, g, gpa);
                match fault(&mut memory, g, gpa, write, log, |_, _| None) {
                    Some(done) => {
                        let old = found.expect("a leaf").pte;
                        let new = lookup(&memory, g, gpa).expect("a leaf").pte;
                        assert!(new.is_young() && (!write || new.is_dirty()));
                        assert_eq!(done.dirtied, write && !old.is_dirty());
                        assert!(!done.dirtied || old.is_writable());
                        Outcome {
                            flush: done.flush,
                            ..Outcome::default()
                        }
                    }
                    None => Outcome::default(),
                }
            }
            4 => {
                let end = address(&mut bytes, g);
                let reclaim = if bytes.flag() {
                    Reclaim::Tables
                } else {
                    Reclaim::Keep
                };
                let outcome = unmap_range(&mut memory, g, gpa, end, reclaim);
                if gpa < end {
                    assert_eq!(lookup(&memory, g, gpa), None);
                }
                outcome
            }
            5 => {
                let end = address(&mut bytes, g);
                let outcome = write_protect_range(&mut memory, g, gpa, end);
                if gpa < end {
                    assert!(lookup(&memory, g, gpa).is_none_or(|leaf| !leaf.pte.is_dirty()));
                }
                outcome
            }
            6 => write_protect_mask(&mut memory, g, gpa & !(g.page_size() - 1), bytes.long()),
            7 => {
                let end = address(&mut bytes, g);
                let limit = bytes.below(1000) as usize;
                let young = test_age_range(&memory, g, gpa, end, limit);
                let outcome = age_range(&mut memory, g, gpa, end);
                assert!(outcome.changed || !young);
                assert!(!test_age_range(&memory, g, gpa, end, limit));
                outcome
            }
            _ => collapse(&mut memory, g, gpa, |_| ()).unwrap_or_default(),
        };
        count(&mut stats, outcome.stats);
        memory.flush(outcome.flush);
    }
    let outcome = unmap_all(&mut memory, g);
    count(&mut stats, outcome.stats);
    memory.flush(outcome.flush);
    assert_eq!(memory.tables.len(), 1, "tables leaked");
    assert_eq!(stats, StatsDelta::default(), "pages are miscounted");
}

fn count(stats: &mut StatsDelta, delta: StatsDelta) {
    stats.pages += delta.pages;
    stats.hugepages += delta.hugepages;
}

fn map_page(
    memory: &mut Memory,
    g: &Geometry,
    gpa: u64,
    bytes: &mut Bytes<'_>,
    stats: &mut StatsDelta,
) -> Outcome {
    let flags = bytes.byte();
    if flags & 16 != 0 {
        memory.cache = bytes.below(3) as usize;
    }
    let mapping = Mapping {
        gpa,
        address: bytes.long() & 0x0000_ffff_ffff_ffff,
        memory_type: match flags & 8 {
            0 => MemoryType::Coherent,
            _ => MemoryType::StronglyOrdered,
        },
        writable: flags & 1 != 0,
        dirty: flags & 2 != 0,
        huge: flags & 4 != 0,
    };
    match map(memory, g, &mapping) {
        Ok(mapped) => {
            assert!(gpa < g.limit());
            let leaf = lookup(memory, g, gpa).expect("what was mapped");
            assert_eq!((leaf.pte, leaf.level), (mapped.pte, mapped.level));
            assert!(mapping.writable || !mapped.pte.is_writable());
            count(stats, mapped.stats);
            memory.flush(mapped.flush);
        }
        Err(MmuError::OutOfRange) => assert!(gpa >= g.limit()),
        Err(error) => assert_eq!(error, MmuError::NoTable),
    }
    Outcome::default()
}
