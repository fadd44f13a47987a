// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Random access memory.
//!
//! One anonymous mapping backs the whole of it, and behind it the firmware, so that a
//! CPU's software TLB can name any byte by its offset from one base. Devices see the same bytes
//! through a `vm-memory` map with dirty tracking, by which their writes are
//! noticed.

use super::dirty::DirtyPages;
pub use super::page::{PAGE_SIZE, page_flag};
use super::value::Value;
use crate::map::{FIRMWARE_BASE, FIRMWARE_MAX, HIGH_RAM_BASE, LOW_RAM_SIZE, RAM_SIZES};
use crate::size::Size;
use std::sync::Arc;
use vm_memory::bitmap::Bitmap;
use vm_memory::mmap::MmapRegionBuilder;
use vm_memory::{GuestAddress, GuestMemoryBackend, GuestMemoryRegion, GuestRegionMmap, MmapRegion};

/// The machine's memory as devices use it.
pub type GuestRam = vm_memory::GuestMemoryMmap<DirtyPages>;

/// The memory could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum RamError {
    /// Zero, not a multiple of the page size, or beyond the address space.
    #[error(
        "memory size {} is impossible: it must be a multiple of 64 KiB between 16 MiB and 1 TiB",
        Size(*.0)
    )]
    Size(u64),
    /// Firmware that has no room.
    #[error("the firmware has more than 16 MiB")]
    Firmware,
    /// The host would not map it.
    #[error("cannot reserve {0} bytes for the machine's memory: {1}")]
    Map(u64, String),
}

/// Memory as CPUs use it.
pub struct Ram {
    /// The map that devices use. Crate-private because its clones must not
    /// outlive `backing`: they stay inside the `Bus` that owns this.
    pub(crate) map: GuestRam,
    backing: Arc<MmapRegion<()>>,
    base: *mut u8,
    len: usize,
    /// Where the firmware begins, which is the end of the memory.
    ram: usize,
    low: usize,
    flags: Vec<u8>,
    /// What CPUs write, while it is recorded.
    writes: Option<Vec<Written>>,
}

/// A write of a CPU to memory.
#[derive(Clone, Copy)]
pub(crate) struct Written {
    pub(crate) offset: usize,
    /// Bytes.
    pub(crate) size: u8,
    pub(crate) old: u128,
    pub(crate) new: u128,
}

// SAFETY: `base` points into the mapping that `backing` owns, which lives as
// long as `self` and belongs to no thread in particular.
unsafe impl Send for Ram {}

impl std::fmt::Debug for Ram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ram")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

impl Ram {
    /// Reserves `size` bytes of zeroed memory.
    ///
    /// # Errors
    /// A size that is not possible or that the host does not grant.
    pub fn new(size: u64) -> Result<Self, RamError> {
        Self::with_firmware(size, &[])
    }

