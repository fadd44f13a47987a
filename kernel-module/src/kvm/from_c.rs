// SPDX-License-Identifier: GPL-2.0

//! What C passes to a function of ours, as what C promises of it.

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
        [$($lifetime:lifetime)?] $kind:ty: $c:ty = |$argument:ident| $body:expr;
    )*) => {$(
        impl$(<$lifetime>)? $crate::kvm::from_c::FromC for $kind {
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
}

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
