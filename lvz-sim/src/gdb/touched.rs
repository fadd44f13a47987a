// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Which memory was ever touched: the rest of a machine's RAM, most of it if that is large, holds
//! zeros, and reading them would cost as much as reading what was written.

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt as _;

/// Bytes of what Linux says of a page.
const ENTRY: usize = 8;
/// Pages of which it is asked at once.
const AT_ONCE: usize = 8192;
/// The page is in memory, or was moved to swap (Documentation/admin-guide/mm/pagemap.rst).
const PRESENT_OR_SWAPPED: u64 = 0b11 << 62;

/// Of each `chunk` bytes of `memory`, a mapping of zeros, whether they can be anything else. All of
/// them can where the computer does not tell.
pub(super) fn touched(memory: &[u8], chunk: usize) -> Vec<bool> {
    let count = memory.len().div_ceil(chunk);
    let told = PageMap::open().and_then(|map| map.touched(memory, chunk));
    told.unwrap_or_else(|| vec![true; count])
}

/// What Linux says of this process's pages.
struct PageMap {
    file: File,
    /// Bytes of a page.
    page: usize,
}

impl PageMap {
    /// `None` where there is none, or nothing in it.
    fn open() -> Option<Self> {
        let file = File::open("/proc/self/pagemap").ok()?;
        let page = rustix::param::page_size();
        let map = Self { file, page };
        // It must know of a page that surely was touched.
        let here = black_box([1u8]);
        let page_of_here = here.as_ptr().addr() / page;
        let mut told = false;
        map.each(page_of_here, 1, |_, is_touched| told = is_touched)?;
        told.then_some(map)
    }

    fn touched(&self, memory: &[u8], chunk: usize) -> Option<Vec<bool>> {
        let begin = memory.as_ptr().addr();
        let whole_pages = begin.is_multiple_of(self.page) && chunk.is_multiple_of(self.page);
        let mut touched = vec![false; memory.len().div_ceil(chunk)];
        let pages = memory.len().div_ceil(self.page);
        self.each(begin / self.page, pages, |number, is_touched| {
            if is_touched && let Some(chunk) = touched.get_mut(number * self.page / chunk) {
                *chunk = true;
            }
        })?;
        whole_pages.then_some(touched)
    }

    /// Tells `of` of each of `count` pages from page `first` on, by its number among them, whether
    /// it was touched; `None` if that cannot be read.
    fn each(&self, first: usize, count: usize, mut of: impl FnMut(usize, bool)) -> Option<()> {
        let mut buffer = vec![0; ENTRY * count.min(AT_ONCE)];
        for from in (0..count).step_by(AT_ONCE) {
            let part = buffer.get_mut(..ENTRY * (count - from).min(AT_ONCE))?;
            let offset = first.checked_add(from)?.checked_mul(ENTRY)?;
            self.file.read_exact_at(part, offset as u64).ok()?;
            let (entries, _) = part.as_chunks();
            for (number, entry) in (from..).zip(entries) {
                of(number, u64::from_le_bytes(*entry) & PRESENT_OR_SWAPPED != 0);
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mem::Ram;

    const CHUNK: usize = 64 << 10;

    #[test]
    fn what_was_written_was_touched() {
        let mut ram = Ram::new(256 << 20).expect("memory for a test");
        let written = [0, CHUNK - 1, 100 << 20, (256 << 20) - 1];
        for at in written {
            ram.write(at, 1u8);
        }
        let touched = touched(ram.bytes(), CHUNK);
        assert_eq!(touched.len(), (256 << 20) / CHUNK);
        for at in written {
            assert!(touched[at / CHUNK], "{at:#x}");
        }
        // Else the computer does not tell, or gives huge pages.
        if PageMap::open().is_some() {
            let count = touched.iter().filter(|touched| **touched).count();
            assert!(count <= 3 * (32 << 20) / CHUNK, "{count}");
        }
    }

    #[test]
    fn memory_that_does_not_begin_with_a_page_is_not_told_of() {
        let ram = Ram::new(16 << 20).expect("memory for a test");
        let all = touched(&ram.bytes()[1..], CHUNK);
        assert!(all.iter().all(|touched| *touched));
    }
}
