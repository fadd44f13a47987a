// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Memory for machine code: bounded, and never writable and executable at once.

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
use std::ffi::c_void;
use std::io;
use std::num::NonZeroU32;
use std::ptr::NonNull;
use wasmtime_internal_jit_icache_coherence::{clear_cache, pipeline_flush_mt};

/// Functions begin at multiples of this.
const ALIGNMENT: usize = 16;

/// Granularity of protection: the largest page of the hosts.
const PAGE: usize = 64 << 10;

/// A function in a [`CodeMemory`], by its distance from the beginning. It is there until
/// the memory is cleared, or to the end if it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(in super::super) struct Code(NonZeroU32);

/// A range of addresses that is filled from its beginning.
pub(super) struct CodeMemory {
    base: NonNull<u8>,
    size: usize,
    used: usize,
    /// How much of it is never cleared.
    kept: usize,
}

// SAFETY: The mapping belongs to no thread in particular.
unsafe impl Send for CodeMemory {}
impl CodeMemory {
    /// Reserves room for `size` bytes, rounded up to whole pages.
    pub(super) fn new(size: usize) -> io::Result<Self> {
        let size = size.next_multiple_of(PAGE);
        // SAFETY: A new private mapping at an address of the system's choice.
        let base = unsafe {
            mmap_anonymous(
                std::ptr::null_mut(),
                size,
                ProtFlags::empty(),
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )
        }?;
        let base = NonNull::new(base.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(CodeMemory {
            base,
            size,
            // No function is at the very beginning.
            used: ALIGNMENT,
            kept: ALIGNMENT,
        })
    }

    /// Puts a function there; `None` if there is no room for it.
    pub(super) fn add(&mut self, code: &[u8]) -> io::Result<Option<Code>> {
        let start = self.used;
        let Some(end) = start.checked_add(code.len()).filter(|&e| e <= self.size) else {
            return Ok(None);
        };
        let Some(place) = u32::try_from(start).ok().and_then(NonZeroU32::new) else {
            return Ok(None);
        };
        let (first, last) = (start / PAGE * PAGE, end.next_multiple_of(PAGE));
        self.protect(first, last, MprotectFlags::READ | MprotectFlags::WRITE)?;
        #[expect(
            clippy::multiple_unsafe_ops_per_block,
            reason = "one bound covers both"
        )]
        // SAFETY: The range is inside the mapping, and writable now.
        let first_byte = unsafe {
            let first_byte = self.base.add(start);
            first_byte.copy_from_nonoverlapping(NonNull::from(code).cast(), code.len());
            first_byte
        };
        self.protect(first, last, MprotectFlags::READ | MprotectFlags::EXEC)?;
        // Some CPUs fetch instructions from a cache of their own.
        // SAFETY: The range was written just now.
        unsafe { clear_cache(first_byte.as_ptr().cast(), code.len()) }?;
        pipeline_flush_mt()?;
        self.used = end.next_multiple_of(ALIGNMENT).min(self.size);
        Ok(Some(Code(place)))
    }

    /// Where its first byte is.
    pub(super) fn base(&self) -> *const u8 {
        self.base.as_ptr()
    }

    /// Where a function of it is.
    #[inline(always)]
    pub(super) fn address(&self, code: Code) -> *const u8 {
        self.base().wrapping_add(code.0.get() as usize)
    }

    /// Keeps what is there until the end.
    pub(super) fn keep(&mut self) {
        self.kept = self.used;
    }

    /// Makes room: every [`Code`] is void but those that are kept.
    pub(super) fn clear(&mut self) {
        self.used = self.kept;
    }

    fn protect(&self, first: usize, last: usize, flags: MprotectFlags) -> io::Result<()> {
        let last = last.min(self.size);
        #[expect(
            clippy::multiple_unsafe_ops_per_block,
            reason = "one bound covers both"
        )]
        // SAFETY: The range is inside the mapping, of which nothing borrows.
        unsafe {
            mprotect(
                self.base.as_ptr().add(first).cast::<c_void>(),
                last - first,
                flags,
            )
        }?;
        Ok(())
    }
}

impl Drop for CodeMemory {
    fn drop(&mut self) {
        // SAFETY: The mapping made in `new`; no code of it runs, as running code
        // borrows the engine that owns this.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.size) };
    }
}
