// SPDX-License-Identifier: GPL-2.0-or-later

//! RAM of guests.

use std::os::fd::BorrowedFd;

use crate::error::Result;
pub use crate::sys::View;
use crate::sys::{self, Mapping};

/// Memory of this process that guests can have as RAM. Guests and threads
/// change it at any time.
#[derive(Debug)]
pub struct Memory(Mapping);

impl Memory {
    /// Zeros. Nothing is set aside: a page comes with its first use.
    pub fn new(length: usize) -> Result<Self> {
        Mapping::new(length, None).map(Self)
    }

    /// A file's beginning, or what a descriptor of KVM shares. What the file does
    /// not have is a bad address.
    pub fn of(file: BorrowedFd<'_>, length: usize) -> Result<Self> {
        Mapping::new(length, Some(file)).map(Self)
    }

    /// A file from `offset`, a multiple of the page size.
    pub fn part_of(file: BorrowedFd<'_>, offset: u64, length: usize, view: View) -> Result<Self> {
        Mapping::of(length, file, offset as i64, view).map(Self)
    }

    /// The size of the host's pages.
    pub fn page_size() -> usize {
        sys::page_size()
    }

    /// Its length in bytes.
    pub fn length(&self) -> usize {
        self.0.length()
    }

    /// Its address in this process.
    pub fn address(&self) -> u64 {
        self.0.address()
    }

    /// Copies bytes in.
    ///
    /// # Panics
    ///
    /// If it has no room for them there; so do the others.
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        self.0.write(offset, bytes);
    }

    /// Copies bytes out.
    pub fn read(&self, offset: usize, bytes: &mut [u8]) {
        self.0.read(offset, bytes);
    }

    /// Writes instruction words.
    pub fn write_code(&self, offset: usize, code: &[u32]) {
        for (i, word) in code.iter().enumerate() {
            self.0.write(offset + 4 * i, &word.to_le_bytes());
        }
    }

    /// Writes an aligned number at once.
    pub fn write_u64(&self, offset: usize, value: u64) {
        self.0.write_u64(offset, value);
    }

    /// Reads an aligned number at once.
    pub fn read_u64(&self, offset: usize) -> u64 {
        self.0.read_u64(offset)
    }

    /// Reads an aligned number of 32 bits at once.
    pub fn read_u32(&self, offset: usize) -> u32 {
        self.0.read_u32(offset)
    }

    /// Takes pages away: they read zero from now on (MADV_DONTNEED). The host
    /// tells KVM of it.
    pub fn discard(&self, offset: usize, length: usize) -> Result<()> {
        self.0.advise(offset, length, 4)
    }

    /// Writes pages to swap and takes them away (MADV_PAGEOUT): they come back with their
    /// next use.
    pub fn page_out(&self) -> Result<()> {
        self.0.advise(0, self.0.length(), 21)
    }

    /// Lets the host have pages of the same content once (MADV_MERGEABLE), or takes that
    /// back (MADV_UNMERGEABLE).
    pub fn merge(&self, merge: bool) -> Result<()> {
        self.0
            .advise(0, self.0.length(), if merge { 12 } else { 13 })
    }

    /// Moves pages out of it, to another address (mremap): here they read zero from now on.
    pub fn take(&self, offset: usize, length: usize) -> Result<Self> {
        self.0.take(offset, length).map(Self)
    }

    /// Moves pages that were taken out back, in the place of what is there.
    pub fn put(&self, offset: usize, pages: Self) -> Result<()> {
        self.0.put(offset, pages.0)
    }

    /// Asks for huge pages (MADV_HUGEPAGE), or for none (MADV_NOHUGEPAGE).
    pub fn advise_huge(&self, huge: bool) -> Result<()> {
        self.0
            .advise(0, self.0.length(), if huge { 14 } else { 15 })
    }
}
