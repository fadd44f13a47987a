// SPDX-License-Identifier: GPL-2.0

//! A page of the VMM's that the host gave for a guest, until the guest has it.

use core::ptr::null_mut;

use crate::kvm::bindings as b;
use crate::kvm::slots::SlotPointer;
use crate::kvm::user;
use crate::mmu::StageTwo;
use crate::vcpu::Holder;

/// A page frame and the reference to its page, if it has one.
pub(crate) struct HostPage {
    pub(crate) pfn: u64,
    pub(crate) writable: bool,
    page: *mut b::page,
}

impl HostPage {
    /// The page of `gfn`, for writing, if the host has it at hand.
    #[inline]
    pub(crate) fn at_hand(slot: &SlotPointer<'_>, gfn: u64) -> Option<Self> {
        let mut page = null_mut();
        // SAFETY: The slot is valid; does not sleep. If there is a page, it is valid.
        let pfn = unsafe {
            if b::kvm_prefetch_pages(slot.as_ptr(), gfn, &raw mut page, 1) != 1 {
                return None;
            }
            b::kvm_la_page_to_pfn(page)
        };
        Some(Self {
            pfn: pfn as u64,
            writable: true,
            page,
        })
    }

    /// Asks for the page of `gfn`; may sleep. KVM_PFN_ERR_* if there is none.
    pub(crate) fn ask(vcpu: Holder<'_>, gfn: u64, write: bool) -> Result<Self, u64> {
        let (mut page, mut writable) = (null_mut(), false);
        let vcpu = vcpu.shared().generic.as_ptr();
        // SAFETY: On the vCPU's thread, which may sleep, under srcu; the second function
        // tests a value.
        unsafe {
            let pfn = b::kvm_la_faultin_pfn(vcpu, gfn, write, &raw mut writable, &raw mut page);
            if b::kvm_la_is_error_noslot_pfn(pfn) {
                return Err(pfn as u64);
            }
            Ok(Self {
                pfn: pfn as u64,
                writable,
                page,
            })
        }
    }

    /// Whether it is memory, not a device's.
    pub(crate) fn is_memory(&self) -> bool {
        user::is_memory(self.pfn)
    }

    /// The guest has it now: `mmu_lock` is still held.
    #[inline]
    pub(crate) fn used(self, tables: &StageTwo<'_>) {
        // SAFETY: The host gave the page; the lock is held.
        unsafe { b::kvm_la_release_faultin_page(tables.as_ptr(), self.page, self.writable) };
    }

    /// The guest does not get it.
    pub(crate) fn unused(self) {
        // SAFETY: The host gave the page.
        unsafe { b::kvm_la_release_page_unused(self.page) };
    }
}
