// SPDX-License-Identifier: GPL-2.0-or-later

//! Synchronisation through the run page, as far as our module is there and the
//! page may be used. What it leaves, [`Synchroniser`] moves call by call.

use la_arch::sync_regs::{self as sets, SyncRegs};

use super::cache::Cache;
use super::sync::{Level, Synchroniser};
use super::sync_regs::{self, Slot};
use super::table::{Group, Register, TABLE};
use crate::kvm::abi::Regs;

/// Fewer registers than this are written by calls of their own.
const BULK: usize = 2;

/// The kernel refused a write that had CPUCFG words in it.
pub(super) struct CpucfgRefused;

/// The registers of the table that the page has a place for.
fn in_page() -> impl Iterator<Item = (usize, &'static Register, Slot)> {
    TABLE
        .iter()
        .enumerate()
        .filter_map(|(index, register)| Some((index, register, register.slot?)))
}

impl Synchroniser<'_> {
    /// Fills the cache, if that spares calls.
    pub(super) fn read_by_page(&self, cache: &mut Cache) {
        let Some(page) = self.sync_page() else { return };
        let mut needed = 0;
        if cache.general.is_none() {
            needed |= sets::GENERAL;
        }
        if cache.fpu.is_none() {
            needed |= sets::FPU;
        }
        for (index, register, slot) in in_page() {
            if cache.word(index).is_none() && self.has(register) {
                needed |= slot.set();
            }
        }
        if needed == 0 {
            return;
        }
        match sync_regs::read(self.fd, page, self.index(), needed) {
            Ok(regs) => remember(cache, &regs, needed),
            Err(error) => log::warn!("{error}; registers are read one by one"),
        }
    }

    /// Writes what differs, if that spares calls.
    pub(super) fn write_by_page(
        &self,
        cache: &mut Cache,
        level: Level,
    ) -> Result<(), CpucfgRefused> {
        let Some(page) = self.sync_page() else {
            return Ok(());
        };
        let mut regs = SyncRegs::default();
        let (mut dirty, changes) = self.put_words(cache, level, &mut regs);
        if dirty & sets::CSR != 0 {
            dirty |= sets::CSR_SELECT;
        }
        let general = self.load_general();
        if cache.general != Some(general) {
            dirty |= sets::GENERAL;
            (regs.gpr, regs.pc) = (general.gpr, general.pc);
        }
        let fpu = self.load_fpu();
        if cache.fpu != Some(fpu) {
            dirty |= sets::FPU;
            regs.fpu = sync_regs::sync_fpu(&fpu);
        }
        let whole = (dirty & (sets::GENERAL | sets::FPU)).count_ones() as usize;
        if changes.len() + whole < BULK {
            return Ok(());
        }
        let written = match sync_regs::write(self.fd, page, self.index(), &regs, dirty) {
            Ok(true) => true,
            Ok(false) => return Ok(()),
            Err(error) => {
                log::warn!("{error}; registers are written one by one");
                false
            }
        };
        // A write that failed may have gone half the way.
        for (index, value) in changes {
            cache.set_word(index, written.then_some(value));
        }
        if dirty & sets::GENERAL != 0 {
            cache.general = written.then_some(general);
        }
        if dirty & sets::FPU != 0 {
            cache.fpu = written.then_some(fpu);
        }
        if written || dirty & sets::CPUCFG == 0 {
            Ok(())
        } else {
            Err(CpucfgRefused)
        }
    }

    /// Puts all words of the table into `regs`: the sets of those that differ, and these, each
    /// with its place in the table.
    fn put_words(
        &self,
        cache: &Cache,
        level: Level,
        regs: &mut SyncRegs,
    ) -> (u64, Vec<(usize, u64)>) {
        let timer = self.timer_changes(cache, level);
        let (mut dirty, mut changes) = (0, Vec::new());
        for (index, register, slot) in in_page() {
            if !self.has(register) {
                continue;
            }
            // A set is taken over whole, but for CSRs.
            let value = register.load(self.cpu);
            slot.put(regs, value);
            let changed = match register.group {
                Group::Timer => timer,
                _ => self.change(cache, index, register, level).is_some(),
            };
            if changed {
                dirty |= slot.set();
                regs.csr_dirty |= slot.dirty_bit();
                changes.push((index, value));
            }
        }
        (dirty, changes)
    }
}

/// Takes over what the kernel has shown.
fn remember(cache: &mut Cache, regs: &SyncRegs, shown: u64) {
    if shown & sets::GENERAL != 0 {
        cache.general = Some(Regs {
            gpr: regs.gpr,
            pc: regs.pc,
        });
    }
    if shown & sets::FPU != 0 {
        cache.fpu = Some(sync_regs::fpu(regs));
    }
    for (index, _, slot) in in_page() {
        if shown & slot.set() != 0 {
            cache.set_word(index, Some(slot.get(regs)));
        }
    }
}
