// SPDX-License-Identifier: GPL-2.0

//! Single cases.

use super::sequences::geometry;
use super::*;

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
        let quick = fault(&mut memory, &g, gpa, true, false, |_, _| unreachable!());
        assert_eq!(quick, None);
        assert_eq!(
            collapse(&mut memory, &g, gpa, |_| ()),
            Err(MmuError::OutOfRange)
        );
    }
    assert_eq!(
        write_protect_mask(&mut memory, &g, u64::MAX - 5, u64::MAX),
        Outcome::default()
    );
}

#[test]
fn a_quick_fault_maps_what_the_host_has() {
    let g = geometry(14, 3);
    let mut memory = Memory::new(g);
    memory.cache = 2;
    let mut directory = None;
    let done = fault(&mut memory, &g, 0x8123, true, false, |_, at| {
        directory = Some(at);
        Some(page(0x8123))
    })
    .unwrap();
    assert_eq!(directory, Some(true));
    assert_eq!((done.dirtied, done.flush), (true, Flush::Gpa(0x8123)));
    assert_eq!((done.stats.pages, done.stats.hugepages), (1, 0));
    // The table below is there now: no huge page can be made.
    let mut directory = None;
    let done = fault(&mut memory, &g, 0xc000, false, true, |_, at| {
        directory = Some(at);
        Some(Mapping {
            dirty: false,
            ..page(0xc000)
        })
    })
    .unwrap();
    assert_eq!((directory, done.dirtied), (Some(false), false));
    // It is mapped clean; a store makes it dirty and asks the host for nothing.
    let done = fault(&mut memory, &g, 0xc000, true, true, |_, _| unreachable!()).unwrap();
    assert_eq!((done.dirtied, done.stats.pages), (true, 0));
    assert!(lookup(&memory, &g, 0xc000).unwrap().pte.is_dirty());

    let base = g.huge_size();
    let huge = Mapping {
        huge: true,
        dirty: false,
        ..page(base)
    };
    let done = fault(&mut memory, &g, base, false, true, |_, _| Some(huge)).unwrap();
    assert_eq!((done.flush, done.stats.hugepages), (Flush::Vcpu, 1));
}

#[test]
fn a_quick_fault_leaves_the_rest_alone() {
    let g = geometry(14, 3);
    let mut memory = Memory::new(g);
    memory.cache = 2;
    for gpa in [g.limit(), u64::MAX] {
        let quick = fault(&mut memory, &g, gpa, false, false, |_, _| unreachable!());
        assert_eq!(quick, None);
    }
    // The host has no page at hand.
    assert_eq!(fault(&mut memory, &g, 0, true, false, |_, _| None), None);
    assert_eq!(lookup(&memory, &g, 0), None);
    // A huge page whose writes are logged must be split.
    let base = g.huge_size();
    let huge = Mapping {
        huge: true,
        dirty: false,
        ..page(base)
    };
    map(&mut memory, &g, &huge).unwrap();
    let quick = fault(&mut memory, &g, base, true, true, |_, _| unreachable!());
    assert_eq!(quick, None);
    // The host's page may not be written to.
    let readonly = Mapping {
        writable: false,
        dirty: false,
        ..page(0)
    };
    memory.cache = 2;
    map(&mut memory, &g, &readonly).unwrap();
    let quick = fault(&mut memory, &g, 0, true, false, |_, _| unreachable!());
    assert_eq!(quick, None);
    // No tables left.
    memory.cache = 0;
    let far = 4 * g.size(g.root_level());
    let quick = fault(&mut memory, &g, far, true, false, |_, _| Some(page(far)));
    assert_eq!(quick, None);
    assert_eq!(lookup(&memory, &g, far), None);
}
