// SPDX-License-Identifier: GPL-2.0

//! Stage-2 translation: guest physical to host physical addresses.
//!
//! The tables have the layout of the host kernel's own page tables, because
//! the host's TLB refill handler walks them while a guest runs
//! (`docs/lvz.md` 6.4, 6.7; Linux arch/loongarch/kvm/mmu.c). All functions here
//! work over the trait [`Tables`], which the kernel implements on page frames
//! and the tests on vectors.
//!
//! # Locking
//!
//! The caller holds the VM's `mmu_lock` exclusively around each call. The only
//! unlocked reader is the refill handler: it runs with interrupts off on a CPU
//! that executes the guest, so a table that was unlinked may be freed as soon
//! as every vCPU has been forced out of the guest once. [`Tables::retire`]
//! collects such tables; free them after the flush that the call asks for.
//!
//! # What a vCPU may still hold in its TLB
//!
//! A refill caches whatever it finds, invalid (V=0) entries included, with the
//! size it finds them. Each function returns the [`Flush`] that makes its change
//! effective. One flush is left to the caller: after a memory slot is *created*
//! where the guest may have probed before (MMIO leaves a small V=0 entry behind),
//! flush every vCPU once, or a huge entry could overlap the small one.

mod around;
mod geometry;
mod map;
mod policy;
mod pte;
mod range;
mod tables;
mod walk;

#[cfg(test)]
mod model;

pub use around::{map_side, sides, trim, HostEntry, Side, WINDOW};
pub use geometry::Geometry;
pub use map::{collapse, fault, map, Fault, Mapped, Mapping};
pub use policy::{
    check_slot, flags_change, flush_after_fault, FlagsChange, HugeRequest, Slot, SlotFlags,
    SlotHuge,
};
pub use pte::{MemoryType, Pte};
pub use range::{
    age_range, test_age_range, unmap_all, unmap_range, write_protect_mask, write_protect_range,
    Reclaim,
};
pub use tables::{Flush, Link, MmuError, Outcome, Place, Resched, StatsDelta, Tables, Unlinked};
pub use walk::{lookup, Leaf};
