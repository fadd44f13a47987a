// SPDX-License-Identifier: GPL-2.0

//! The naive map, each operation done on it and on the tables.

use super::*;

#[derive(Clone, Debug)]
pub(super) enum Op {
    Map(Mapping, usize),
    Fast(u64, bool, bool),
    /// Fault-around: the fault's address, the slot's first page and pages, pages that the
    /// host has at hand (a bit each, by number), and whether the slot is logged.
    Around(u64, (u64, u64), u64, bool),
    Unmap(u64, u64, bool),
    Protect(u64, u64),
    ProtectMask(u64, u64),
    Age(u64, u64),
    Collapse(u64),
    /// Maps a whole table of contiguous pages, then one page apart or not.
    Fill(u64, bool),
    Touch(usize, u64),
}

/// Leaves by base address.
type Model = BTreeMap<u64, (u8, Pte)>;

fn model_at(model: &Model, g: &Geometry, gpa: u64) -> Option<(u64, u8, Pte)> {
    let (&base, &(level, pte)) = model.range(..=gpa).next_back()?;
    (gpa - base < g.size(level)).then_some((base, level, pte))
}

fn overlapping(model: &Model, g: &Geometry, start: u64, end: u64) -> Vec<u64> {
    let hits = |(&base, &(level, _)): (&u64, &(u8, Pte))| {
        (base < end && base + g.size(level) > start && start < end).then_some(base)
    };
    model.iter().filter_map(hits).collect()
}

fn model_split(model: &mut Model, g: &Geometry, base: u64) {
    let (_, pte) = model.remove(&base).unwrap();
    for n in 0..g.entries() as u64 {
        let offset = n * g.page_size();
        model.insert(base + offset, (0, pte.small().advanced(offset)));
    }
}

pub(super) struct World {
    memory: Memory,
    model: Model,
    stats: StatsDelta,
}

impl World {
    pub(super) fn new(geometry: Geometry, resched_flushes: bool) -> Self {
        let mut memory = Memory::new(geometry);
        memory.resched_flushes = resched_flushes;
        Self {
            memory,
            model: Model::new(),
            stats: StatsDelta::default(),
        }
    }

    /// Tears the tables down; nothing may be left.
    pub(super) fn finish(mut self) {
        let g = self.memory.geometry;
        let outcome = unmap_all(&mut self.memory, &g);
        self.model.clear();
        self.settle(outcome);
        self.check();
        self.memory.free_retired();
        assert_eq!(self.memory.tables.len(), 1, "tables leaked");
    }

    fn count(&mut self, delta: StatsDelta) {
        self.stats.pages += delta.pages;
        self.stats.hugepages += delta.hugepages;
    }

    fn settle(&mut self, outcome: Outcome) {
        self.count(outcome.stats);
        if !self.memory.retired.is_empty() {
            assert_eq!(
                outcome.flush,
                Flush::All,
                "tables retired, no flush asked for"
            );
        }
        self.memory.flush(outcome.flush);
    }

    fn map(&mut self, mapping: Mapping, cache: usize) {
        let g = self.memory.geometry;
        self.memory.cache = cache;
        match map(&mut self.memory, &g, &mapping) {
            Ok(mapped) => {
                if let Some((base, 1, _)) = model_at(&self.model, &g, mapping.gpa) {
                    if mapped.level == 0 {
                        model_split(&mut self.model, &g, base);
                    }
                }
                if mapped.level == 1 {
                    assert!(mapping.huge);
                    let base = g.base(mapping.gpa, 1);
                    let inside = overlapping(&self.model, &g, base, base + g.huge_size());
                    assert!(inside.is_empty() || inside == [base]);
                }
                let offset = mapping.gpa & (g.size(mapped.level) - 1) & !(g.page_size() - 1);
                let page = mapping.address & !(g.page_size() - 1);
                assert_eq!(mapped.pte.address() + offset, page);
                assert!(mapped.pte.is_young());
                assert_eq!(mapped.pte.is_huge(), mapped.level == 1);
                assert_eq!(mapped.pte.is_writable(), mapping.writable);
                assert_eq!(mapped.pte.is_dirty(), mapping.writable && mapping.dirty);
                let base = g.base(mapping.gpa, mapped.level);
                self.model.insert(base, (mapped.level, mapped.pte));
                self.count(mapped.stats);
                self.memory.flush(mapped.flush);
            }
            Err(MmuError::OutOfRange) => assert!(mapping.gpa >= g.limit()),
            Err(error) => {
                assert_eq!(error, MmuError::NoTable);
                assert!(cache < g.cache_min(), "the promised cache ran out");
            }
        }
    }

