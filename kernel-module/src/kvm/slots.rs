// SPDX-License-Identifier: GPL-2.0

//! Memory slots and buses of a VM, which stay as they are under `kvm->srcu`.

use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::NonNull;

use kvm_core::decode::Direction;
use kvm_core::mmu::{Slot, SlotFlags, SlotHuge};

use crate::kvm::bindings as b;
use crate::kvm::bindings::constant as c;
use crate::kvm::calls::calls;
use crate::kvm::context::{Pinned, PreemptGuard};
use crate::kvm::generic_vcpu::KvmVcpu;
use crate::kvm::generic_vm::KvmVm;
use crate::kvm::user::Record;

// Tests a value.
calls! {
    /// Whether an address of the VMM's is none, for KVM found no slot.
    fn is_error(hva: usize) -> bool = kvm_la_is_error_hva;
}

/// Holds the VM's srcu: slots and buses stay as they are.
pub(crate) struct Srcu<'a> {
    vm: &'a KvmVm,
    index: i32,
}

/// A memory slot that is valid for `'a`: as long as srcu or `slots_lock` is held.
pub(crate) struct SlotPointer<'a> {
    slot: NonNull<b::kvm_memory_slot>,
    _held: PhantomData<&'a ()>,
}

/// A slot that C says it does not change, or none.
pub(crate) struct ConstSlot<'a>(pub(crate) Option<SlotPointer<'a>>);

/// Where a slot is.
#[inline]
pub(crate) fn place(slot: &b::kvm_memory_slot) -> Slot {
    Slot {
        gpa: slot.base_gfn << c::PAGE_SHIFT,
        hva: slot.userspace_addr as u64,
        size: (slot.npages as u64) << c::PAGE_SHIFT,
    }
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
    pub(crate) fn as_ptr(&self) -> *mut b::kvm_memory_slot {
        self.slot.as_ptr()
    }

    // The slot is valid; arithmetic on its words.
    calls! {
        fn hva(&self, gfn: u64) -> usize = kvm_la_gfn_to_hva_memslot;
    }

    /// Its words, which do not change.
    #[inline]
    fn words(&self) -> &b::kvm_memory_slot {
        // SAFETY: The slot is valid; other flags are another slot.
        unsafe { self.slot.as_ref() }
    }

    /// Whether dirty pages are logged (kvm_slot_dirty_track_enabled).
    #[inline]
    pub(crate) fn is_logged(&self) -> bool {
        self.user_flags() & b::KVM_MEM_LOG_DIRTY_PAGES != 0
    }

    /// Where the slot is.
    #[inline]
    pub(crate) fn place(&self) -> Slot {
        place(self.words())
    }

    /// Where it may have huge pages, as [`class_flags`] kept it.
    #[inline]
    pub(crate) fn class(&self) -> SlotHuge {
        match self.words().arch.flags as u64 {
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

    /// The flags that user space set, and KVM_MEMSLOT_INVALID of a slot that goes.
    #[inline]
    fn user_flags(&self) -> u32 {
        self.words().flags
    }
}

/// A page of a slot.
pub(crate) struct SlotPage<'a> {
    slot: SlotPointer<'a>,
    vm: &'a KvmVm,
    gfn: u64,
}

impl<'a> SlotPage<'a> {
    /// Its number, of the guest's pages.
    #[inline]
    pub(crate) fn gfn(&self) -> u64 {
        self.gfn
    }

    /// Where the VMM has it.
    #[inline]
    pub(crate) fn hva(&self) -> u64 {
        self.slot.hva(self.gfn) as u64
    }

    /// As [`Self::hva`]; None where the slot allows no such access.
    pub(crate) fn hva_for(&self, write: bool) -> Option<u64> {
        let read_only = if write { b::KVM_MEM_READONLY } else { 0 };
        let refused = read_only | b::KVM_MEMSLOT_INVALID;
        (self.user_flags() & refused == 0).then(|| self.hva())
    }

    /// The guest has stored to it: puts it into the dirty log, a bitmap or the ring of this
    /// thread's vCPU. A push to the ring is not whole until it ends, and the scheduler's notifier
    /// makes one too, that of the steal time: hence `_pinned`.
    #[inline]
    pub(crate) fn mark_dirty(&self, _pinned: Pinned<'_>) {
        // SAFETY: The slot is valid, of this VM, and has the page.
        unsafe { b::mark_page_dirty_in_slot(self.vm.as_ptr(), self.as_ptr(), self.gfn) };
    }

    /// Whether the slot is about to go, or to move.
    pub(crate) fn is_going(&self) -> bool {
        self.user_flags() & b::KVM_MEMSLOT_INVALID != 0
    }
}

impl<'a> Deref for SlotPage<'a> {
    type Target = SlotPointer<'a>;

    #[inline]
    fn deref(&self) -> &SlotPointer<'a> {
        &self.slot
    }
}

