// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Which pages devices have written.

use super::page::PAGE_SIZE;
use std::num::NonZeroUsize;
use vm_memory::bitmap::{AtomicBitmap, Bitmap, NewBitmap, RefSlice, WithBitmapSlice};

/// Bytes of a group: as many pages as a word of the bitmap has bits.
const GROUP_SIZE: usize = 64 * PAGE_SIZE;

/// The written pages of a region, and the groups of pages that have one, by which few
/// pages of a large memory are found without a look at all.
#[derive(Debug, Default)]
pub struct DirtyPages {
    pages: AtomicBitmap,
    groups: AtomicBitmap,
}

impl DirtyPages {
    /// For `len` bytes, none of which is written.
    pub(super) fn new(len: usize) -> Self {
        let bitmap =
            |unit| AtomicBitmap::new(len, NonZeroUsize::new(unit).unwrap_or(NonZeroUsize::MIN));
        DirtyPages {
            pages: bitmap(PAGE_SIZE),
            groups: bitmap(GROUP_SIZE),
        }
    }

    /// Offsets of the pages that were written since the last call.
    pub(super) fn take(&self) -> Vec<usize> {
        let mut pages = Vec::new();
        for (word, mut groups) in self.groups.get_and_reset().into_iter().enumerate() {
            while groups != 0 {
                let group = word * 64 + groups.trailing_zeros() as usize;
                groups &= groups - 1;
                for page in group * 64..(group + 1) * 64 {
                    if self.pages.is_bit_set(page) {
                        self.pages.reset_bit(page);
                        pages.push(page * PAGE_SIZE);
                    }
                }
            }
        }
        pages
    }

    /// The same, which the next call finds too.
    pub(super) fn peek(&self) -> Vec<usize> {
        let pages = self.take();
        for &page in &pages {
            self.mark_dirty(page, 1);
        }
        pages
    }
}

impl<'a> WithBitmapSlice<'a> for DirtyPages {
    type S = RefSlice<'a, Self>;
}

impl Bitmap for DirtyPages {
    fn mark_dirty(&self, offset: usize, len: usize) {
        self.pages.mark_dirty(offset, len);
        self.groups.mark_dirty(offset, len);
    }

    fn dirty_at(&self, offset: usize) -> bool {
        self.pages.dirty_at(offset)
    }

    fn slice_at(&self, offset: usize) -> RefSlice<'_, Self> {
        RefSlice::new(self, offset)
    }
}

impl NewBitmap for DirtyPages {
    fn with_len(len: usize) -> Self {
        DirtyPages::new(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_all_groups_are_found_once() {
        // The last group has two pages.
        let pages = DirtyPages::new(2 * GROUP_SIZE + 2 * PAGE_SIZE);
        for (offset, len) in [
            (GROUP_SIZE - 1, 2),
            (2 * GROUP_SIZE + PAGE_SIZE + 5, 1),
            (GROUP_SIZE + 3 * PAGE_SIZE, PAGE_SIZE),
        ] {
            pages.slice_at(offset).mark_dirty(0, len);
        }
        assert!(pages.dirty_at(GROUP_SIZE) && !pages.dirty_at(GROUP_SIZE + PAGE_SIZE));
        for found in [pages.peek(), pages.take()] {
            let numbers: Vec<_> = found.iter().map(|at| at / PAGE_SIZE).collect();
            assert_eq!(numbers, [63, 64, 67, 129]);
        }
        assert!(pages.take().is_empty());
    }
}
