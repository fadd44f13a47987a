// SPDX-License-Identifier: GPL-2.0

//! vCPUs by a number, for any thread without a lock.

use core::ptr::{from_ref, null_mut};

use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Release};
use kvm_core::intc::VcpuId;
use la_arch::kvm::MAX_PHYID;
use pin_init::init_array_from_fn;

use crate::kvm::atomic::Word;
use crate::kvm::bindings::constant::KVM_MAX_VCPU_IDS;
use crate::vcpu::shared::Shared;

/// How many numbers there are.
const NUMBERS: usize = VcpuId::COUNT;

// Of vCPUs, and of guest CPUs.
const _: () = assert!(KVM_MAX_VCPU_IDS == NUMBERS as u64 && MAX_PHYID as usize == NUMBERS);

/// vCPUs by number.
pub(crate) struct VcpuTable(KVBox<[Atomic<*mut Shared>; NUMBERS]>);

impl VcpuTable {
    /// An empty one.
    pub(crate) fn new() -> Result<Self> {
        let none = init_array_from_fn(|_| Atomic::new(null_mut()));
        Ok(Self(KVBox::init(none, GFP_KERNEL_ACCOUNT)?))
    }

    /// The vCPU with `number`.
    #[inline]
    pub(crate) fn get(&self, number: usize) -> Option<&Shared> {
        let vcpu = self.0.get(number)?.read_once();
        // SAFETY: `put` asks that what is here is taken out before it is freed; and a vCPU is
        // freed with its VM only, which has this table.
        unsafe { vcpu.as_ref() }
    }

    /// Whether `number` is `vcpu`'s.
    pub(crate) fn is(&self, number: usize, vcpu: &Shared) -> bool {
        self.get(number)
            .is_some_and(|found| core::ptr::eq(found, vcpu))
    }

    /// `vcpu` is complete, and has `number` from now on.
    ///
    /// # Safety
    ///
    /// [`Self::remove`] is called with them before the vCPU is freed.
    pub(crate) unsafe fn put(&self, number: usize, vcpu: &Shared) {
        if let Some(place) = self.0.get(number) {
            place.store(from_ref(vcpu).cast_mut(), Release);
        }
    }

    /// `vcpu` is being destroyed: nothing finds it by `number` any more.
    pub(crate) fn remove(&self, number: usize, vcpu: &Shared) {
        match self.0.get(number) {
            Some(place) if core::ptr::eq(place.read_once(), vcpu) => place.write_once(null_mut()),
            _ => {}
        }
    }
}
