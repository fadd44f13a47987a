// SPDX-License-Identifier: GPL-2.0

//! The beginning and end of a vCPU.

use core::cell::UnsafeCell;

use kernel::prelude::*;
use kernel::types::ForeignOwnable;
use pin_init::Wrapper;

use crate::cpu::host::host;
use crate::cpu::switch::{Handler, Switch};
use crate::kvm::bindings as b;
use crate::kvm::from_c::{FromC, Unmade};
use crate::vcpu::owned::Owned;
use crate::vcpu::resident::Resident;
use crate::vcpu::shared::Shared;
use crate::vcpu::{kept, Vcpu};
use crate::vm::Vm;

/// kvm_arch_vcpu_create; `handler` gets the vCPU's exits.
pub(crate) fn create(mut new: Unmade<'_, b::kvm_vcpu>, handler: Handler) -> Result {
    let (kvm, id) = (new.0.kvm, new.0.vcpu_id as u32);
    // SAFETY: C has set them, and VM and generic half outlive the vCPU.
    let (vm, shared) = unsafe {
        let vm = <&Vm>::from_c(kvm);
        (vm, Shared::new(new.get(), vm, id))
    };
    let vcpu = KBox::pin_init(
        pin_init!(Vcpu {
            owned: UnsafeCell::new(Owned::new(Switch::new(vm, handler))),
            shared <- shared,
            resident <- UnsafeCell::pin_init(Resident::new(id)),
        }),
        GFP_KERNEL_ACCOUNT,
    )?;
    // C keeps the pointer and hands it back to `destroy`.
    new.0.arch.vcpu = vcpu.into_foreign();
    Ok(())
}

/// kvm_arch_vcpu_postcreate: the vCPU is in the VM's list.
pub(crate) fn published(vcpu: &Shared) {
    vcpu.vm().publish(vcpu);
}

/// kvm_arch_vcpu_destroy: nothing uses the vCPU any more.
pub(crate) fn destroy(vcpu: Pin<KBox<Vcpu>>) {
    kept::fetch(&vcpu.shared);
    vcpu.shared.vm().withdraw(&vcpu.shared);
    host().forget(&vcpu.shared);
}
