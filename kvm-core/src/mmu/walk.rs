// SPDX-License-Identifier: GPL-2.0

//! Walking the tables.

use super::{Flush, Geometry, Outcome, Pte, Reclaim, Resched, Tables};

/// A present page or huge page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The entry.
    pub pte: Pte,
    /// 0 for a page, 1 for a huge page.
    pub level: u8,
    /// Guest physical address where it begins.
    pub base: u64,
}

/// What an entry of some level is.
pub(super) enum Entry {
    /// Nothing is mapped.
    Empty,
    /// A page or huge page.
    Page,
    /// A link to the table below.
    Table,
}

impl Entry {
    pub(super) fn of(geometry: &Geometry, pte: Pte, level: u8) -> Self {
        if level == 0 {
            if pte.is_present() {
                Self::Page
            } else {
                Self::Empty
            }
        } else if pte == geometry.empty(level) {
            Self::Empty
        } else if pte.is_huge() {
            Self::Page
        } else {
            Self::Table
        }
    }
}

/// Where an entry stands.
#[derive(Clone, Copy)]
pub(super) struct Place<T> {
    pub(super) table: T,
    pub(super) index: usize,
    pub(super) level: u8,
}

/// Descends towards `gpa` until an entry is no link or `level` is reached.
pub(super) fn descend<T: Tables>(
    tables: &T,
    geometry: &Geometry,
    gpa: u64,
    level: u8,
) -> (Place<T::Table>, Pte) {
    let mut place = Place {
        table: tables.root(),
        index: geometry.index(gpa, geometry.root_level()),
        level: geometry.root_level(),
    };
    loop {
        let pte = tables.read(place.table, place.index);
        if place.level <= level || !matches!(Entry::of(geometry, pte, place.level), Entry::Table) {
            return (place, pte);
        }
        place.table = tables.table_at(pte.address());
        place.level -= 1;
        place.index = geometry.index(gpa, place.level);
    }
}

/// The page that maps `gpa`, if any.
pub fn lookup<T: Tables>(tables: &T, geometry: &Geometry, gpa: u64) -> Option<Leaf> {
    if gpa >= geometry.limit() {
        return None;
    }
    let (place, pte) = descend(tables, geometry, gpa, 0);
    match Entry::of(geometry, pte, place.level) {
        Entry::Page => Some(Leaf {
            pte,
            level: place.level,
            base: geometry.base(gpa, place.level),
        }),
        _ => None,
    }
}

/// Visits every present page that overlaps `start..end`, in order.
///
/// `visit` gets the leaf and returns its replacement, or None to keep it; a
/// replacement counts as a change and asks for `flush`. With
/// [`Reclaim::Tables`] every table that lies wholly in the range is unlinked
/// and retired once it is empty; that asks for [`Flush::All`] even when no page
/// was mapped, because a refill handler may be in the middle of the table.
/// (Linux frees without flushing then: kvm_flush_range looks at changed pages
/// only.)
///
/// Work between two calls of [`Tables::resched`]: one table of each level.
pub(super) fn for_each<T: Tables>(
    tables: &mut T,
    geometry: &Geometry,
    start: u64,
    end: u64,
    reclaim: Reclaim,
    flush: Flush,
    mut visit: impl FnMut(Leaf, &mut Outcome) -> Option<Pte>,
) -> Outcome {
    let mut outcome = Outcome::default();
    let end = end.min(geometry.limit());
    let mut at = start;
    while at < end {
        at = one_table(
            tables,
            geometry,
            (start, at, end),
            reclaim,
            flush,
            &mut outcome,
            &mut visit,
        );
        if at < end && tables.resched(outcome.flush) == Resched::Flushed {
            outcome.flush = Flush::None;
        }
    }
    outcome
}

/// One step of [`for_each`]: descends to the first table that has something
/// for `at` and visits it to its end. Returns where to go on.
fn one_table<T: Tables>(
    tables: &mut T,
    geometry: &Geometry,
    (start, from, end): (u64, u64, u64),
    reclaim: Reclaim,
    flush: Flush,
    outcome: &mut Outcome,
    visit: &mut impl FnMut(Leaf, &mut Outcome) -> Option<Pte>,
) -> u64 {
    let root = geometry.root_level();
    let mut path = [None; Geometry::MAX_LEVELS];
    let mut table = tables.root();
    let mut level = root;
    let mut at = from;
    if let Some(slot) = path.get_mut(level as usize) {
        *slot = Some(table);
    }
    loop {
        let index = geometry.index(at, level);
        let pte = tables.read(table, index);
        match Entry::of(geometry, pte, level) {
            Entry::Table => {
                table = tables.table_at(pte.address());
                level -= 1;
                if let Some(slot) = path.get_mut(level as usize) {
                    *slot = Some(table);
                }
                continue;
            }
            Entry::Page => {
                let leaf = Leaf {
                    pte,
                    level,
                    base: geometry.base(at, level),
                };
                if let Some(new) = visit(leaf, outcome) {
                    tables.write(table, index, new);
                    outcome.changed = true;
                    outcome.flush = outcome.flush.and(flush);
                }
            }
            Entry::Empty => {}
        }
        at = geometry.next(at, level);
        if at >= end || geometry.index(at, level) == 0 {
            break;
        }
    }
    if reclaim == Reclaim::Tables {
        // `at` has reached the end of the table at `level`, and perhaps of
        // those above it.
        while level < root {
            let base = geometry.base(at.wrapping_sub(1), level + 1);
            if at != base.wrapping_add(geometry.size(level + 1)) || base < start {
                break;
            }
            let (Some(Some(child)), Some(Some(parent))) = (
                path.get(level as usize).copied(),
                path.get(level as usize + 1).copied(),
            ) else {
                break;
            };
            if !is_empty(tables, geometry, child, level) {
                break;
            }
            level += 1;
            tables.write(parent, geometry.index(base, level), geometry.empty(level));
            tables.retire(child);
            outcome.flush = outcome.flush.and(Flush::All);
        }
    }
    at
}

fn is_empty<T: Tables>(tables: &T, geometry: &Geometry, table: T::Table, level: u8) -> bool {
    (0..geometry.entries()).all(|index| {
        matches!(
            Entry::of(geometry, tables.read(table, index), level),
            Entry::Empty
        )
    })
}

/// Level of the entry that ends the walk to `gpa`.
pub(super) fn empty_level<T: Tables>(tables: &T, geometry: &Geometry, gpa: u64) -> u8 {
    descend(tables, geometry, gpa, 0).0.level
}
