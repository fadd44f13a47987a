// SPDX-License-Identifier: GPL-2.0

//! A lock that interrupt handlers may take.

use core::cell::UnsafeCell;

use crate::bindings as b;

/// What a lock protects: lockdep tells locks apart by it, and takes locks of one
/// class that are held at the same time for a deadlock.
#[derive(Clone, Copy)]
pub(crate) enum Class {
    /// A vCPU's inter-processor interrupts. No other is taken inside.
    Ipi = 0,
    /// The extended I/O interrupt controller. No other is taken inside.
    Eiointc = 1,
    /// The platform controller hub. [`Class::Eiointc`] is taken inside.
    PchPic = 2,
    /// The message interrupt controller. No other is taken inside.
    Dmsintc = 3,
}

/// A value behind a raw spin lock, which is taken with interrupts off.
///
/// It is made inside zeroed memory, where [`Lock::init`] then sets up the lock
/// at its final address.
pub(crate) struct Lock<T> {
    lock: UnsafeCell<b::raw_spinlock_t>,
    value: UnsafeCell<T>,
}

// SAFETY: The value is reached under the lock only.
unsafe impl<T: Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    /// Sets the lock up.
    ///
    /// # Safety
    ///
    /// The value is valid, nobody else has the `Lock` yet, and it does not
    /// move from now on.
    pub(crate) unsafe fn init(&self, class: Class) {
        // SAFETY: By this function's contract.
        unsafe { b::kvm_la_raw_spin_lock_init(self.lock.get(), class as u32) };
    }

    /// Runs `f` with the value. `f` does not sleep and does not take this lock
    /// again.
    #[inline]
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: `init` has run.
        let flags = unsafe { b::kvm_la_raw_spin_lock_irqsave(self.lock.get()) };
        // SAFETY: The lock is held.
        let result = f(unsafe { &mut *self.value.get() });
        // SAFETY: Locked above with these flags.
        unsafe { b::kvm_la_raw_spin_unlock_irqrestore(self.lock.get(), flags) };
        result
    }

    /// Where the value is, to make it.
    pub(crate) fn place(this: *const Self) -> *mut T {
        // SAFETY: Only computes an address within `this`.
        unsafe { (&raw const (*this).value).cast::<T>().cast_mut() }
    }
}
