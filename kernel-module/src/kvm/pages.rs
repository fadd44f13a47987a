// SPDX-License-Identifier: GPL-2.0

//! Pages of directly mapped memory.

use core::ptr::NonNull;

use kernel::prelude::*;

use crate::kvm::any_thread::AnyThread;
use crate::kvm::bindings as b;

/// A page that was zero when it was made.
pub(crate) struct ZeroedPage(AnyThread<u8>);

impl ZeroedPage {
    /// Allocates it.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: No precondition; 0 is failure.
        let address = unsafe { b::kvm_la_get_zeroed_pages(0) };
        let page = NonNull::new(address as *mut u8).ok_or(ENOMEM)?;
        Ok(Self(AnyThread::new(page)))
    }

    /// Its start.
    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut u8 {
        self.0.as_ptr()
    }

    /// Its physical address.
    pub(crate) fn physical(&self) -> u64 {
        // SAFETY: Arithmetic on a directly mapped address.
        unsafe { b::kvm_la_pa(self.as_ptr().cast()) as u64 }
    }
}

impl Drop for ZeroedPage {
    fn drop(&mut self) {
        // SAFETY: Allocated in `new`.
        unsafe { b::kvm_la_free_pages(self.as_ptr() as usize, 0) };
    }
}
