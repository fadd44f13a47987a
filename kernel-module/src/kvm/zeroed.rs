// SPDX-License-Identifier: GPL-2.0

//! Values that are all zero bytes.

use pin_init::{init_from_closure, Init};

/// Makes a value of zero bytes in place, of a type that cannot say `Zeroable` as it
/// knows nothing of the kernel.
///
/// # Safety
///
/// Zero bytes are a valid `T`.
pub(crate) unsafe fn zeroed<T>() -> impl Init<T> {
    let write = |slot: *mut T| {
        // SAFETY: There is room for a `T`.
        unsafe { slot.write_bytes(0, 1) };
        Ok(())
    };
    // SAFETY: By this function's contract.
    unsafe { init_from_closure(write) }
}