    /// The same with firmware, of at most 16 MiB, at its address (0x1c00_0000).
    ///
    /// # Errors
    /// A size that is not possible or that the host does not grant.
    pub fn with_firmware(size: u64, firmware: &[u8]) -> Result<Self, RamError> {
        if !RAM_SIZES.contains(&size) || !size.is_multiple_of(64 << 10) {
            return Err(RamError::Size(size));
        }
        let fail = |e: &dyn std::fmt::Display| RamError::Map(size, e.to_string());
        if firmware.len() as u64 > FIRMWARE_MAX {
            return Err(RamError::Firmware);
        }
        let ram = usize::try_from(size).map_err(|e| fail(&e))?;
        let len = ram + firmware.len().next_multiple_of(PAGE_SIZE);
        let mapping = libc::MAP_ANONYMOUS | libc::MAP_PRIVATE | libc::MAP_NORESERVE;
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        let backing = MmapRegionBuilder::new(len)
            .with_mmap_prot(prot)
            .with_mmap_flags(mapping)
            .build()
            .map_err(|e| fail(&e))?;
        let base = backing.as_ptr();
        let low = ram.min(LOW_RAM_SIZE as usize);
        let mut regions = Vec::new();
        for (at, offset, part) in [(0, 0, low), (HIGH_RAM_BASE, low, ram - low)] {
            if part == 0 {
                continue;
            }
            // SAFETY: `offset + part <= len`, so the pointer stays inside the
            // mapping made above.
            let part_base = unsafe { base.add(offset) };
            // SAFETY: the range is mapped readable and writable for as long as
            // `backing` lives, and `map` is dropped with it (see `Ram`).
            let region = unsafe {
                MmapRegionBuilder::new_with_bitmap(part, DirtyPages::new(part))
                    .with_raw_mmap_pointer(part_base)
                    .with_mmap_prot(prot)
                    .with_mmap_flags(mapping)
                    .build()
            }
            .map_err(|e| fail(&e))?;
            let region = GuestRegionMmap::new(region, GuestAddress(at))
                .ok_or_else(|| fail(&"address space overflow"))?;
            regions.push(region);
        }
        let map = GuestRam::from_regions(regions).map_err(|e| fail(&e))?;
        let pages = len / PAGE_SIZE;
        let mut flags = Vec::new();
        flags.try_reserve_exact(pages).map_err(|e| fail(&e))?;
        flags.resize(pages, 0);
        let mut memory = Ram {
            map,
            backing: Arc::new(backing),
            base,
            len,
            ram,
            low,
            flags,
            writes: None,
        };
        memory.burn(firmware);
        Ok(memory)
    }

    /// Makes read-only memory of what is behind RAM, with `firmware` in it.
    fn burn(&mut self, firmware: &[u8]) {
        let (ram, len) = (self.ram, self.len);
        if let Some(to) = self.bytes_mut().get_mut(ram..) {
            // What nothing was written to is erased flash.
            to.fill(0xff);
            for (to, from) in to.iter_mut().zip(firmware) {
                *to = *from;
            }
        }
        for page in (ram..len).step_by(PAGE_SIZE) {
            self.set_flag(page, page_flag::READ_ONLY);
        }
    }

    /// Size in bytes, firmware included.
    pub fn size(&self) -> usize {
        self.len
    }

    /// Offset of physical address `pa`, if memory answers there.
    #[inline]
    pub fn offset(&self, pa: u64) -> Option<usize> {
        if pa < self.low as u64 {
            Some(pa as usize)
        } else if pa >= HIGH_RAM_BASE && pa - HIGH_RAM_BASE < (self.ram - self.low) as u64 {
            Some(self.low + (pa - HIGH_RAM_BASE) as usize)
        } else {
            let at = pa.checked_sub(FIRMWARE_BASE)?;
            (at < (self.len - self.ram) as u64).then_some(self.ram + at as usize)
        }
    }

    /// Physical address of the byte at `offset`.
    pub fn address(&self, offset: usize) -> u64 {
        if offset < self.low {
            offset as u64
        } else if offset >= self.ram {
            FIRMWARE_BASE + (offset - self.ram) as u64
        } else {
            HIGH_RAM_BASE + (offset - self.low) as u64
        }
    }

