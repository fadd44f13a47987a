// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The physical address space as CPUs see it, and what they share.

mod dirty;
mod page;
pub mod ram;
mod value;

use crate::platform::Platform;
use crate::world::World;
pub use dirty::DirtyPages;
use ram::page_flag;
pub use ram::{GuestRam, Ram};
pub use value::Value;

/// Everything outside a CPU: memory, devices, reservations.
pub struct Bus {
    /// Random access memory, with the flags of its pages.
    pub ram: Ram,
    /// Devices and interrupt controllers.
    pub platform: Platform,
    /// A device was accessed: lines, memory or power state may have changed.
    pub(crate) device_accessed: bool,
    /// A CPU has written to a page table by itself.
    pub(crate) table_written: bool,
    /// Offsets into pages with decoded code that have been written.
    pub(crate) written_code: Vec<usize>,
    /// Offsets into pages that have got the CODE flag: CPUs that are not
    /// running must drop their write translations of them.
    pub(crate) new_code: Vec<usize>,
    /// Reserved lines (physical address >> 6), by CPU, of root and guest.
    reservations: Vec<[Option<u64>; 2]>,
    /// The latest time, in nanoseconds, at which a CPU has read the stable
    /// counter.
    pub(crate) counter_read: u64,
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bus").finish_non_exhaustive()
    }
}

impl Bus {
    /// Memory and devices for `cpus` CPUs.
    pub fn new(ram: Ram, platform: Platform, cpus: usize) -> Self {
        Bus {
            ram,
            platform,
            device_accessed: false,
            table_written: false,
            written_code: Vec::new(),
            new_code: Vec::new(),
            reservations: vec![[None; 2]; cpus],
            counter_read: 0,
        }
    }

    /// Notes a write to a page with decoded code.
    pub(crate) fn code_written(&mut self, offset: usize) {
        self.ram.clear_flag(offset, page_flag::CODE);
        self.written_code.push(offset);
    }

    /// LL: CPU `cpu` reserves `line`, in root or guest mode.
    pub(crate) fn reserve(&mut self, cpu: usize, world: World, line: u64) {
        if let Some(r) = self.reservations.get_mut(cpu) {
            r[world.index()] = Some(line);
        }
    }

    /// Takes the reservation of CPU `cpu` away and returns it.
    pub(crate) fn take_reservation(&mut self, cpu: usize, world: World) -> Option<u64> {
        self.reservations.get_mut(cpu)?[world.index()].take()
    }

    /// The line that CPU `cpu` has reserved.
    pub(crate) fn reservation(&self, cpu: usize, world: World) -> Option<u64> {
        self.reservations.get(cpu)?[world.index()]
    }

    /// Whether CPU `cpu` holds a reservation.
    pub(crate) fn has_reservation(&self, cpu: usize, world: World) -> bool {
        self.reservation(cpu, world).is_some()
    }

    /// Offsets of the lines that CPU `cpu` has reserved.
    pub(crate) fn reserved_offsets(&self, cpu: usize) -> impl Iterator<Item = usize> {
        let lines = self.reservations.get(cpu).copied().unwrap_or_default();
        lines
            .into_iter()
            .flatten()
            .filter_map(|line| self.ram.offset(line << 6))
    }

    /// Whether a CPU other than `cpu` has reserved a line in the page at `offset`.
    pub(crate) fn others_reserve(&self, cpu: usize, offset: usize) -> bool {
        let page = offset >> 12;
        (0..self.reservations.len())
            .filter(|&other| other != cpu)
            .any(|other| self.reserved_offsets(other).any(|o| o >> 12 == page))
    }

    /// Ends other CPUs' reservations in the line of `offset`: CPU `cpu` stores.
    pub(crate) fn end_reservations_of_others(&mut self, cpu: usize, offset: usize) {
        let line = self.ram.address(offset) >> 6;
        for (other, r) in self.reservations.iter_mut().enumerate() {
            for held in r.iter_mut().filter(|_| other != cpu) {
                if *held == Some(line) {
                    *held = None;
                }
            }
        }
    }

    /// Ends the decoded code and all reservations of a byte that is written from outside.
    pub(crate) fn written_from_outside(&mut self, offset: usize) {
        if self.ram.flags(offset) & page_flag::CODE != 0 {
            self.code_written(offset);
        }
        let line = self.ram.address(offset) >> 6;
        for held in self.reservations.iter_mut().flatten() {
            if *held == Some(line) {
                *held = None;
            }
        }
    }

    /// Lets the CPUs know of what devices have written: decoded code and
    /// reservations in those pages end.
    pub(crate) fn notice_device_writes(&mut self) {
        for offset in self.ram.take_device_writes() {
            if self.ram.flags(offset) & page_flag::CODE != 0 {
                self.code_written(offset);
            }
            let page = self.ram.address(offset) >> 12;
            for held in self.reservations.iter_mut().flatten() {
                if held.is_some_and(|line| line >> 6 == page) {
                    *held = None;
                }
            }
        }
    }

    /// All reservations, for snapshots.
    pub(crate) fn reservations(&self) -> &[[Option<u64>; 2]] {
        &self.reservations
    }

    /// Replaces all reservations, from a snapshot or a reset.
    pub(crate) fn set_reservations(&mut self, reservations: Vec<[Option<u64>; 2]>) {
        self.reservations = reservations;
    }
}
