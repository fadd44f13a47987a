// SPDX-License-Identifier: GPL-2.0

//! Words that several contexts change, in the kernel's memory model.
//!
//! They are the kernel crate's [`Atomic`]s. Its functions are calls of C as long as the
//! kernel has no CONFIG_RUST_INLINE_HELPERS, and it has none for single bits, so what is
//! on the way of exits is here, inline: READ_ONCE, WRITE_ONCE, bits and barriers. The rest
//! is done by the crate's functions.

use core::arch::asm;

use kernel::sync::atomic::Atomic;

/// Accesses without order. A value that was read through a pointer from [`Word::read_once`] is
/// as new as the pointer: LoongArch keeps the order of an address and its use.
pub(crate) trait Word<T> {
    /// READ_ONCE.
    fn read_once(&self) -> T;

    /// WRITE_ONCE.
    fn write_once(&self, value: T);
}

/// Makes the accesses to words of a type by those to integers: a volatile `bool` would be
/// masked at each read.
macro_rules! words {
    ($([$($generics:tt)*] $kind:ty as $word:ty: |$read:ident| $value:expr;)*) => {$(
        impl<$($generics)*> Word<$kind> for Atomic<$kind> {
            #[inline(always)]
            fn read_once(&self) -> $kind {
                // SAFETY: A valid word; the volatile access of one is atomic.
                let $read = unsafe { self.as_ptr().cast::<$word>().read_volatile() };
                $value
            }

            #[inline(always)]
            fn write_once(&self, value: $kind) {
                // SAFETY: As for `read_once`.
                unsafe { self.as_ptr().write_volatile(value) }
            }
        }
    )*};
}

words! {
    [] bool as u8: |byte| byte != 0;
    [] i32 as i32: |word| word;
    [] u32 as u32: |word| word;
    [] i64 as i64: |word| word;
    [] u64 as u64: |word| word;
    [] usize as usize: |word| word;
    [T] *mut T as *mut T: |pointer| pointer;
}

/// Bits of a word that are set and cleared one by one.
pub(crate) trait Bits {
    /// Sets those of `mask`, fully ordered.
    fn set_bits(&self, mask: u64);

    /// Clears those of `mask`, without order.
    fn clear_bits(&self, mask: u64);
}

/// Changes a word by an instruction that is atomic.
macro_rules! change {
    ($instruction:literal, $word:expr, $operand:expr) => {{
        let word: &Atomic<u64> = $word;
        // SAFETY: A valid word.
        unsafe {
            asm!(concat!($instruction, " $zero, {operand}, {word}"),
                operand = in(reg) $operand, word = in(reg) word.as_ptr(), options(nostack))
        }
    }};
}

impl Bits for Atomic<u64> {
    #[inline(always)]
    fn set_bits(&self, mask: u64) {
        change!("amor_db.d", self, mask);
    }

    #[inline(always)]
    fn clear_bits(&self, mask: u64) {
        change!("amand.d", self, !mask);
    }
}

/// Makes barriers of the hints that Linux has for them (asm/barrier.h).
macro_rules! barriers {
    ($($(#[$meta:meta])* $name:ident = $hint:literal;)*) => {$(
        $(#[$meta])*
        #[inline(always)]
        pub(crate) fn $name() {
            // SAFETY: A barrier.
            unsafe { asm!("dbar {hint}", hint = const $hint, options(nostack)) };
        }
    )*};
}

barriers! {
    /// smp_mb: all before is seen before all after.
    full_barrier = 0b1_0000;
    /// What makes a read an smp_load_acquire: it is done before all after.
    acquire_barrier = 0b1_0100;
    /// smp_wmb: what was written before is seen before what is written after.
    write_barrier = 0b1_1010;
}
