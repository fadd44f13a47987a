// SPDX-License-Identifier: GPL-2.0

//! Memory slots and buses of a VM, which stay as they are under `kvm->srcu`.

use kvm_core::decode::Direction;

use crate::bindings as b;
use crate::vcpu::Vcpu;

/// Holds the VM's srcu: slots and buses stay as they are.
pub(crate) struct Srcu<'a> {
    vcpu: &'a Vcpu,
    index: i32,
}

/// A memory slot, valid as long as srcu is held.
pub(crate) struct SlotPointer<'a> {
    slot: *mut b::kvm_memory_slot,
    _srcu: core::marker::PhantomData<&'a Srcu<'a>>,
}

impl SlotPointer<'_> {
    /// For KVM's functions.
    #[inline]
    pub(crate) fn get(&self) -> *mut b::kvm_memory_slot {
        self.slot
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
        let gfn = gpa >> b::constant::PAGE_SHIFT;
        // SAFETY: Under srcu, on the vCPU's thread.
        let slot = unsafe { b::kvm_vcpu_gfn_to_memslot(self.vcpu.kvm_vcpu, gfn) };
        (!slot.is_null()).then_some(SlotPointer {
            slot,
            _srcu: core::marker::PhantomData,
        })
    }
}

impl Drop for Srcu<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: Locked in `lock`.
        unsafe { b::kvm_la_srcu_read_unlock(self.vcpu.vm().kvm, self.index) };
    }
}
