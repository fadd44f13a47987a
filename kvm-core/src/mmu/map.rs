// SPDX-License-Identifier: GPL-2.0

//! Faults: mapping a page, making one young or dirty, splitting and collapsing
//! huge pages.

use super::tables::{Link, Place, Unlinked};
use super::walk::{descend, Entry};
use super::{Flush, Geometry, MemoryType, MmuError, Outcome, Pte, StatsDelta, Tables};

/// A page to be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Guest physical address of the fault; need not be aligned.
    pub gpa: u64,
    /// Host physical address of the page that holds it; need not be aligned.
    pub address: u64,
    /// Coherent for memory, strongly ordered for what has no struct page.
    pub memory_type: MemoryType,
    /// The host lets us write to the page.
    pub writable: bool,
    /// Stores need not fault: the page is writable and either this is a store
    /// or the slot's dirty pages are not logged.
    pub dirty: bool,
    /// A huge page may be made ([`HugeRequest::allowed`](super::HugeRequest)).
    pub huge: bool,
}

impl Mapping {
    #[inline]
    pub(super) fn pte(&self, geometry: &Geometry, level: u8) -> Pte {
        let address = self.address & !(geometry.size(level) - 1);
        let mut pte = Pte::page(address, self.memory_type);
        if self.writable {
            pte = pte.writable();
            if self.dirty {
                pte = pte.dirty();
            }
        }
        if level > 0 {
            pte = pte.huge();
        }
        pte
    }
}

/// What [`map`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// 0 for a page, 1 for a huge page.
    pub level: u8,
    /// The entry as it is now. If it is dirty, mark the page of the fault dirty.
    pub pte: Pte,
    /// The flush to be done. [`Flush::Gpa`] is the stale entry that raised the
    /// fault: see [`flush_after_fault`](super::flush_after_fault) for when it
    /// can be left out.
    pub flush: Flush,
    /// To be added to the statistics.
    pub stats: StatsDelta,
}

/// Maps a page or, if allowed and possible, the huge page around it
/// (Linux kvm_map_page, from the point where mmu_lock is held and the
/// invalidation sequence was checked).
///
/// - A huge page is made only in an empty directory entry or in place of a huge
///   page, and only if the addresses agree modulo its size; else a page is.
/// - A page inside a huge page splits it, for loads as for stores.
/// - A page already mapped is replaced and not counted again.
/// - If the replaced entry led elsewhere or allowed more, all vCPUs are flushed.
///   MMU notifiers should have made that impossible; it costs nothing to be sure.
///
/// # Errors
///
/// [`MmuError::NoTable`] if the cache runs out, having mapped nothing (tables
/// that were linked on the way stay, empty or split);
/// [`MmuError::OutOfRange`] for an address that the tables cannot map.
pub fn map<T: Tables>(
    tables: &mut T,
    geometry: &Geometry,
    mapping: &Mapping,
) -> Result<Mapped, MmuError> {
    let gpa = mapping.gpa;
    if gpa >= geometry.limit() {
        return Err(MmuError::OutOfRange);
    }
    let (place, old) = descend(tables, geometry, gpa, 0);
    map_from(tables, geometry, mapping, place, old)
}

/// [`map`] from `place`, where the walk to the address ended with `old`.
fn map_from<T: Tables>(
    tables: &mut T,
    geometry: &Geometry,
    mapping: &Mapping,
    mut place: Place<T::Table>,
    mut old: Pte,
) -> Result<Mapped, MmuError> {
    let gpa = mapping.gpa;
    let offset = (geometry.huge_size() - 1) & !(geometry.page_size() - 1);
    let huge = mapping.huge && (gpa ^ mapping.address) & offset == 0;
    let mut stats = StatsDelta::default();
    loop {
        let flush = match (Entry::of(geometry, old, place.level), place.level) {
            // Empty or a huge page at a directory of the right level.
            (Entry::Empty, 1) if huge => {
                stats.count(1, 1);
                // Invalid small entries of this vCPU may overlap the huge one.
                Some(Flush::Vcpu)
            }
            (Entry::Page, 1) if huge => Some(replacement_flush(mapping, geometry, 1, old)),
            (Entry::Empty, 0) => {
                stats.count(0, 1);
                Some(Flush::Gpa(gpa))
            }
            (Entry::Page, 0) => Some(replacement_flush(mapping, geometry, 0, old)),
            (Entry::Page, 1) => {
                split_at(tables, geometry, place, old, &mut stats)?;
                None
            }
            _ => {
                link_empty(tables, geometry, place)?;
                None
            }
        };
        if let Some(flush) = flush {
            let pte = mapping.pte(geometry, place.level);
            tables.write(place, pte);
            return Ok(Mapped {
                level: place.level,
                pte,
                flush,
                stats,
            });
        }
        // There is a table now.
        (place, old) = descend(tables, geometry, gpa, 0);
    }
}

fn replacement_flush(mapping: &Mapping, geometry: &Geometry, level: u8, old: Pte) -> Flush {
    let new = mapping.pte(geometry, level);
    let same_page = (old.0 ^ new.0) & (Pte::ADDRESS | Pte::MAT) == 0;
    if same_page && (new.is_dirty() || !old.is_dirty()) {
        Flush::Gpa(mapping.gpa)
    } else {
        Flush::All
    }
}

/// Links a table of empty entries.
fn link_empty<T: Tables>(
    tables: &mut T,
    geometry: &Geometry,
    place: Place<T::Table>,
) -> Result<(), MmuError> {
    let level = place.level.checked_sub(1).ok_or(MmuError::OutOfRange)?;
    let empty = geometry.empty(level);
    link_table(tables, place, |_| empty)
}

