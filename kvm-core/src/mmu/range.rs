// SPDX-License-Identifier: GPL-2.0

//! Operations on ranges of guest physical addresses.
//!
//! A huge page that a range only touches counts as inside: it is unmapped,
//! aged or write-protected whole, which costs a fault and loses nothing.
//! Ranges are half-open and in bytes; what lies beyond
//! [`Geometry::limit`] is ignored, since nothing is ever mapped there.

use super::walk::{for_each, Range};
use super::{lookup, Flush, Geometry, Outcome, Tables};

/// What becomes of tables that an unmapping leaves empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reclaim {
    /// They stay: the range is likely to be mapped again (MMU notifiers).
    Keep,
    /// Those wholly inside the range are retired (slot deletion, teardown).
    Tables,
}

/// Unmaps `start..end` (Linux kvm_flush_range, kvm_unmap_gfn_range).
pub fn unmap_range<T: Tables>(
    tables: &mut T,
    geometry: &Geometry,
    start: u64,
    end: u64,
    reclaim: Reclaim,
) -> Outcome {
    for_each(
        tables,
        geometry,
        Range {
            start,
            end,
            reclaim,
            flush: Flush::All,
        },
        |leaf, outcome| {
            outcome.stats.count(leaf.level, -1);
            Some(geometry.empty(leaf.level))
        },
    )
}

/// Unmaps everything and retires every table but the root
/// (Linux kvm_arch_flush_shadow_all).
pub fn unmap_all<T: Tables>(tables: &mut T, geometry: &Geometry) -> Outcome {
    unmap_range(tables, geometry, 0, geometry.limit(), Reclaim::Tables)
}

/// Makes the pages of `start..end` fault on the next store, so that dirty
/// logging sees it (Linux kvm_mkclean_gpa_pt). Huge pages are split by that
/// fault, not here.
pub fn write_protect_range<T: Tables>(
    tables: &mut T,
    geometry: &Geometry,
    start: u64,
    end: u64,
) -> Outcome {
    for_each(
        tables,
        geometry,
        Range {
            start,
            end,
            reclaim: Reclaim::Keep,
            flush: Flush::All,
        },
        |leaf, _| leaf.pte.is_dirty().then(|| leaf.pte.clean()),
    )
}

/// Makes the pages fault on the next store whose bits are set in `mask`; bit 0
/// is the page at `base` (Linux kvm_arch_mmu_enable_log_dirty_pt_masked). Huge
/// pages that any page between the lowest and the highest bit belongs to are
/// protected whole.
///
/// The generic dirty-log code flushes after all masks of a slot; the returned
/// flush says whether that is needed.
pub fn write_protect_mask<T: Tables>(
    tables: &mut T,
    geometry: &Geometry,
    base: u64,
    mask: u64,
) -> Outcome {
    if mask == 0 {
        return Outcome::default();
    }
    let page = |bit: u32| base.saturating_add(u64::from(bit) << geometry.page_shift());
    let start = page(mask.trailing_zeros());
    let end = page(64 - mask.leading_zeros());
    for_each(
        tables,
        geometry,
        Range {
            start,
            end,
            reclaim: Reclaim::Keep,
            flush: Flush::All,
        },
        |leaf, _| {
            let selected = leaf.level > 0 || {
                let bit = leaf.base.wrapping_sub(base) >> geometry.page_shift();
                bit < 64 && mask >> bit & 1 != 0
            };
            (selected && leaf.pte.is_dirty()).then(|| leaf.pte.clean())
        },
    )
}

/// Makes the pages of `start..end` old; `changed` says whether any was young
/// (Linux kvm_age_gfn). Needs no flush: a stale TLB entry only makes a page
/// look older than it is.
pub fn age_range<T: Tables>(tables: &mut T, geometry: &Geometry, start: u64, end: u64) -> Outcome {
    for_each(
        tables,
        geometry,
        Range {
            start,
            end,
            reclaim: Reclaim::Keep,
            flush: Flush::None,
        },
        |leaf, _| leaf.pte.is_young().then(|| leaf.pte.old()),
    )
}

/// Any page of `start..end` is young. Linux kvm_test_age_gfn looks at the first
/// page only; this looks until it finds one, at most `limit` entries further.
pub fn test_age_range<T: Tables>(
    tables: &T,
    geometry: &Geometry,
    start: u64,
    end: u64,
    limit: usize,
) -> bool {
    let end = end.min(geometry.limit());
    let mut at = start;
    for _ in 0..limit {
        if at >= end {
            return false;
        }
        let level = match lookup(tables, geometry, at) {
            Some(leaf) if leaf.pte.is_young() => return true,
            Some(leaf) => leaf.level,
            None => super::walk::empty_level(tables, geometry, at),
        };
        at = geometry.next(at, level);
    }
    false
}
