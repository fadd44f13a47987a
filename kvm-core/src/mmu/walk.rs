// SPDX-License-Identifier: GPL-2.0

//! Walking the tables.

use super::tables::{Link, Place, Unlinked};
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

/// The first entry of the root table.
#[inline]
fn root<T: Tables>(tables: &T, geometry: &Geometry) -> Place<T::Table> {
    Place {
        table: tables.root(),
        index: 0,
        level: geometry.root_level(),
    }
}

/// Descends towards `gpa` until an entry is no link or `level` is reached.
pub(super) fn descend<T: Tables>(
    tables: &T,
    geometry: &Geometry,
    gpa: u64,
    level: u8,
) -> (Place<T::Table>, Pte) {
    let mut place = root(tables, geometry);
    loop {
        place.index = geometry.index(gpa, place.level);
        let pte = tables.read(place);
        if place.level <= level || !matches!(Entry::of(geometry, pte, place.level), Entry::Table) {
            return (place, pte);
        }
        place.table = tables.table_at(Link(pte));
        place.level -= 1;
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

/// A range of guest physical addresses to be visited.
pub(super) struct Range {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) reclaim: Reclaim,
    /// What a changed entry asks for.
    pub(super) flush: Flush,
}

/// Visits every present page that overlaps `range`, in order.
///
/// `visit` gets the leaf and returns its replacement, or None to keep it; a
/// replacement counts as a change and asks for the range's flush. With
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
    mut range: Range,
    mut visit: impl FnMut(Leaf, &mut Outcome) -> Option<Pte>,
) -> Outcome {
    let mut outcome = Outcome::default();
    range.end = range.end.min(geometry.limit());
    let mut at = range.start;
    while at < range.end {
        let level;
        (at, level) = one_table(tables, geometry, &range, at, &mut outcome, &mut visit);
        if range.reclaim == Reclaim::Tables {
            unlink_empty(tables, geometry, range.start, at, level, &mut outcome);
        }
        if at < range.end && tables.resched(outcome.flush) == Resched::Flushed {
            outcome.flush = Flush::None;
        }
    }
    outcome
}

/// One step of [`for_each`]: descends to the first table that has something
/// for `at` and visits it to its end. Returns where to go on, and the table's level.
fn one_table<T: Tables>(
    tables: &mut T,
    geometry: &Geometry,
    range: &Range,
    mut at: u64,
    outcome: &mut Outcome,
    visit: &mut impl FnMut(Leaf, &mut Outcome) -> Option<Pte>,
) -> (u64, u8) {
    let mut place = root(tables, geometry);
    loop {
        place.index = geometry.index(at, place.level);
        let pte = tables.read(place);
        match Entry::of(geometry, pte, place.level) {
            Entry::Table => {
                place.table = tables.table_at(Link(pte));
                place.level -= 1;
                continue;
            }
            Entry::Page => {
                let leaf = Leaf {
                    pte,
                    level: place.level,
                    base: geometry.base(at, place.level),
                };
                if let Some(new) = visit(leaf, outcome) {
                    tables.write(place, new);
                    outcome.changed = true;
                    outcome.flush = outcome.flush.and(range.flush);
                }
            }
            Entry::Empty => {}
        }
        at = geometry.next(at, place.level);
        if at >= range.end || geometry.index(at, place.level) == 0 {
            return (at, place.level);
        }
    }
}

/// Retires the tables of `level` and above that end at `end`, begin at `start` or later, and
/// are empty, from the lowest up.
fn unlink_empty<T: Tables>(
    tables: &mut T,
    geometry: &Geometry,
    start: u64,
    end: u64,
    level: u8,
    outcome: &mut Outcome,
) {
    for above in level + 1..=geometry.root_level() {
        let base = geometry.base(end.wrapping_sub(1), above);
        if end != base.wrapping_add(geometry.size(above)) || base < start {
            return;
        }
        let (parent, link) = descend(tables, geometry, base, above);
        let child = tables.table_at(Link(link));
        if !is_empty(tables, geometry, child, above - 1) {
            return;
        }
        tables.write(parent, geometry.empty(above));
        tables.retire(Unlinked(child));
        outcome.flush = outcome.flush.and(Flush::All);
    }
}

fn is_empty<T: Tables>(tables: &T, geometry: &Geometry, table: T::Table, level: u8) -> bool {
    (0..geometry.entries()).all(|index| {
        let pte = tables.read(Place {
            table,
            index,
            level,
        });
        matches!(Entry::of(geometry, pte, level), Entry::Empty)
    })
}

/// Level of the entry that ends the walk to `gpa`.
pub(super) fn empty_level<T: Tables>(tables: &T, geometry: &Geometry, gpa: u64) -> u8 {
    descend(tables, geometry, gpa, 0).0.level
}
