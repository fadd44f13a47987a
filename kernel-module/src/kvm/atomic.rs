// SPDX-License-Identifier: GPL-2.0

//! Words that several contexts change, in the kernel's memory model.
//!
//! They are the kernel crate's [`Atomic`]s. Its functions are calls of C as long as the
//! kernel has no CONFIG_RUST_INLINE_HELPERS, and it has none for single bits, so what is
//! on the way of exits is here: READ_ONCE and its like, bits and barriers, by the compiler's
//! relaxed accesses and fences, whose instructions are those of Linux
//! (arch/loongarch/include/asm: barrier.h, atomic-amo.h). The rest is done by the crate's
//! functions.

use core::sync::atomic as compiler;
use core::sync::atomic::{fence, Ordering};

use kernel::sync::atomic::Atomic;

/// Accesses, without order where they do not say one. What is read through a pointer from
/// [`Word::read_once`] is as new as the pointer: LoongArch keeps the order of an address
/// and its use.
pub(crate) trait Word<T> {
    fn read_once(&self) -> T;

    /// smp_load_acquire: it is done before all after.
    fn read_acquire(&self) -> T;

    fn write_once(&self, value: T);
}

/// Bits of a word that are set and cleared one by one.
pub(crate) trait Bits {
    /// Sets those of `mask`; what was written before is seen by what sees them.
    fn set_bits(&self, mask: u64);

    /// Clears those of `mask`, without order.
    fn clear_bits(&self, mask: u64);
}

/// A word as the compiler's atomic.
macro_rules! inline {
    ($word:expr, $kind:ty) => {
        // SAFETY: A valid word; the types have one layout, and all accesses are atomic.
        unsafe { <$kind>::from_ptr($word.as_ptr()) }
    };
}

macro_rules! words {
    ($([$($generics:tt)*] $word:ty: $kind:ty;)*) => {$(
        impl<$($generics)*> Word<$word> for Atomic<$word> {
            #[inline(always)]
            fn read_once(&self) -> $word {
                inline!(self, $kind).load(Ordering::Relaxed)
            }

            #[inline(always)]
            fn read_acquire(&self) -> $word {
                inline!(self, $kind).load(Ordering::Acquire)
            }

            #[inline(always)]
            fn write_once(&self, value: $word) {
                inline!(self, $kind).store(value, Ordering::Relaxed)
            }
        }
    )*};
}

words! {
    [] bool: compiler::AtomicBool;
    [] i32: compiler::AtomicI32;
    [] u32: compiler::AtomicU32;
    [] i64: compiler::AtomicI64;
    [] u64: compiler::AtomicU64;
    [] usize: compiler::AtomicUsize;
    [T] *mut T: compiler::AtomicPtr<T>;
}

impl Bits for Atomic<u64> {
    #[inline(always)]
    fn set_bits(&self, mask: u64) {
        inline!(self, compiler::AtomicU64).fetch_or(mask, Ordering::Release);
    }

    #[inline(always)]
    fn clear_bits(&self, mask: u64) {
        inline!(self, compiler::AtomicU64).fetch_and(!mask, Ordering::Relaxed);
    }
}

/// smp_mb: all before is seen before all after.
#[inline(always)]
pub(crate) fn full_barrier() {
    fence(Ordering::SeqCst);
}

/// smp_wmb: what was written before is seen before what is written after.
#[inline(always)]
pub(crate) fn write_barrier() {
    fence(Ordering::Release);
}