    fn protect(&mut self, bases: Vec<u64>) -> bool {
        let mut changed = false;
        for base in bases {
            let (_, pte) = self.model.get_mut(&base).unwrap();
            changed |= pte.is_dirty();
            *pte = pte.clean();
        }
        changed
    }

    pub(super) fn apply(&mut self, op: Op) {
        let g = self.memory.geometry;
        match op {
            Op::Map(mapping, cache) => self.map(mapping, cache),
            Op::Fast(gpa, write, log) => {
                let done = fault(&mut self.memory, &g, gpa, write, log, |_, _| None);
                let found = model_at(&self.model, &g, gpa);
                let slow = found.is_none_or(|(_, level, pte)| {
                    write && !pte.is_dirty() && (!pte.is_writable() || (level == 1 && log))
                });
                assert_eq!(done.is_none(), slow);
                if let (Some(done), Some((base, level, pte))) = (done, found) {
                    assert_eq!(done.dirtied, write && !pte.is_dirty());
                    assert_eq!(done.stats, StatsDelta::default());
                    let pte = if write { pte.dirty() } else { pte };
                    self.model.insert(base, (level, pte.young()));
                    self.memory.flush(done.flush);
                }
            }
            Op::Around(gpa, slot, at_hand, log) => self.around(gpa, slot, at_hand, log),
            Op::Unmap(start, end, free) => {
                let reclaim = if free { Reclaim::Tables } else { Reclaim::Keep };
                let outcome = unmap_range(&mut self.memory, &g, start, end, reclaim);
                let gone = overlapping(&self.model, &g, start, end);
                assert_eq!(outcome.changed, !gone.is_empty());
                for base in gone {
                    self.model.remove(&base);
                }
                self.settle(outcome);
            }
            Op::Protect(start, end) => {
                let outcome = write_protect_range(&mut self.memory, &g, start, end);
                let bases = overlapping(&self.model, &g, start, end);
                assert_eq!(outcome.changed, self.protect(bases));
                self.settle(outcome);
            }
            Op::ProtectMask(base, mask) => {
                let outcome = write_protect_mask(&mut self.memory, &g, base, mask);
                let mut bases = Vec::new();
                if mask != 0 {
                    let page = |bit: u32| base + (u64::from(bit) << g.page_shift());
                    let end = page(64 - mask.leading_zeros());
                    for hit in overlapping(&self.model, &g, page(mask.trailing_zeros()), end) {
                        let bit = hit.wrapping_sub(base) >> g.page_shift();
                        if self.model[&hit].0 == 1 || mask >> bit & 1 != 0 {
                            bases.push(hit);
                        }
                    }
                }
                assert_eq!(outcome.changed, self.protect(bases));
                self.settle(outcome);
            }
            Op::Age(start, end) => {
                let bases = overlapping(&self.model, &g, start, end);
                let young = bases.iter().any(|base| self.model[base].1.is_young());
                let found = test_age_range(&self.memory, &g, start, end, 1 << 20);
                assert_eq!(found, young);
                assert!(!test_age_range(&self.memory, &g, start, end, 0));
                let outcome = age_range(&mut self.memory, &g, start, end);
                assert_eq!((outcome.changed, outcome.flush), (young, Flush::None));
                for base in bases {
                    let (_, pte) = self.model.get_mut(&base).unwrap();
                    *pte = pte.old();
                }
            }
            Op::Collapse(gpa) => self.collapse(gpa),
            Op::Fill(gpa, apart) => {
                if gpa >= g.limit() {
                    return;
                }
                let base = g.base(gpa, 1);
                let mut mapping = Mapping {
                    gpa,
                    address: 4 * g.huge_size(),
                    memory_type: MemoryType::Coherent,
                    writable: true,
                    dirty: false,
                    huge: false,
                };
                for n in 0..g.entries() as u64 {
                    mapping.gpa = base + n * g.page_size();
                    mapping.address = 4 * g.huge_size() + n * g.page_size();
                    mapping.dirty = !(apart && n == 5);
                    self.map(mapping, g.cache_min());
                }
            }
            Op::Touch(vcpu, gpa) => self.memory.touch(vcpu, gpa),
        }
    }