    /// Reads at `offset`; zero beyond the end, which no caller asks for.
    #[inline(always)]
    pub fn read<T: Value>(&self, offset: usize) -> T {
        if offset > self.len - size_of::<T>() {
            return T::ZERO;
        }
        #[expect(
            clippy::multiple_unsafe_ops_per_block,
            reason = "one bound covers both"
        )]
        // SAFETY: the bytes from `offset` to `offset + size_of::<T>()` are
        // inside the mapping (`len` is at least 16 MiB, so the subtraction
        // above cannot wrap); `Value` types have no invalid bit patterns.
        unsafe {
            self.base.add(offset).cast::<T>().read_unaligned()
        }
    }

    /// Writes at `offset`; nothing happens beyond the end.
    #[inline(always)]
    pub fn write<T: Value>(&mut self, offset: usize, value: T) {
        if offset > self.len - size_of::<T>() {
            return;
        }
        if self.writes.is_some() {
            self.record(offset, value);
        }
        #[expect(
            clippy::multiple_unsafe_ops_per_block,
            reason = "one bound covers both"
        )]
        // SAFETY: as in `read`; `&mut self` excludes other CPU accesses, and
        // devices run on the same thread.
        unsafe {
            self.base.add(offset).cast::<T>().write_unaligned(value);
        }
    }

    #[cold]
    fn record<T: Value>(&mut self, offset: usize, value: T) {
        let written = Written {
            offset,
            size: T::SIZE,
            old: self.read::<T>(offset).widen(),
            new: value.widen(),
        };
        if let Some(writes) = &mut self.writes {
            writes.push(written);
        }
    }

    /// Records writes from now on.
    pub(crate) fn record_writes(&mut self) {
        self.writes = Some(Vec::new());
    }

    /// How many writes are recorded.
    pub(crate) fn writes(&self) -> usize {
        self.writes.as_ref().map_or(0, Vec::len)
    }

    /// Ends the record.
    pub(crate) fn take_writes(&mut self) -> Vec<Written> {
        self.writes.take().unwrap_or_default()
    }

    /// Reads 1, 2, 4, 8 or 16 bytes.
    pub(crate) fn read_wide(&self, offset: usize, size: u8) -> u128 {
        match size {
            1 => self.read::<u8>(offset).widen(),
            2 => self.read::<u16>(offset).widen(),
            4 => self.read::<u32>(offset).widen(),
            8 => self.read::<u64>(offset).widen(),
            _ => self.read::<u128>(offset),
        }
    }

    /// Writes 1, 2, 4, 8 or 16 bytes.
    pub(crate) fn write_wide(&mut self, offset: usize, size: u8, wide: u128) {
        match size {
            1 => self.write(offset, wide as u8),
            2 => self.write(offset, wide as u16),
            4 => self.write(offset, wide as u32),
            8 => self.write(offset, wide as u64),
            _ => self.write(offset, wide),
        }
    }

    /// The whole memory, for hashing and snapshots.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping is `len` initialised (zeroed by the host) bytes;
        // nothing writes while the borrow of `self` lives, because CPUs need
        // `&mut self` and devices run on the same thread.
        unsafe { std::slice::from_raw_parts(self.base, self.len) }
    }

    /// The whole memory, for loading images and snapshots.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and `&mut self` makes it unique.
        unsafe { std::slice::from_raw_parts_mut(self.base, self.len) }
    }

    /// The first byte, for compiled code.
    pub(crate) fn base(&mut self) -> *mut u8 {
        self.base
    }

    /// Flags of the page that holds `offset`.
    #[inline]
    pub fn flags(&self, offset: usize) -> u8 {
        self.flags.get(offset / PAGE_SIZE).copied().unwrap_or(0)
    }

    /// Sets `flag` on the page of `offset`; true if it was not set.
    pub fn set_flag(&mut self, offset: usize, flag: u8) -> bool {
        match self.flags.get_mut(offset / PAGE_SIZE) {
            Some(f) if *f & flag == 0 => {
                *f |= flag;
                true
            }
            _ => false,
        }
    }

    /// Clears `flag` on the page of `offset`.
    pub fn clear_flag(&mut self, offset: usize, flag: u8) {
        if let Some(f) = self.flags.get_mut(offset / PAGE_SIZE) {
            *f &= !flag;
        }
    }

    /// Offsets of the pages that are poisoned.
    pub(crate) fn poisoned(&self) -> impl Iterator<Item = usize> + '_ {
        let pages = self.flags.iter().enumerate();
        pages.filter_map(|(page, flags)| {
            (flags & page_flag::POISONED != 0).then_some(page * PAGE_SIZE)
        })
    }

    /// Offsets of the pages that devices have written since the last call.
    pub fn take_device_writes(&mut self) -> Vec<usize> {
        self.written_pages(DirtyPages::take)
    }

    /// The same, which stay to be taken.
    pub(crate) fn device_writes(&self) -> Vec<usize> {
        self.written_pages(DirtyPages::peek)
    }

    fn written_pages(&self, of: fn(&DirtyPages) -> Vec<usize>) -> Vec<usize> {
        let mut pages = Vec::new();
        for region in self.map.iter() {
            let start = self.offset(region.start_addr().0).unwrap_or(0);
            let written: &DirtyPages = std::ops::Deref::deref(region).bitmap();
            pages.extend(of(written).into_iter().map(|offset| start + offset));
        }
        pages
    }

    /// Adds the pages of these offsets to those that are to be taken; what is beyond the
    /// memory is none.
    pub(crate) fn add_device_writes(&mut self, offsets: &[usize]) {
        for &offset in offsets.iter().filter(|&&offset| offset < self.ram) {
            let address = GuestAddress(self.address(offset));
            if let Some((region, at)) = self.map.to_region_addr(address) {
                let written: &DirtyPages = std::ops::Deref::deref(region).bitmap();
                written.mark_dirty(at.0 as usize, 1);
            }
        }
    }

    /// Zeroes all memory, which gives it back to the host; the firmware stays.
    pub fn clear(&mut self) {
        if !self.give_back() {
            let ram = self.ram;
            self.bytes_mut()[..ram].fill(0);
        }
        debug_assert_eq!(self.backing.size(), self.len);
    }

    /// Gives the memory back, after which it reads as zero; false if the host cannot.
    #[cfg(target_os = "linux")]
    fn give_back(&mut self) -> bool {
        use rustix::mm::{Advice, madvise};
        // SAFETY: these bytes are inside the private anonymous mapping that `backing` owns, and
        // begin and end at its pages; their contents may change, as `&mut self` excludes others.
        unsafe { madvise(self.base.cast(), self.ram, Advice::LinuxDontNeed) }.is_ok()
    }

    /// Only Linux promises zeroes.
    #[cfg(not(target_os = "linux"))]
    fn give_back(&mut self) -> bool {
        false
    }

    /// Zeroes memory and firmware.
    pub(crate) fn clear_all(&mut self) {
        self.clear();
        let ram = self.ram;
        self.bytes_mut()[ram..].fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vm_memory::Bytes;

    #[test]
    fn low_and_high_memory_are_one_mapping() {
        let mut ram = Ram::new(LOW_RAM_SIZE + (16 << 20)).unwrap();
        let high = ram.offset(HIGH_RAM_BASE + 8).unwrap();
        assert_eq!(high, LOW_RAM_SIZE as usize + 8);
        assert_eq!(ram.address(high), HIGH_RAM_BASE + 8);
        assert_eq!(ram.offset(LOW_RAM_SIZE), None);
        assert_eq!(ram.offset(HIGH_RAM_BASE + (16 << 20)), None);
        ram.write::<u64>(high, 0x1122_3344_5566_7788);
        assert_eq!(
            ram.map
                .read_obj::<u32>(GuestAddress(HIGH_RAM_BASE + 8))
                .unwrap(),
            0x5566_7788
        );
    }

    #[test]
    fn device_writes_are_seen_once() {
        let mut ram = Ram::new(LOW_RAM_SIZE + (16 << 20)).unwrap();
        assert!(ram.take_device_writes().is_empty());
        ram.map
            .write_obj(1u8, GuestAddress(HIGH_RAM_BASE + 0x3000))
            .unwrap();
        ram.map
            .write_slice(&[1; 8192], GuestAddress(0x1fff))
            .unwrap();
        let high = LOW_RAM_SIZE as usize + 0x3000;
        let written = [0x1000, 0x2000, 0x3000, high];
        assert_eq!(ram.device_writes(), written);
        assert_eq!(ram.take_device_writes(), written);
        assert!(ram.take_device_writes().is_empty());
        ram.add_device_writes(&[high, 0x2000, ram.size(), usize::MAX]);
        assert_eq!(ram.take_device_writes(), [0x2000, high]);
    }

    #[test]
    fn impossible_sizes_are_refused() {
        for size in [0, 4096, (16 << 20) + 1, u64::MAX] {
            assert!(matches!(Ram::new(size), Err(RamError::Size(_))));
        }
    }
}
