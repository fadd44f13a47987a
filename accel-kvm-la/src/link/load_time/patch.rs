// SPDX-License-Identifier: GPL-2.0-or-later

//! Replacing functions of QEMU: the first instruction of each becomes a branch
//! to a stub. All of them or none.

use std::collections::BTreeSet;
use std::ffi::c_void;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering, fence};

use nix::sys::mman::{ProtFlags, mprotect};
use nix::unistd::{SysconfVar, sysconf};

use super::island::{Island, branch};

/// A function of QEMU and what takes its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replacement {
    /// The symbol.
    pub(crate) name: &'static str,
    /// Where QEMU's function is.
    pub(crate) entry: usize,
    /// Where ours is.
    pub(crate) function: usize,
}

/// Why the code was left as it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PatchError {
    /// There is no place for the island.
    #[error("no memory near its code can be made executable ({0})")]
    Island(nix::Error),
    /// A branch would not reach.
    #[error("{0} is too far from the jumps")]
    Reach(&'static str),
    /// A policy keeps code as it is.
    #[error("its code may not be changed ({0})")]
    Protected(nix::Error),
}

/// Replaces functions of the program at these addresses. On an error nothing is
/// changed.
pub(crate) fn replace(
    replacements: &[Replacement],
    program: &Range<usize>,
) -> Result<(), PatchError> {
    let (Some(first), Some(last)) = (
        replacements.iter().map(|r| r.entry).min(),
        replacements.iter().map(|r| r.entry).max(),
    ) else {
        return Ok(());
    };
    let page = page_size();
    let functions: Vec<usize> = replacements.iter().map(|r| r.function).collect();
    let code = first..last.saturating_add(4);
    let island = Island::new(&code, program, &functions, page).map_err(PatchError::Island)?;
    let mut words = Vec::new();
    for (i, replacement) in replacements.iter().enumerate() {
        let word = island
            .stub(i)
            .and_then(|stub| branch(replacement.entry, stub))
            .ok_or(PatchError::Reach(replacement.name))?;
        words.push((replacement.entry, word));
    }
    // SAFETY: the entries are those of exported functions, each at least one
    // instruction long; at this point of QEMU's start no other thread runs them.
    unsafe { write(&words, page) }.map_err(PatchError::Protected)
}

/// Writes instructions into code.
///
/// # Safety
///
/// Each address is that of an instruction, aligned, and no thread executes it
/// at this time.
unsafe fn write(words: &[(usize, u32)], page: usize) -> nix::Result<()> {
    let pages: BTreeSet<usize> = words.iter().map(|(at, _)| at / page * page).collect();
    let code = ProtFlags::PROT_READ | ProtFlags::PROT_EXEC;
    let mut opened: Vec<usize> = Vec::new();
    let mut result = Ok(());
    for at in pages {
        // SAFETY: QEMU's own code stays readable and executable all the time.
        result = unsafe { protect(at, page, code | ProtFlags::PROT_WRITE) };
        if result.is_err() {
            break;
        }
        opened.push(at);
    }
    if result.is_ok() {
        for (at, word) in words {
            let pointer = std::ptr::with_exposed_provenance_mut::<u32>(*at);
            // SAFETY: aligned by this function's contract, and just made
            // writable. Executing threads see the old or the new instruction.
            unsafe { AtomicU32::from_ptr(pointer) }.store(*word, Ordering::Release);
        }
        synchronize_instructions();
    }
    for at in opened {
        // Code that stays writable is no reason to stop.
        // SAFETY: as above.
        let _ = unsafe { protect(at, page, code) };
    }
    result
}

/// Changes the protection of one page.
///
/// # Safety
///
/// The page is one of the program's, and `flags` leave it what it is used for.
unsafe fn protect(at: usize, page: usize, flags: ProtFlags) -> nix::Result<()> {
    let pointer = std::ptr::with_exposed_provenance_mut::<c_void>(at);
    let pointer = NonNull::new(pointer).ok_or(nix::Error::EINVAL)?;
    // SAFETY: by this function's contract.
    unsafe { mprotect(pointer, page, flags) }
}

/// What was written as data is fetched as instructions from here on. Threads
/// that start later are ordered after it by their creation.
fn synchronize_instructions() {
    fence(Ordering::SeqCst);
    #[cfg(target_arch = "loongarch64")]
    // SAFETY: a fetch barrier has no operand and changes no register.
    unsafe {
        std::arch::asm!("ibar 0", options(nostack, preserves_flags));
    }
}

/// The kernel's page size.
fn page_size() -> usize {
    sysconf(SysconfVar::PAGE_SIZE)
        .ok()
        .flatten()
        .and_then(|size| usize::try_from(size).ok())
        .filter(|size| size.is_power_of_two())
        .unwrap_or(64 << 10)
}
