// SPDX-License-Identifier: GPL-2.0

//! Pages of the VMM's that the host gave for a guest, until the guest has them.
//!
//! Mapping a page comes with telling the host that it is in use and, if it may be written,
//! dirty (`kvm_release_faultin_page`). If the host's own entry says so already, a page is only
//! given back: what clears these bits there goes through the MMU notifier first, which
//! takes the page from the guest (dirty) or asks the guest's tables too (young).

use core::ptr::null_mut;

use kvm_core::mmu::{HostEntry, WINDOW};

use crate::kvm::bindings as b;
use crate::kvm::bindings::constant as c;
use crate::kvm::calls::calls;
use crate::kvm::slots::{SlotPage, SlotPointer};
use crate::kvm::user;
use crate::mmu::StageTwo;

/// A reference to a page that the host gave, or null.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct PageRef(*mut b::page);

impl PageRef {
    const NULL: Self = Self(null_mut());

    #[inline]
    fn as_ptr(&self) -> *mut b::page {
        self.0
    }

    // The reference is given back once, by what has it: `HostPage` or `HostRun`. The first two
    // are not called for null.
    calls! {
        fn pfn(&self) -> u64 = kvm_la_page_to_pfn;
        fn is_large(&self) -> bool = kvm_la_page_is_large;
        fn release_unused(&self) = kvm_la_release_page_unused;
    }
}

/// A page frame and the reference to its page, if it has one.
pub(crate) struct HostPage {
    pub(crate) pfn: u64,
    pub(crate) writable: bool,
    page: PageRef,
    /// The host's entry is that of a page that is in use and dirty.
    told: bool,
}

impl HostPage {
    /// The host's for `of`, for writing, if it is at hand; `entry` is the host's.
    #[inline]
    pub(crate) fn at_hand(of: &SlotPage<'_>, entry: HostEntry) -> Option<Self> {
        let mut page = PageRef::NULL;
        // SAFETY: The slot is valid; does not sleep.
        let count = unsafe { b::kvm_prefetch_pages(of.as_ptr(), of.gfn(), &raw mut page.0, 1) };
        (count == 1).then(|| Self {
            pfn: page.pfn(),
            writable: true,
            page,
            told: entry.is_at_hand(),
        })
    }

    /// Asks for the host's page for `of`; may sleep. KVM_PFN_ERR_* if there is none.
    pub(crate) fn ask(of: &SlotPage<'_>, write: bool) -> Result<Self, u64> {
        let (mut page, mut writable) = (PageRef::NULL, false);
        let (slot, gfn) = (of.as_ptr(), of.gfn());
        // SAFETY: The slot is valid, on a thread that may sleep; the second function tests
        // a value.
        unsafe {
            let pfn = b::kvm_la_faultin_pfn(slot, gfn, write, &raw mut writable, &raw mut page.0);
            if b::kvm_la_is_error_noslot_pfn(pfn) {
                return Err(pfn as u64);
            }
            Ok(Self {
                pfn: pfn as u64,
                writable,
                page,
                told: false,
            })
        }
    }

    /// Whether it is memory, not a device's.
    pub(crate) fn is_memory(&self) -> bool {
        user::is_memory(self.pfn)
    }

    /// Host physical address.
    #[inline]
    pub(crate) fn address(&self) -> u64 {
        self.pfn << c::PAGE_SHIFT
    }

    /// Whether it is one of several that the host allocated together.
    pub(crate) fn is_large(&self) -> bool {
        !self.page.0.is_null() && self.page.is_large()
    }

    /// The guest has it now: `mmu_lock` is still held.
    #[inline]
    pub(crate) fn used(self, tables: &StageTwo<'_>) {
        if self.told {
            return self.unused();
        }
        // SAFETY: The host gave the page; the lock is held.
        unsafe { b::kvm_la_release_faultin_page(tables.as_ptr(), self.page.0, self.writable) };
    }

    /// The guest does not get it.
    #[inline]
    pub(crate) fn unused(self) {
        self.page.release_unused();
    }
}

/// Pages in a row whose entries the host has as [`HostEntry::is_at_hand`] says.
pub(crate) struct HostRun {
    pages: [PageRef; WINDOW],
    count: usize,
}

impl HostRun {
    /// At most `count` pages from `gfn` on: as many as the host gives.
    #[inline]
    pub(crate) fn at_hand(slot: &SlotPointer<'_>, gfn: u64, count: usize) -> Self {
        let mut pages = [PageRef::NULL; WINDOW];
        let limit = count.min(WINDOW) as i32;
        let first = pages.as_mut_ptr().cast();
        // SAFETY: The slot is valid, and there is room; does not sleep.
        let count = unsafe { b::kvm_prefetch_pages(slot.as_ptr(), gfn, first, limit) };
        Self {
            pages,
            count: count.max(0) as usize,
        }
    }

    fn iter(&self) -> impl Iterator<Item = PageRef> + '_ {
        self.pages.iter().copied().take(self.count)
    }

    /// Their host physical addresses.
    #[inline]
    pub(crate) fn addresses(&self) -> impl Iterator<Item = u64> + '_ {
        self.iter().map(|page| page.pfn() << c::PAGE_SHIFT)
    }

    /// The guest has them, or does not get them.
    #[inline]
    pub(crate) fn release(self) {
        for page in self.iter() {
            page.release_unused();
        }
    }
}
