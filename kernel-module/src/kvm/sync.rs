// SPDX-License-Identifier: GPL-2.0

//! A lock that interrupt handlers may take.

use core::cell::UnsafeCell;

use kernel::prelude::*;
use kernel::types::Opaque;
use pin_init::Wrapper;

use crate::kvm::bindings as b;
use crate::kvm::calls::calls;

/// What a lock protects. Lockdep tells locks apart by it, and reports a deadlock if two of
/// one class are held at the same time.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Class {
    /// A vCPU's inter-processor interrupts. No other is taken inside.
    Ipi = b::kvm_la_lock_class_KVM_LA_LOCK_IPI,
    /// The extended I/O interrupt controller. No other is taken inside.
    Eiointc = b::kvm_la_lock_class_KVM_LA_LOCK_EIOINTC,
    /// The platform controller hub. [`Class::Eiointc`] is taken inside.
    PchPic = b::kvm_la_lock_class_KVM_LA_LOCK_PCH_PIC,
    /// The message interrupt controller. No other is taken inside.
    Dmsintc = b::kvm_la_lock_class_KVM_LA_LOCK_DMSINTC,
}

/// A value behind a raw spin lock, which is taken with interrupts off. The kernel
/// crate has no lock of this kind.
#[pin_data]
pub(crate) struct Lock<T> {
    #[pin]
    lock: Opaque<b::raw_spinlock_t>,
    #[pin]
    value: UnsafeCell<T>,
}

// SAFETY: Neither a lock nor its value belongs to a thread.
unsafe impl<T: Send> Send for Lock<T> {}
// SAFETY: The value is reached under the lock only.
unsafe impl<T: Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    fn as_ptr(&self) -> *mut b::raw_spinlock_t {
        self.lock.get()
    }

    // `new` has set the lock up; `with` gives back what it takes.
    calls! {
        fn acquire(&self) -> usize = kvm_la_raw_spin_lock_irqsave;
        fn release(&self, flags: usize) = kvm_la_raw_spin_unlock_irqrestore;
    }

    /// A lock around what `value` makes.
    pub(crate) fn new(class: Class, value: impl PinInit<T>) -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: Sets up a lock at its final address.
            lock <- Opaque::ffi_init(|lock| unsafe {
                b::kvm_la_raw_spin_lock_init(lock, class as u32);
            }),
            value <- UnsafeCell::pin_init(value),
        })
    }

    /// Runs `f` with the value. `f` does not sleep and does not take this lock
    /// again.
    #[inline]
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let flags = self.acquire();
        // SAFETY: The lock is held.
        let result = f(unsafe { &mut *self.value.get() });
        self.release(flags);
        result
    }
}
