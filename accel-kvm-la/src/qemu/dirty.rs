// SPDX-License-Identifier: GPL-2.0-or-later

//! Dirty pages: collecting them, and the limit on their rate.

use super::bql::{Bql, WithoutBql};
use super::cpu::Cpu;
use super::opaque::CPUState;
use super::services::services;

/// Collects dirty rings; only a QEMU tree has it.
#[derive(Clone, Copy, Debug)]
pub struct Reaper(unsafe extern "C" fn(cpu: *mut CPUState));

impl Reaper {
    /// QEMU's, if there is one.
    pub fn find() -> Option<Reaper> {
        services().link.dirty_ring_reap.map(Reaper)
    }

    /// Collects the ring of `cpu`, or all of them.
    pub fn reap(self, _bql: &Bql, cpu: Option<Cpu>) {
        let cpu = cpu.map_or(std::ptr::null_mut(), Cpu::as_ptr);
        // SAFETY: The CPU is alive, or null for all; the BQL is held.
        unsafe { (self.0)(cpu) };
    }
}

/// Collects the dirty pages of everything. Not in a vCPU's thread: it waits for them.
pub fn sync_log(_bql: &Bql) {
    // SAFETY: The BQL is held.
    unsafe { (services().memory_global_dirty_log_sync)(false) };
}

/// Whether there is a limit on the rate of dirty pages.
pub fn is_limited() -> bool {
    // SAFETY: Asks only.
    unsafe { (services().dirtylimit_in_service)() }
}

/// With such a limit the vCPU waits, if it is over its own.
pub fn wait_for_limit(_without: &WithoutBql, cpu: Cpu) {
    // SAFETY: The CPU is alive; the BQL is not held, because this may wait.
    unsafe { (services().dirtylimit_vcpu_execute)(cpu.as_ptr()) };
}
