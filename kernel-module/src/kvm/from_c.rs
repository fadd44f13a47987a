// SPDX-License-Identifier: GPL-2.0

//! Arguments that C passes, each as a type that says what C promises of it.

use core::ptr::NonNull;

use crate::kvm::bindings as b;

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
        [$($generics:tt)*] $kind:ty: $c:ty = |$argument:ident| $body:expr;
    )*) => {$(
        impl<$($generics)*> $crate::kvm::from_c::FromC for $kind {
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
pub(crate) use from_c;

from_c! {
    [] bool: bool = |value| value;
    [] i32: i32 = |value| value;
    [] u32: u32 = |value| value;
    [] u64: u64 = |value| value;
    [] isize: isize = |value| value;
    [] usize: usize = |value| value;
    /// What nothing is done with.
    [T] *mut T: *mut T = |pointer| pointer;
    /// Its own half, which nothing else uses yet.
    ['a, T] Unmade<'a, T>: *mut T = |half| Unmade(&mut *half);
    /// A structure that C says nothing else changes meanwhile.
    ['a, T: Given] &'a mut T: *mut T = |given| &mut *given;
}

/// Makes functions that C calls, by name or by a pointer: `[generics](arguments) -> C's
/// result = ours`, where an argument's type says what C promises of it.
macro_rules! callbacks {
    ($(
        $(#[$meta:meta])*
        $vis:vis $name:ident[$($generics:tt)*]($($argument:ident: $kind:ty),*)
            $(-> $result:ty)? = $ours:expr;
    )*) => {$(
        /// # Safety
        ///
        /// C calls it, and keeps what the types of the arguments say where it is made.
        $(#[$meta])*
        $vis unsafe extern "C" fn $name<$($generics)*>(
            $($argument: <$kind as $crate::kvm::from_c::FromC>::C),*
        ) $(-> $result)? {
            // SAFETY: By this function's contract.
            $(let $argument = unsafe { <$kind as $crate::kvm::from_c::FromC>::from_c($argument) };)*
            $crate::kvm::error::IntoC::into_c($ours($($argument),*))
        }
    )*};
}
pub(crate) use callbacks;

/// A VM or vCPU of C's that is to get its half in Rust.
pub(crate) struct Unmade<'a, T>(pub(crate) &'a mut T);

impl<T> Unmade<'_, T> {
    /// C's half; valid until that in Rust is destroyed.
    pub(crate) fn get(&mut self) -> NonNull<T> {
        NonNull::from(&mut *self.0)
    }
}

/// Structures that C lends to a function of ours.
///
/// # Safety
///
/// C gives a copy in the kernel, or nothing else changes the structure meanwhile.
pub(crate) unsafe trait Given {}

macro_rules! given {
    ($($kind:ident)*) => {
        // SAFETY: Generic KVM has a copy of its own for one call (kvm_vcpu_ioctl, kvm_vm_ioctl,
        // kvm_device_ioctl_attr, kvm_handle_hva_range, irqfd_wakeup, kvm_set_irq), or makes an
        // entry that nothing else sees yet (setup_routing_entry).
        $(unsafe impl Given for b::$kind {})*
    };
}

given! {
    kvm_regs kvm_fpu kvm_mp_state kvm_guest_debug kvm_gfn_range kvm_irq_level kvm_device_attr
    kvm_kernel_irq_routing_entry
}
