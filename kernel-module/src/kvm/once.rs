// SPDX-License-Identifier: GPL-2.0

//! A pointer that is set once.

use core::pin::Pin;
use core::ptr::null_mut;

use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Release};

use crate::kvm::atomic::Word;

/// Nothing, and from some moment on a `T` on the heap. The kernel crate's `SetOnce`
/// holds the value itself, and asks for it by a call. Any thread may set the value, borrow it
/// and drop it, so `T` is for any thread: an `Atomic` pointer asks nothing of it.
///
/// # Invariants
///
/// The pointer is null, or came from a box and does not change any more.
pub(crate) struct OnceBox<T>(Atomic<*mut T>);

impl<T: Send + Sync> OnceBox<T> {
    /// Nothing yet.
    pub(crate) const fn new() -> Self {
        Self(Atomic::new(null_mut()))
    }

    /// The value, if there is one.
    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        // SAFETY: Null, or a value that lives until `drop`.
        unsafe { self.0.read_acquire().as_ref() }
    }

    /// Sets the value; EEXIST if there is one.
    pub(crate) fn set(&self, value: Pin<KBox<T>>) -> Result {
        // SAFETY: The value stays where it is.
        let value = KBox::into_raw(unsafe { Pin::into_inner_unchecked(value) });
        if self.0.cmpxchg(null_mut(), value, Release).is_ok() {
            return Ok(());
        }
        // SAFETY: Came from a box above, and was not stored.
        drop(unsafe { KBox::from_raw(value) });
        Err(EEXIST)
    }
}

impl<T> Drop for OnceBox<T> {
    fn drop(&mut self) {
        let value = *self.0.get_mut();
        if !value.is_null() {
            // SAFETY: Came from a box, by the invariant.
            drop(unsafe { KBox::from_raw(value) });
        }
    }
}
