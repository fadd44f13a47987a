// SPDX-License-Identifier: GPL-2.0

//! The VMM's memory, and the kernel's functions for the current thread.

use kernel::error::to_result;
use kernel::prelude::*;
use kernel::transmute::{AsBytes, FromBytes};
use kernel::uaccess::{UserPtr, UserSlice};

use crate::kvm::bindings as b;
use crate::kvm::calls::calls;

macro_rules! any_bytes {
    ($($kind:ty)*) => {
        // SAFETY: Plain integers without padding, of which any bytes are values.
        $(unsafe impl FromBytes for $kind {})*
    };
}

any_bytes! {
    b::kvm_one_reg b::kvm_device_attr b::kvm_enable_cap b::kvm_interrupt
    b::kvm_pre_fault_memory
}

/// Copies a `T` from user space.
pub(crate) fn read<T: FromBytes>(address: usize) -> Result<T> {
    UserSlice::new(UserPtr::from_addr(address), size_of::<T>())
        .reader()
        .read()
}

/// Copies a `T` to user space.
pub(crate) fn write<T: AsBytes>(address: usize, value: &T) -> Result {
    UserSlice::new(UserPtr::from_addr(address), size_of::<T>())
        .writer()
        .write(value)
}

/// Words of guest memory, in the VMM's. An access fails with EFAULT where the VMM has no
/// memory any more.
#[derive(Clone, Copy)]
pub(crate) struct Record {
    address: usize,
    /// Bytes.
    size: usize,
}

/// Bytes of the longest word that is accessed.
const LONGEST: usize = size_of::<u64>();

macro_rules! accesses {
    ($($(#[$meta:meta])* $name:ident($($in:ident: $kind:ty)?) $(-> $out:ty)?, $call:ident;)*) => {$(
        $(#[$meta])*
        pub(crate) fn $name(self, offset: usize $(, $in: $kind)?) -> Result $(<$out>)? {
            $(let mut value: $out = 0;)?
            let address = self.place(offset)?;
            // SAFETY: An address of user space; faults are handled.
            to_result(unsafe {
                b::$call($($in,)? $({ let to: *mut $out = &raw mut value; to },)? address)
            })?;
            Ok(($({ let read: $out = value; read })?))
        }
    )*};
}

impl Record {
    /// The words of the `size` bytes at `address`.
    ///
    /// # Safety
    ///
    /// They are in a memory slot, whose addresses were checked to be user space's when it
    /// was made.
    #[inline]
    pub(crate) unsafe fn at(address: usize, size: usize) -> Self {
        Self { address, size }
    }

    /// Address of the word at `offset`, in user space by the contract of `at`; EFAULT unless
    /// the longest word fits there.
    #[inline]
    fn place(self, offset: usize) -> Result<usize> {
        match self.size.checked_sub(LONGEST) {
            Some(last) if offset <= last => Ok(self.address.wrapping_add(offset)),
            _ => Err(EFAULT),
        }
    }

    accesses! {
        /// Reads a word.
        get_u32() -> u32, kvm_la_get_user_u32;
        /// Reads a double word.
        get_u64() -> u64, kvm_la_get_user_u64;
        /// Writes a byte.
        put_u8(value: u8), kvm_la_put_user_u8;
        /// Writes a byte, or fails rather than sleep.
        put_u8_now(value: u8), kvm_la_put_user_u8_atomic;
        /// Writes a word.
        put_u32(value: u32), kvm_la_put_user_u32;
        /// Writes a double word.
        put_u64(value: u64), kvm_la_put_user_u64;
    }
}

// They read the current task or a setting. No guard of a spin lock lives
// across `cond_resched`: what it guards is reached inside of closures.
calls! {
    /// The current thread's waiting time so far, in nanoseconds.
    pub(crate) fn run_delay() -> u64 = kvm_la_run_delay;

    /// Whether the kernel keeps that time.
    pub(crate) fn has_run_delay() -> bool = kvm_la_sched_info_on;

    /// Whether a signal waits for the current thread.
    pub(crate) fn has_signal() -> bool = kvm_la_has_signal;

    /// Lets other threads run.
    pub(crate) fn cond_resched() = kvm_la_cond_resched;

    /// Does to the VMM's page tables what a store of the VMM at `hva` would; may sleep.
    /// A negative error number if that may not be.
    pub(crate) fn fix_for_store(hva: u64) -> i32 = kvm_la_fixup_for_write;

    /// Tells the VMM's thread that the page at `hva` is poisoned.
    pub(crate) fn send_poisoned(hva: u64) = kvm_la_send_hwpoison;

    /// Whether a page frame is memory, not a device's.
    pub(crate) fn is_memory(pfn: u64) -> bool = kvm_la_pfn_valid;
}