/// Links a table of these entries.
fn link_table<T: Tables>(
    tables: &mut T,
    place: Place<T::Table>,
    entry: impl FnMut(usize) -> Pte,
) -> Result<(), MmuError> {
    let table = tables.allocate(entry).ok_or(MmuError::NoTable)?;
    tables.write_barrier();
    let link = Pte::table(tables.address_of(table));
    tables.write(place, link);
    Ok(())
}

/// Replaces a huge page by a table of the pages it is made of.
fn split_at<T: Tables>(
    tables: &mut T,
    geometry: &Geometry,
    place: Place<T::Table>,
    huge: Pte,
    stats: &mut StatsDelta,
) -> Result<(), MmuError> {
    let first = huge.small();
    let page_size = geometry.page_size();
    link_table(tables, place, |index| {
        first.advanced(index as u64 * page_size)
    })?;
    stats.count(0, geometry.entries() as i64);
    stats.count(1, -1);
    Ok(())
}

/// Makes one huge page of the table of pages around `gpa`, if every page is
/// there, they are contiguous and aligned in host memory, and have one type and
/// one writability. The huge page is dirty only if all pages are, so no store
/// goes unseen, and young if any is. Use it after dirty logging has ended; the
/// caller checks the slot's alignment ([`HugeRequest`](super::HugeRequest)).
/// `flush` flushes all vCPUs while nothing is mapped there: no TLB ever has the
/// huge page beside one of the pages.
///
/// # Errors
///
/// [`MmuError::NotHuge`] if there is no such table, with nothing changed.
pub fn collapse<T: Tables>(
    tables: &mut T,
    geometry: &Geometry,
    gpa: u64,
    flush: impl FnOnce(&mut T),
) -> Result<Outcome, MmuError> {
    if gpa >= geometry.limit() {
        return Err(MmuError::OutOfRange);
    }
    let (place, link) = descend(tables, geometry, gpa, 1);
    if place.level != 1 || !matches!(Entry::of(geometry, link, 1), Entry::Table) {
        return Err(MmuError::NotHuge);
    }
    let child = Place {
        table: tables.table_at(Link(link)),
        index: 0,
        level: 0,
    };
    let lowest = tables.read(child);
    if lowest.address() & (geometry.huge_size() - 1) != 0 {
        return Err(MmuError::NotHuge);
    }
    let fixed = Pte::ADDRESS | Pte::MAT | Pte::PRESENT | Pte::WRITABLE;
    let mut expected = lowest;
    let (mut young, mut dirty) = (false, true);
    for index in 0..geometry.entries() {
        let pte = tables.read(child.at(index));
        if !pte.is_present() || (pte.0 ^ expected.0) & fixed != 0 {
            return Err(MmuError::NotHuge);
        }
        young |= pte.is_young();
        dirty &= pte.is_dirty();
        expected = expected.advanced(geometry.page_size());
    }
    let mut huge = lowest.huge();
    huge = if young { huge.young() } else { huge.old() };
    huge = if dirty { huge.dirty() } else { huge.clean() };
    tables.write(place, geometry.empty(1));
    tables.retire(Unlinked(child.table));
    flush(tables);
    tables.write(place, huge);
    let entries = geometry.entries() as i64;
    Ok(Outcome {
        changed: true,
        flush: Flush::None,
        stats: StatsDelta {
            pages: -entries,
            hugepages: 1,
        },
    })
}

/// Makes the page `old` at `place` young and, for a store, dirty. Whether it
/// became dirty; None, with nothing changed, if [`map`] must do it.
#[inline]
fn touch<T: Tables>(
    tables: &mut T,
    place: Place<T::Table>,
    old: Pte,
    write: bool,
    dirty_logging: bool,
) -> Option<bool> {
    let mut new = old.young();
    let dirtied = write && !old.is_dirty();
    if dirtied {
        if !old.is_writable() || (place.level > 0 && dirty_logging) {
            return None;
        }
        new = new.dirty();
    }
    if new != old {
        tables.write(place, new);
    }
    Some(dirtied)
}

/// What [`fault`] did; the guest can go on after the flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The page of the fault became dirty: mark it so.
    pub dirtied: bool,
    /// As in [`Mapped::flush`], never [`Flush::All`].
    pub flush: Flush,
    /// To be added to the statistics.
    pub stats: StatsDelta,
}

/// Handles a fault in one walk, if no other thread has to be waited for: makes a page that
/// is mapped young and, for a store, dirty (Linux kvm_map_page_fast), and maps the page
/// that `host` has at hand where nothing is mapped. `dirty_logging`: the slot's dirty pages
/// are logged. `host` is told whether a huge page could be mapped.
///
/// None if that is not enough: `host` had no page, an entry must be replaced or
/// split, or tables ran out. Then nothing is mapped that was not before.
pub fn fault<T: Tables>(
    tables: &mut T,
    geometry: &Geometry,
    gpa: u64,
    write: bool,
    dirty_logging: bool,
    host: impl FnOnce(&T, bool) -> Option<Mapping>,
) -> Option<Fault> {
    if gpa >= geometry.limit() {
        return None;
    }
    let (place, old) = descend(tables, geometry, gpa, 0);
    match Entry::of(geometry, old, place.level) {
        Entry::Page => {
            let dirtied = touch(tables, place, old, write, dirty_logging)?;
            Some(Fault {
                dirtied,
                flush: Flush::Gpa(gpa),
                stats: StatsDelta::default(),
            })
        }
        Entry::Empty => {
            let mapping = host(tables, place.level > 0)?;
            let mapped = map_from(tables, geometry, &mapping, place, old).ok()?;
            Some(Fault {
                dirtied: mapped.pte.is_dirty(),
                flush: mapped.flush,
                stats: mapped.stats,
            })
        }
        Entry::Table => None,
    }
}
