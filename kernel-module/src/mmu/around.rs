// SPDX-License-Identifier: GPL-2.0

//! Fault-around (`kvm_core::mmu::around`): pages beside the fault's that the host has at
//! hand are mapped with it.
//!
//! `mmu_lock` is held and no invalidation is under way, so the host's entries stand, but
//! for their young bits. The pages come by generic KVM's `kvm_prefetch_pages`, which gives
//! none that the host would refuse, nor any of a slot that is read-only or about to go.

use kvm_core::mmu::{self, HostEntry, Mapping, MemoryType, WINDOW};

use crate::mmu::fault::Candidate;
use crate::mmu::host_page::HostRun;
use crate::mmu::{geometry, StageTwo};

impl Candidate<'_> {
    /// Maps what there is beside the page of the fault, which is a small page now. Its
    /// vCPU may still hold invalid entries of these pages: they cost a fault, as before.
    #[inline(never)]
    pub(super) fn map_around(&self, tables: &mut StageTwo<'_>) {
        if tables.is_invalidating() {
            return;
        }
        let (geometry, slot) = (&geometry(), self.page.place());
        for side in mmu::sides(geometry, &slot, self.access.gpa) {
            let mut entries = [0; WINDOW];
            let Some(entries) = entries.get_mut(..side.pages).filter(|e| !e.is_empty()) else {
                continue;
            };
            let hva = slot.hva.wrapping_add(side.nearest.wrapping_sub(slot.gpa));
            let (count, _) = tables.host_entries(hva, side.below, HostEntry::AT_HAND, entries);
            let side = mmu::trim(tables, geometry, side, entries.get(..count).unwrap_or(&[]));
            if side.pages == 0 {
                continue;
            }
            let gpa = side.first(geometry);
            let run = HostRun::at_hand(self.page, gpa >> geometry.page_shift(), side.pages);
            let like = Mapping {
                gpa,
                address: 0,
                memory_type: MemoryType::Coherent,
                writable: true,
                dirty: !self.logging,
                huge: false,
            };
            let stats = mmu::map_side(tables, geometry, &side, &like, run.addresses());
            tables.count(stats);
            run.release();
        }
    }
}
