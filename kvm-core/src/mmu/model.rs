//! The tables against a naive map, under random sequences of operations, with
//! the TLBs of two vCPUs that hold on to whatever is not flushed.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

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

    fn read(&self, table: u64, index: usize) -> Pte {
        assert!(!self.retired.contains(&table), "read of a retired table");
        self.tables[&table][index]
    }

    fn write(&mut self, table: u64, index: usize, pte: Pte) {
        self.tables.get_mut(&table).expect("a freed table")[index] = pte;
    }

    fn allocate(&mut self) -> Option<u64> {
        self.cache = self.cache.checked_sub(1)?;
        self.next += self.geometry.page_size();
        // What the cache gives is not cleared.
        let garbage = vec![Pte(u64::MAX); self.geometry.entries()];
        self.tables.insert(self.next, garbage);
        Some(self.next)
    }

    fn retire(&mut self, table: u64) {
        assert_ne!(table, ROOT);
        self.retired.push(table);
    }

    fn address_of(&self, table: u64) -> u64 {
        table
    }

    fn table_at(&self, address: u64) -> u64 {
        address
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

#[derive(Clone, Debug)]
enum Op {
    Map(Mapping, usize),
    Fast(u64, bool, bool),
    Unmap(u64, u64, bool),
    Protect(u64, u64),
    ProtectMask(u64, u64),
    Age(u64, u64),
    Split(u64, usize),
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

struct World {
    memory: Memory,
    model: Model,
    stats: StatsDelta,
}

impl World {
    fn settle(&mut self, outcome: Outcome) {
        self.stats.add(outcome.stats);
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
                self.stats.add(mapped.stats);
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

    fn apply(&mut self, op: Op) {
        let g = self.memory.geometry;
        match op {
            Op::Map(mapping, cache) => self.map(mapping, cache),
            Op::Fast(gpa, write, log) => {
                let fault = fault_fast(&mut self.memory, &g, gpa, write, log);
                let found = model_at(&self.model, &g, gpa);
                let slow = found.is_none_or(|(_, level, pte)| {
                    write && !pte.is_dirty() && (!pte.is_writable() || (level == 1 && log))
                });
                assert_eq!(fault == FastFault::Slow, slow);
                if let (FastFault::Done { dirtied, flush }, Some((base, level, pte))) =
                    (fault, found)
                {
                    assert_eq!(dirtied, write && !pte.is_dirty());
                    let pte = if write { pte.dirty() } else { pte };
                    self.model.insert(base, (level, pte.young()));
                    self.memory.flush(flush);
                }
            }
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
            Op::Split(gpa, cache) => {
                self.memory.cache = cache;
                let found = model_at(&self.model, &g, gpa);
                match (split(&mut self.memory, &g, gpa), found) {
                    (Ok(outcome), Some((base, 1, _))) => {
                        model_split(&mut self.model, &g, base);
                        self.settle(outcome);
                    }
                    (Err(MmuError::NoTable), Some((_, 1, _))) => assert_eq!(cache, 0),
                    (Err(MmuError::OutOfRange), _) => assert!(gpa >= g.limit()),
                    (result, found) => {
                        assert_eq!(result, Err(MmuError::NotHuge));
                        assert!(found.is_none_or(|(_, level, _)| level == 0));
                    }
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
        match collapse(&mut self.memory, &g, gpa) {
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

    fn check(&self) {
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

/// Addresses around the seams of the tables.
fn gpa(g: Geometry) -> impl Strategy<Value = u64> {
    let huge = g.huge_size();
    let top = g.size(g.root_level());
    let seams = vec![
        0,
        huge,
        2 * huge,
        top - huge,
        top,
        g.limit() - huge,
        g.limit(),
    ];
    (prop::sample::select(seams), 0u64..6, any::<bool>()).prop_map(move |(seam, pages, below)| {
        let offset = pages * g.page_size();
        if below {
            seam.saturating_sub(offset)
        } else {
            seam + offset + 8
        }
    })
}

fn op(g: Geometry) -> impl Strategy<Value = Op> {
    let mapping = (gpa(g), 0u64..3, any::<(bool, bool, bool, bool)>()).prop_map(
        move |(gpa, host, (writable, dirty, huge, aligned))| Mapping {
            gpa,
            // Mostly congruent, so that huge pages come about.
            address: (1 + host) * g.huge_size()
                + gpa % g.huge_size()
                + if aligned || huge { 0 } else { g.page_size() },
            memory_type: if host == 2 {
                MemoryType::StronglyOrdered
            } else {
                MemoryType::Coherent
            },
            writable,
            dirty,
            huge,
        },
    );
    let page = g.page_size();
    let range = move || {
        (gpa(g), gpa(g)).prop_map(move |(a, b)| (a.min(b) & !(page - 1), a.max(b) & !(page - 1)))
    };
    let min = g.cache_min();
    prop_oneof![
        6 => (mapping, prop::sample::select(vec![min, min, min, 1, 0]))
            .prop_map(|(mapping, cache)| Op::Map(mapping, cache)),
        4 => (gpa(g), any::<bool>(), any::<bool>()).prop_map(|(a, w, l)| Op::Fast(a, w, l)),
        2 => (range(), any::<bool>()).prop_map(|((a, b), free)| Op::Unmap(a, b, free)),
        1 => range().prop_map(|(a, b)| Op::Protect(a, b)),
        2 => (gpa(g), any::<u64>()).prop_map(move |(a, m)| Op::ProtectMask(a & !(page - 1), m & m >> 7)),
        2 => range().prop_map(|(a, b)| Op::Age(a, b)),
        2 => (gpa(g), 0usize..2).prop_map(|(a, c)| Op::Split(a, c)),
        2 => gpa(g).prop_map(Op::Collapse),
        1 => (gpa(g), any::<bool>()).prop_map(|(a, b)| Op::Fill(a, b)),
        4 => (0usize..2, gpa(g)).prop_map(|(v, a)| Op::Touch(v, a)),
    ]
}

fn geometry(shift: u8, levels: u8) -> Geometry {
    // Kernel addresses, as the invalid tables have.
    let invalid = 0x9000_0000_0123_0000;
    Geometry::new(
        shift,
        levels,
        [0, invalid, invalid + 0x1_0000, invalid + 0x2_0000],
    )
    .unwrap()
}

fn run(g: Geometry, ops: Vec<Op>, resched_flushes: bool) {
    let mut world = World {
        memory: Memory::new(g),
        model: Model::new(),
        stats: StatsDelta::default(),
    };
    world.memory.resched_flushes = resched_flushes;
    for op in ops {
        world.apply(op);
        world.check();
    }
    let outcome = unmap_all(&mut world.memory, &g);
    world.model.clear();
    world.settle(outcome);
    world.check();
    world.memory.free_retired();
    assert_eq!(world.memory.tables.len(), 1, "tables leaked");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn tables_equal_a_map(
        (g, ops) in prop::sample::select(vec![(12, 3), (12, 4), (14, 3), (16, 2)])
            .prop_flat_map(|(shift, levels)| {
                let g = geometry(shift, levels);
                (Just(g), prop::collection::vec(op(g), 1..40))
            }),
        resched_flushes in any::<bool>(),
    ) {
        run(g, ops, resched_flushes);
    }
}

fn page(gpa: u64) -> Mapping {
    Mapping {
        gpa,
        address: 0x4000_0000 + gpa,
        memory_type: MemoryType::Coherent,
        writable: true,
        dirty: true,
        huge: false,
    }
}

#[test]
fn entries_have_the_bits_that_the_refill_handler_expects() {
    let g = geometry(14, 3);
    let mut memory = Memory::new(g);
    memory.cache = 2;
    let mapped = map(&mut memory, &g, &page(0x8123)).unwrap();
    // V, D, MAT=CC, PRESENT, WRITE, MODIFIED; PLV 0, no G.
    assert_eq!(mapped.pte, Pte(0x4000_8000 | 0x393));
    assert_eq!(mapped.flush, Flush::Gpa(0x8123));
    let mapping = Mapping {
        huge: true,
        dirty: false,
        memory_type: MemoryType::WeaklyOrdered,
        ..page(g.huge_size() + 0x4000)
    };
    let mapped = map(&mut memory, &g, &mapping).unwrap();
    assert_eq!(mapped.pte, Pte((0x4000_0000 + g.huge_size()) | 0x2e1));
    assert_eq!((mapped.level, mapped.flush), (1, Flush::Vcpu));
}

#[test]
fn a_huge_page_of_another_alignment_becomes_a_page() {
    let g = geometry(14, 3);
    let mut memory = Memory::new(g);
    memory.cache = 2;
    let mapping = Mapping {
        address: 0x4000_4000,
        huge: true,
        ..page(0)
    };
    assert_eq!(map(&mut memory, &g, &mapping).unwrap().level, 0);
}

#[test]
fn freeing_empty_tables_asks_for_a_flush() {
    let g = geometry(14, 3);
    let mut memory = Memory::new(g);
    memory.cache = 2;
    map(&mut memory, &g, &page(0)).unwrap();
    let outcome = unmap_range(&mut memory, &g, 0, g.limit(), Reclaim::Keep);
    assert_eq!((outcome.stats.pages, outcome.flush), (-1, Flush::All));
    assert!(memory.retired.is_empty());
    // Nothing is mapped any more, but a refill may still be in the tables.
    let outcome = unmap_all(&mut memory, &g);
    assert_eq!((outcome.changed, outcome.flush), (false, Flush::All));
    assert_eq!(memory.retired.len(), 2);
    assert_eq!(unmap_all(&mut memory, &g), Outcome::default());
}

#[test]
fn long_ranges_offer_to_reschedule() {
    let g = geometry(12, 3);
    let mut memory = Memory::new(g);
    for n in 0..20 {
        memory.cache = 2;
        map(&mut memory, &g, &page(n * g.huge_size())).unwrap();
    }
    let outcome = write_protect_range(&mut memory, &g, 0, g.limit());
    assert!(outcome.changed);
    assert!(memory.rescheds >= 20, "{}", memory.rescheds);
    memory.rescheds = 0;
    let _ = age_range(&mut memory, &g, 0, 0);
    let _ = age_range(&mut memory, &g, g.limit(), u64::MAX);
    assert_eq!(memory.rescheds, 0);
}

#[test]
fn addresses_beyond_the_tables_are_refused() {
    let g = geometry(14, 3);
    let mut memory = Memory::new(g);
    for gpa in [g.limit(), u64::MAX] {
        assert_eq!(lookup(&memory, &g, gpa), None);
        assert_eq!(
            map(&mut memory, &g, &page(gpa % (1 << 60)))
                .unwrap_err()
                .errno(),
            12
        );
        assert_eq!(
            fault_fast(&mut memory, &g, gpa, true, false),
            FastFault::Slow
        );
        assert_eq!(split(&mut memory, &g, gpa), Err(MmuError::OutOfRange));
        assert_eq!(collapse(&mut memory, &g, gpa), Err(MmuError::OutOfRange));
    }
    assert_eq!(
        write_protect_mask(&mut memory, &g, u64::MAX - 5, u64::MAX),
        Outcome::default()
    );
}
