// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The software TLB: where in memory a virtual page of a context is, in one
//! look-up for guest accesses as for the host's.
//!
//! It is a pure cache: every slot that was filled from a TLB entry is dropped
//! when that entry goes, or when another comes that a look-up of the same address
//! may find first. So nothing the machine can see depends on what is cached (and a
//! restored snapshot, which starts with an empty cache, runs bit for bit as the
//! original).

use super::PAGE_MASK;
use super::access::Perms;
use super::context_table::{ALIGNMENT_BITS, Contexts};

/// Number of slots, a power of two.
pub(crate) const SLOTS: usize = 2048;

/// No address and context have this tag: contexts are below 0xff0.
const NONE: u64 = u64::MAX;

/// Spreads contexts over the slots.
pub(crate) const SALT: u64 = 0x85 << (SLOT_SHIFT - ALIGNMENT_BITS);

/// A page, which may be read, written or executed where the access's tag is that of the
/// page: its number in the bits above 11, the context below.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    pub(crate) read: u64,
    pub(crate) write: u64,
    fetch: u64,
    /// What a virtual address is less than its offset in memory, modulo 2^64.
    pub(crate) addend: u64,
}

const SLOT_SHIFT: u32 = size_of::<Slot>().trailing_zeros();

/// How far a virtual address is shifted, and which bits then are the distance of its
/// slot from the first one, once the context has changed them.
pub(crate) const DISTANCE_SHIFT: u32 = 12 - SLOT_SHIFT;
pub(crate) const DISTANCE_MASK: u64 = (SLOTS as u64 - 1) << SLOT_SHIFT;

const EMPTY: Slot = Slot {
    read: NONE,
    write: NONE,
    fetch: NONE,
    addend: 0,
};

/// Slots that were filled from a TLB entry.
#[derive(Clone, Debug, Default)]
pub(super) struct SlotList {
    slots: [u16; 14],
    len: u8,
    /// More slots than the list holds.
    overflow: bool,
    /// Something was fetched through the entry.
    fetched: bool,
}

impl SlotList {
    pub(super) fn add(&mut self, slot: u16, fetch: bool) {
        self.fetched |= fetch;
        if self.slots[..usize::from(self.len)].contains(&slot) {
            return;
        }
        match self.slots.get_mut(usize::from(self.len)) {
            Some(free) => {
                *free = slot;
                self.len += 1;
            }
            None => self.overflow = true,
        }
    }
}

pub(crate) struct SoftTlb {
    slots: Box<[Slot; SLOTS]>,
    /// Grows whenever a fetch translation may have been dropped.
    pub(crate) fetch_generation: u64,
    pub(super) contexts: Contexts,
}

/// Where in a [`SoftTlb`] the address of the slots is.
pub(crate) const SLOTS_AT: usize = std::mem::offset_of!(SoftTlb, slots);

/// Where the number of the context in force is.
pub(crate) const CONTEXT_AT: usize =
    std::mem::offset_of!(SoftTlb, contexts) + std::mem::offset_of!(Contexts, current);

/// Where `fetch_generation` is.
pub(crate) const FETCH_GENERATION_AT: usize = std::mem::offset_of!(SoftTlb, fetch_generation);

impl std::fmt::Debug for SoftTlb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SoftTlb").finish_non_exhaustive()
    }
}

#[inline(always)]
fn index(va: u64, context: u64) -> usize {
    let distance = (va >> DISTANCE_SHIFT ^ context.wrapping_mul(SALT)) & DISTANCE_MASK;
    (distance >> SLOT_SHIFT) as usize % SLOTS
}

#[inline(always)]
fn tag(va: u64, context: u64) -> u64 {
    va & !PAGE_MASK | context
}

/// The tag of an access of `size` bytes, which no page has if it is not aligned.
#[inline(always)]
fn tag_of_access(va: u64, context: u64, size: u8) -> u64 {
    debug_assert!(size.is_power_of_two() && size <= 1 << ALIGNMENT_BITS);
    va & (!PAGE_MASK | (u64::from(size) - 1)) | context
}

impl SoftTlb {
    /// Empty.
    pub(crate) fn new() -> Self {
        SoftTlb {
            slots: Box::new([EMPTY; SLOTS]),
            fetch_generation: 0,
            contexts: Contexts::default(),
        }
    }

    /// Where an aligned load of `size` bytes from `va` finds them.
    #[inline(always)]
    pub(crate) fn find_read(&self, va: u64, context: u64, size: u8) -> Option<usize> {
        let slot = &self.slots[index(va, context)];
        (slot.read == tag_of_access(va, context, size))
            .then(|| va.wrapping_add(slot.addend) as usize)
    }

    /// Where an aligned store of `size` bytes to `va` goes.
    #[inline(always)]
    pub(crate) fn find_write(&self, va: u64, context: u64, size: u8) -> Option<usize> {
        let slot = &self.slots[index(va, context)];
        (slot.write == tag_of_access(va, context, size))
            .then(|| va.wrapping_add(slot.addend) as usize)
    }

    /// Where an instruction is.
    #[inline(always)]
    pub(crate) fn find_fetch(&self, va: u64, context: u64) -> Option<usize> {
        let slot = &self.slots[index(va, context)];
        (slot.fetch == tag(va, context)).then(|| va.wrapping_add(slot.addend) as usize)
    }

    /// Remembers a page with what it allows; returns the slot.
    pub(super) fn fill(&mut self, va: u64, context: u64, offset: usize, perms: Perms) -> u16 {
        let i = index(va, context);
        let tag = tag(va, context);
        let pick = |allowed| if perms.contains(allowed) { tag } else { NONE };
        self.slots[i] = Slot {
            read: pick(Perms::READ),
            write: pick(Perms::WRITE),
            fetch: pick(Perms::FETCH),
            addend: (offset as u64 & !PAGE_MASK).wrapping_sub(va & !PAGE_MASK),
        };
        i as u16
    }

    /// Drops what was filled from a TLB entry.
    pub(super) fn drop_list(&mut self, list: &SlotList) {
        if list.overflow {
            self.clear();
            return;
        }
        for &i in &list.slots[..usize::from(list.len)] {
            self.slots[usize::from(i) % SLOTS] = EMPTY;
        }
        if list.fetched {
            self.fetch_generation += 1;
        }
    }

    /// Has stores to the page at `offset` take the slow path.
    pub(crate) fn drop_writes(&mut self, offset: usize) {
        let page = offset as u64 & !PAGE_MASK;
        for slot in self.slots.iter_mut() {
            if slot.write.wrapping_add(slot.addend) & !PAGE_MASK == page {
                slot.write = NONE;
            }
        }
    }

    /// What blocks are found by beside their address: the context in force and
    /// `fetch_generation`.
    pub(crate) fn fetch_basis(&self) -> (u64, u64) {
        (self.contexts.current, self.fetch_generation)
    }

    /// Goes back to, or on from, what was so before.
    pub(crate) fn set_fetch_basis(&mut self, basis: (u64, u64)) {
        (self.contexts.current, self.fetch_generation) = basis;
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        self.slots.fill(EMPTY);
        self.fetch_generation += 1;
    }
}

impl Default for SoftTlb {
    fn default() -> Self {
        Self::new()
    }
}
