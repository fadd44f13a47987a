// SPDX-License-Identifier: GPL-2.0

//! Pointers to what any thread may use.

use core::ptr::NonNull;

/// A pointer that goes to any thread: to use it is `unsafe` anyway, and the type around
/// it says how.
pub(crate) struct AnyThread<T>(NonNull<T>);

// SAFETY: An address.
unsafe impl<T> Send for AnyThread<T> {}
// SAFETY: An address.
unsafe impl<T> Sync for AnyThread<T> {}

impl<T> AnyThread<T> {
    /// This pointer.
    pub(crate) fn new(pointer: NonNull<T>) -> Self {
        Self(pointer)
    }

    /// The pointer.
    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut T {
        self.0.as_ptr()
    }
}
