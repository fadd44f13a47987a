// SPDX-License-Identifier: GPL-2.0

//! What C calls. A promise of C's is a type: a hook that C calls with a vCPU's mutex
//! held has a [`Parked`] among its arguments. The table of hooks is in `hooks`.

pub(crate) mod capability;
pub(crate) mod hooks;
pub(crate) mod ioctl;
pub(crate) mod one_reg;
pub(crate) mod registers;
pub(crate) mod sync_regs;

use kernel::prelude::*;
use kernel::types::ForeignOwnable;

use crate::kvm::bindings as b;
use crate::kvm::from_c::{from_c, FromC};
use crate::kvm::slots::{ConstSlot, SlotPointer};
use crate::mmu::Locked;
use crate::vcpu::notified::{Arriving, Notified};
use crate::vcpu::shared::Shared;
use crate::vcpu::{Loaded, Parked, Vcpu};
use crate::vm::Vm;

from_c! {
    /// A VM whose `mmu_lock` is held.
    ['a] Locked<'a>: *mut b::kvm = |kvm| Locked::new(FromC::from_c(kvm));
    /// A VM at its end, given back.
    [] Pin<KBox<Vm>>: *mut b::kvm = |kvm| Self::from_foreign((*kvm).arch.vm);

    /// A vCPU that lives: C holds a reference during each call.
    ['a] &'a Vcpu: *mut b::kvm_vcpu = |vcpu| &*(*vcpu).arch.vcpu.cast::<Vcpu>();
    /// The same; any thread.
    ['a] &'a Shared: *mut b::kvm_vcpu = |vcpu| &<&Vcpu>::from_c(vcpu).shared;
    /// The same, or none.
    ['a] Option<&'a Shared>: *mut b::kvm_vcpu =
        |vcpu| if vcpu.is_null() { None } else { Some(FromC::from_c(vcpu)) };
    /// A vCPU that this thread has loaded.
    ['a] Loaded<'a>: *mut b::kvm_vcpu = |vcpu| Loaded::new(FromC::from_c(vcpu));
    /// A vCPU whose mutex is held, and that is not loaded.
    ['a] Parked<'a>: *mut b::kvm_vcpu = |vcpu| Parked::new(FromC::from_c(vcpu));
    /// A vCPU whose thread is scheduled in or out, preemption off.
    ['a] Arriving<'a>: *mut b::kvm_vcpu = |vcpu| Arriving::new(FromC::from_c(vcpu));
    /// The same; no other CPU keeps its registers.
    ['a] Notified<'a>: *mut b::kvm_vcpu = |vcpu| Notified::new(FromC::from_c(vcpu));
    /// A vCPU at its end, given back.
    [] Pin<KBox<Vcpu>>: *mut b::kvm_vcpu = |vcpu| Self::from_foreign((*vcpu).arch.vcpu);

    /// The file of a VM or vCPU.
    [C, T: FromC<C = *mut C>] File<T>: *mut b::file =
        |file| File(T::from_c((*file).private_data.cast()));

    /// A slot that is valid for the call, or none.
    ['a] Option<SlotPointer<'a>>: *mut b::kvm_memory_slot = |slot| SlotPointer::new(slot);
    /// The same.
    ['a] ConstSlot<'a>: *const b::kvm_memory_slot = |slot| ConstSlot(SlotPointer::new(slot));
    /// A slot that nothing else sees yet, or none.
    ['a] Option<&'a mut b::kvm_memory_slot>: *mut b::kvm_memory_slot = |slot| slot.as_mut();
    /// An entry of user space's table, copied.
    ['a] &'a b::kvm_irq_routing_entry: *const b::kvm_irq_routing_entry = |entry| &*entry;
}

/// A file descriptor's file, as the VM or vCPU that it was opened for.
pub(crate) struct File<T>(pub(crate) T);