    /// What is mapped beside a page is what lies next to it in a row: in the window and in
    /// the slot, mapped by nothing yet, and at hand.
    fn around(&mut self, gpa: u64, (before, after): (u64, u64), at_hand: u64, log: bool) {
        let g = self.memory.geometry;
        let page = g.page_size();
        let at = g.base(gpa, 0);
        if !matches!(model_at(&self.model, &g, gpa), Some((_, 0, _))) {
            return;
        }
        let start = at.saturating_sub(before * page);
        let end = at.saturating_add((after + 1) * page).min(g.limit());
        let slot = Slot {
            gpa: start,
            hva: 0,
            size: end - start,
        };
        let host = 8 * g.huge_size();
        let is_at_hand = |gpa: u64| at_hand >> (gpa >> g.page_shift() & 63) & 1 != 0;
        for (side, below) in sides(&g, &slot, gpa).into_iter().zip([false, true]) {
            assert_eq!(side.below, below);
            let step = |n: u64| {
                if below {
                    at.checked_sub(n * page)
                } else {
                    Some(at + n * page)
                }
            };
            let expected: Vec<u64> = (1..WINDOW as u64)
                .map_while(step)
                .take_while(|gpa| {
                    gpa / page / WINDOW as u64 == at / page / WINDOW as u64
                        && (start..end).contains(gpa)
                        && is_at_hand(*gpa)
                        && model_at(&self.model, &g, *gpa).is_none()
                })
                .collect();
            let entries: Vec<u64> = (1..=side.pages as u64)
                .filter_map(step)
                .map(|gpa| {
                    if is_at_hand(gpa) {
                        HostEntry::AT_HAND | Pte::DIRTY
                    } else {
                        0
                    }
                })
                .collect();
            let side = trim(&self.memory, &g, side, &entries);
            assert_eq!(side.pages, expected.len());
            let like = Mapping {
                gpa,
                address: 0,
                memory_type: MemoryType::Coherent,
                writable: true,
                dirty: !log,
                huge: false,
            };
            let first = side.first(&g);
            let addresses = (0..side.pages as u64).map(|n| host + first % host + n * page);
            let stats = map_side(&mut self.memory, &g, &side, &like, addresses);
            assert_eq!(stats.pages, expected.len() as i64);
            self.count(stats);
            for gpa in expected {
                let pte = lookup(&self.memory, &g, gpa).expect("what was mapped").pte;
                assert_eq!(pte.address(), host + gpa % host);
                assert!(pte.is_writable() && pte.is_dirty() != log);
                self.model.insert(gpa, (0, pte));
            }
        }
    }

    fn collapse(&mut self, gpa: u64) {
        let g = self.memory.geometry;
        let base = g.base(gpa, 1);
        let mut entries = Vec::new();
        for n in 0..g.entries() as u64 {
            if let Some(&(0, pte)) = self.model.get(&(base + n * g.page_size())) {
                entries.push(pte);
            }
        }
        let bits = Pte::MAT | Pte::WRITABLE;
        let fits = entries.len() == g.entries()
            && entries[0].address() % g.huge_size() == 0
            && entries.iter().enumerate().all(|(n, pte)| {
                pte.address() == entries[0].address() + n as u64 * g.page_size()
                    && (pte.0 ^ entries[0].0) & bits == 0
            });
        let mut flushed = false;
        let flush = |memory: &mut Memory| {
            assert_eq!(lookup(memory, &g, gpa), None);
            memory.flush(Flush::All);
            flushed = true;
        };
        let result = collapse(&mut self.memory, &g, gpa, flush);
        assert_eq!(flushed, result.is_ok());
        match result {
            Ok(outcome) => {
                assert!(fits);
                let leaf = lookup(&self.memory, &g, gpa).unwrap();
                assert_eq!((leaf.base, leaf.level), (base, 1));
                assert_eq!(leaf.pte.address(), entries[0].address());
                assert_eq!((leaf.pte.0 ^ entries[0].0) & bits, 0);
                let all = |f: fn(Pte) -> bool| entries.iter().all(|pte| f(*pte));
                assert_eq!(leaf.pte.is_dirty(), all(Pte::is_dirty));
                assert_eq!(!leaf.pte.is_young(), all(|pte| !pte.is_young()));
                self.model.retain(|at, _| g.base(*at, 1) != base);
                self.model.insert(base, (1, leaf.pte));
                self.settle(outcome);
            }
            Err(MmuError::OutOfRange) => assert!(gpa >= g.limit()),
            Err(error) => {
                assert_eq!(error, MmuError::NotHuge);
                assert!(!fits);
            }
        }
    }

    pub(super) fn check(&self) {
        let g = self.memory.geometry;
        for (&base, &(level, pte)) in &self.model {
            let expected = Some(Leaf { pte, level, base });
            assert_eq!(lookup(&self.memory, &g, base), expected);
            assert_eq!(lookup(&self.memory, &g, base + g.size(level) - 1), expected);
        }
        let count = |level| self.model.values().filter(|leaf| leaf.0 == level).count() as i64;
        let stats = (self.stats.pages, self.stats.hugepages);
        assert_eq!(stats, (count(0), count(1)));
        self.memory.check_tlbs();
    }
}