impl<'a> Srcu<'a> {
    /// Begins the section.
    #[inline]
    pub(crate) fn lock(vm: &'a KvmVm) -> Self {
        let index = vm.srcu_read_lock();
        Self { vm, index }
    }

    /// Whether it is that of `vm`.
    pub(crate) fn is_of(&self, vm: &KvmVm) -> bool {
        self.as_ptr() == vm.as_ptr()
    }

    fn as_ptr(&self) -> *mut b::kvm {
        self.vm.as_ptr()
    }

    // Under srcu, of a VM that is alive.
    calls! {
        fn hva(&self, gfn: u64) -> usize = gfn_to_hva;
        fn generation(&self) -> u64 = kvm_la_memslots_generation;
    }

    /// The page at `gpa`, if a memory slot has it. `vcpu` remembers which slot was used last.
    ///
    /// # Safety
    ///
    /// This is the thread of `vcpu`, which is one of the VM.
    #[inline]
    pub(crate) unsafe fn page(&self, vcpu: &KvmVcpu, gpa: u64) -> Option<SlotPage<'_>> {
        let gfn = gpa >> c::PAGE_SHIFT;
        // SAFETY: By this function's contract; under srcu as long as the result.
        let slot = unsafe { SlotPointer::new(b::kvm_vcpu_gfn_to_memslot(vcpu.as_ptr(), gfn)) };
        let vm = self.vm;
        slot.map(|slot| SlotPage { slot, vm, gfn })
    }

    /// An access of `vcpu` to an in-kernel device; true if one answered. False for more than
    /// eight bytes.
    #[inline]
    pub(crate) fn bus(
        &self,
        vcpu: &KvmVcpu,
        bus: b::kvm_bus,
        direction: Direction,
        address: u64,
        len: u8,
        data: &mut [u8; 8],
    ) -> bool {
        if usize::from(len) > data.len() {
            return false;
        }
        // Devices in C read it as one number (virt/kvm/eventfd.c:ioeventfd_in_range).
        let mut aligned = u64::from_ne_bytes(*data);
        let pointer = (&raw mut aligned).cast();
        let (vcpu, len) = (vcpu.as_ptr(), i32::from(len));
        // SAFETY: Under srcu; there are eight bytes.
        let result = unsafe {
            match direction {
                Direction::Read => b::kvm_io_bus_read(vcpu, bus, address, len, pointer),
                Direction::Write => b::kvm_io_bus_write(vcpu, bus, address, len, pointer),
            }
        };
        *data = aligned.to_ne_bytes();
        result == 0
    }

    /// Whether the VMM's memory is at `gpa`.
    pub(crate) fn has_memory(&self, gpa: u64) -> bool {
        !is_error(self.hva(gpa >> c::PAGE_SHIFT))
    }

    /// Runs `f` with the `size` bytes of guest memory at `gpa`, which are in one page;
    /// the page is dirty afterwards. Not if there is no memory.
    pub(crate) fn with_memory(
        &self,
        cache: &mut HvaCache,
        gpa: u64,
        size: usize,
        f: impl FnOnce(Record),
    ) {
        let (kvm, cache) = (self.vm.as_ptr(), &mut cache.0);
        let current =
            self.generation() == cache.generation && cache.gpa == gpa && cache.len == size;
        // SAFETY: The VM is alive, and the slot of the cache is valid under srcu while
        // the generation agrees: it has the `size` bytes.
        unsafe {
            if !current && b::kvm_gfn_to_hva_cache_init(kvm, cache, gpa, size) != 0 {
                cache.gpa = u64::MAX;
            } else if !cache.memslot.is_null() {
                f(Record::at(cache.hva, size));
                // As in `SlotPage::mark_dirty`.
                let _guard = PreemptGuard::new();
                b::mark_page_dirty_in_slot(kvm, cache.memslot, gpa >> c::PAGE_SHIFT);
            }
        }
    }
}

/// Where some guest memory was in the VMM's last time.
#[derive(Default)]
pub(crate) struct HvaCache(b::gfn_to_hva_cache);

impl Drop for Srcu<'_> {
    #[inline]
    fn drop(&mut self) {
        self.vm.srcu_read_unlock(self.index);
    }
}
