// SPDX-License-Identifier: GPL-2.0

//! What C passes to a function of ours, as what C promises of it.
//!
//! A promise is a type: who calls a hook with a vCPU's mutex held is given away by a
//! [`Parked`] among its arguments. The table of hooks is in `hooks`.

use core::ptr::NonNull;

use kernel::prelude::*;
use kernel::types::ForeignOwnable;

use crate::bindings as b;
use crate::mmu::Locked;
use crate::shared::Shared;
use crate::slots::{ConstSlot, SlotPointer};
use crate::vcpu::{Notified, Parked, Vcpu};
use crate::vm::Vm;

/// An argument of a function that C calls.
pub(crate) trait FromC {
    /// C's type.
    type C;

    /// The argument, for the time of the call.
    ///
    /// # Safety
    ///
    /// C keeps what the type says of it.
    unsafe fn from_c(argument: Self::C) -> Self;
}

macro_rules! from_c {
    ($(
        $(#[$meta:meta])*
        [$($lifetime:lifetime)?] $kind:ty: $c:ty = |$argument:ident| $body:expr;
    )*) => {$(
        impl$(<$lifetime>)? FromC for $kind {
            type C = $c;

            $(#[$meta])*
            #[inline(always)]
            unsafe fn from_c($argument: $c) -> Self {
                // SAFETY: By this function's contract.
                #[allow(unused_unsafe)]
                unsafe {
                    $body
                }
            }
        }
    )*};
}

from_c! {
    [] bool: bool = |value| value;
    [] i32: i32 = |value| value;
    [] u32: u32 = |value| value;
    [] u64: u64 = |value| value;
    [] isize: isize = |value| value;
    [] usize: usize = |value| value;

    /// A VM that lives.
    ['a] &'a Vm: *mut b::kvm = |kvm| Vm::from_c(kvm);
    /// A VM whose `mmu_lock` is held.
    ['a] Locked<'a>: *mut b::kvm = |kvm| Locked::new(Vm::from_c(kvm));
    /// A VM at its end.
    [] NonNull<b::kvm>: *mut b::kvm = |kvm| NonNull::new_unchecked(kvm);

    /// A vCPU that lives; any thread.
    ['a] &'a Shared: *mut b::kvm_vcpu = |vcpu| &Vcpu::from_c(vcpu).shared;
    /// The same, or none.
    ['a] Option<&'a Shared>: *mut b::kvm_vcpu =
        |vcpu| if vcpu.is_null() { None } else { Some(&Vcpu::from_c(vcpu).shared) };
    /// A vCPU whose mutex is held, and that is not loaded.
    ['a] Parked<'a>: *mut b::kvm_vcpu = |vcpu| Parked::new(Vcpu::from_c(vcpu));
    /// A vCPU whose thread is scheduled in or out, preemption off.
    ['a] Notified<'a>: *mut b::kvm_vcpu = |vcpu| Notified::new(Vcpu::from_c(vcpu));
    /// A vCPU at its end, given back.
    [] Pin<KBox<Vcpu>>: *mut b::kvm_vcpu = |vcpu| Self::from_foreign((*vcpu).arch.vcpu);

    /// The file of a VM.
    ['a] File<&'a Vm>: *mut b::file = |file| File(Vm::from_c((*file).private_data.cast()));
    /// The file of a vCPU whose mutex is held, and that is not loaded.
    ['a] File<Parked<'a>>: *mut b::file =
        |file| File(Parked::new(Vcpu::from_c((*file).private_data.cast())));
    /// The file of a vCPU.
    ['a] File<&'a Shared>: *mut b::file =
        |file| File(&Vcpu::from_c((*file).private_data.cast()).shared);

    /// A slot that is valid for the call, or none.
    ['a] Option<SlotPointer<'a>>: *mut b::kvm_memory_slot = |slot| SlotPointer::new(slot);
    /// The same.
    ['a] ConstSlot<'a>: *const b::kvm_memory_slot = |slot| ConstSlot(SlotPointer::new(slot));
    /// A slot that nothing else sees yet, or none.
    ['a] Option<&'a mut b::kvm_memory_slot>: *mut b::kvm_memory_slot = |slot| slot.as_mut();
    /// An entry of user space's table, copied.
    ['a] &'a b::kvm_irq_routing_entry: *const b::kvm_irq_routing_entry = |entry| &*entry;
    /// A device's VM.
    ['a] OfDevice<'a>: *mut b::kvm_device = |device| OfDevice(Vm::from_c((*device).kvm));
}

/// What a file is of.
pub(crate) struct File<T>(pub(crate) T);

/// The VM of a device.
pub(crate) struct OfDevice<'a>(pub(crate) &'a Vm);

/// A VM or vCPU of C's that is to get its half in Rust.
pub(crate) struct Unmade<'a, T>(&'a mut T);

impl<T> Unmade<'_, T> {
    /// C's half; valid until that in Rust is destroyed.
    pub(crate) fn get(&self) -> NonNull<T> {
        NonNull::from_ref(self.0)
    }
}

impl<T> FromC for Unmade<'_, T> {
    type C = *mut T;

    #[inline(always)]
    unsafe fn from_c(argument: *mut T) -> Self {
        // SAFETY: By this function's contract.
        Self(unsafe { &mut *argument })
    }
}

/// What nothing is done with.
impl<T> FromC for *mut T {
    type C = Self;

    #[inline(always)]
    unsafe fn from_c(argument: Self) -> Self {
        argument
    }
}

/// Structures of which C gives a kernel copy, or that nothing else changes meanwhile.
pub(crate) trait Given {}

macro_rules! given {
    ($($kind:ident)*) => { $(impl Given for b::$kind {})* };
}

given! {
    kvm_regs kvm_fpu kvm_mp_state kvm_guest_debug kvm_gfn_range kvm_irq_level kvm_device_attr
    kvm_kernel_irq_routing_entry
}

impl<T: Given> FromC for &mut T {
    type C = *mut T;

    #[inline(always)]
    unsafe fn from_c(argument: *mut T) -> Self {
        // SAFETY: By this function's contract.
        unsafe { &mut *argument }
    }
}
