// SPDX-License-Identifier: GPL-2.0

//! Memory slots and buses of a VM, which stay as they are under `kvm->srcu`.

use core::marker::PhantomData;
use core::ptr::NonNull;

use kvm_core::decode::Direction;
use kvm_core::mmu::{Slot, SlotFlags, SlotHuge};

use crate::bindings as b;
use crate::bindings::constant as c;
use crate::vcpu::Vcpu;

/// Holds the VM's srcu: slots and buses stay as they are.
pub(crate) struct Srcu<'a> {
    vcpu: &'a Vcpu,
    index: i32,
}

/// A memory slot that is valid for `'a`: as long as srcu or `slots_lock` is held.
pub(crate) struct SlotPointer<'a> {
    slot: NonNull<b::kvm_memory_slot>,
    _held: PhantomData<&'a ()>,
}

/// In `kvm_arch_memory_slot.flags`.
const HUGE_CAPABLE: u64 = 1;
/// As above.
const HUGE_INCAPABLE: u64 = 2;

/// How a slot's `kvm_arch_memory_slot.flags` keep its class.
pub(crate) fn class_flags(class: SlotHuge) -> u64 {
    match class {
        SlotHuge::Capable => HUGE_CAPABLE,
        SlotHuge::Incapable => HUGE_INCAPABLE,
        SlotHuge::Partial => 0,
    }
}

impl<'a> SlotPointer<'a> {
    /// The slot at `slot`; none if that is null.
    ///
    /// # Safety
    ///
    /// `slot` is null or a slot that stays valid for `'a`; its place, flags and class
    /// do not change meanwhile.
    #[inline]
    pub(crate) unsafe fn new(slot: *const b::kvm_memory_slot) -> Option<Self> {
        NonNull::new(slot.cast_mut()).map(|slot| Self {
            slot,
            _held: PhantomData,
        })
    }

    /// For KVM's functions.
    #[inline]
    pub(crate) fn get(&self) -> *mut b::kvm_memory_slot {
        self.slot.as_ptr()
    }

    /// Whether dirty pages are logged (kvm_slot_dirty_track_enabled).
    #[inline]
    pub(crate) fn is_logged(&self) -> bool {
        self.user_flags() & b::KVM_MEM_LOG_DIRTY_PAGES != 0
    }

    /// Where the slot is.
    #[inline]
    pub(crate) fn place(&self) -> Slot {
        let slot = self.get();
        // SAFETY: The slot is valid, and these words of it do not change.
        unsafe {
            Slot {
                gpa: (*slot).base_gfn << c::PAGE_SHIFT,
                hva: (*slot).userspace_addr as u64,
                size: ((*slot).npages as u64) << c::PAGE_SHIFT,
            }
        }
    }

    /// Where it may have huge pages, as [`class_flags`] kept it.
    #[inline]
    pub(crate) fn class(&self) -> SlotHuge {
        // SAFETY: As in `place`.
        match unsafe { (*self.get()).arch.flags } as u64 {
            HUGE_CAPABLE => SlotHuge::Capable,
            HUGE_INCAPABLE => SlotHuge::Incapable,
            _ => SlotHuge::Partial,
        }
    }

    /// The flags that user space set.
    pub(crate) fn flags(&self) -> SlotFlags {
        SlotFlags {
            log_dirty_pages: self.is_logged(),
            readonly: self.user_flags() & b::KVM_MEM_READONLY != 0,
        }
    }

    #[inline]
    fn user_flags(&self) -> u32 {
        // SAFETY: As in `place`: other flags are another slot.
        unsafe { (*self.get()).flags }
    }
}

impl<'a> Srcu<'a> {
    /// Begins the section.
    #[inline]
    pub(crate) fn lock(vcpu: &'a Vcpu) -> Self {
        // SAFETY: The VM is alive; unlocked by `drop`.
        let index = unsafe { b::kvm_la_srcu_read_lock(vcpu.vm().kvm) };
        Self { vcpu, index }
    }

    /// The vCPU that it was begun for.
    #[inline]
    pub(crate) fn vcpu(&self) -> &'a Vcpu {
        self.vcpu
    }

    /// Reads or writes an in-kernel device; true if one answered.
    #[inline]
    pub(crate) fn bus(
        &self,
        bus: b::kvm_bus,
        direction: Direction,
        address: u64,
        len: u8,
        data: &mut [u8; 8],
    ) -> bool {
        // Devices in C read it as one number (virt/kvm/eventfd.c:ioeventfd_in_range).
        let mut aligned = u64::from_ne_bytes(*data);
        let pointer = (&raw mut aligned).cast();
        let (vcpu, len) = (self.vcpu.kvm_vcpu, i32::from(len));
        // SAFETY: Under srcu; there are eight bytes and `len` is at most eight.
        let result = unsafe {
            match direction {
                Direction::Read => b::kvm_io_bus_read(vcpu, bus, address, len, pointer),
                Direction::Write => b::kvm_io_bus_write(vcpu, bus, address, len, pointer),
            }
        };
        *data = aligned.to_ne_bytes();
        result == 0
    }

    /// The memory slot that holds `gpa`.
    #[inline]
    pub(crate) fn slot(&self, gpa: u64) -> Option<SlotPointer<'_>> {
        let gfn = gpa >> c::PAGE_SHIFT;
        // SAFETY: Under srcu, on the vCPU's thread; the result borrows from `self`,
        // which holds srcu.
        unsafe { SlotPointer::new(b::kvm_vcpu_gfn_to_memslot(self.vcpu.kvm_vcpu, gfn)) }
    }

    /// Whether the VMM's memory is at `gpa`.
    pub(crate) fn has_memory(&self, gpa: u64) -> bool {
        // SAFETY: Under srcu; the second function tests a value.
        unsafe {
            let hva = b::gfn_to_hva(self.vcpu.vm().kvm, gpa >> c::PAGE_SHIFT);
            !b::kvm_la_is_error_hva(hva)
        }
    }
}

impl Drop for Srcu<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: Locked in `lock`.
        unsafe { b::kvm_la_srcu_read_unlock(self.vcpu.vm().kvm, self.index) };
    }
}
