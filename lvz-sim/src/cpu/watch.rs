// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Watchpoints for fetches and for loads and stores (Volume 1, 7.8; the fields as Linux's
//! `hw_breakpoint.c` uses them). Those of the mode in force count, while CRMD.WE is set: a
//! hit raises WPEF or WPEM before the instruction has an effect, and shows in FWPS or
//! MWPS.

use super::watch_registers::{
    ADDRESS, ASID, CONTROL, COUNT, FIRST, LEVELS, LOADS, LOCAL, MASK, SIZE_SHIFT, SKIP, SPACE,
    STATUS, STORES, STRIDE,
};
use super::{Cpu, Step, Watch};
use la_arch::Exception;
use la_arch::csr::number;

impl Cpu {
    /// Whether anything is watched, to be derived anew when CRMD, the mode or a
    /// watchpoint changes.
    pub(super) fn derive_watch(&mut self) {
        self.watch = Watch {
            lookups: self.lint_root_lookups(),
            ..Watch::default()
        };
        if !self.csr().crmd().we() || !self.model.has_watchpoints() {
            return;
        }
        let any = |base, kinds: u64| {
            (0..COUNT).any(|i| {
                let control = self.configured(base, i, CONTROL);
                control >> (LEVELS + u32::from(self.plv)) & 1 != 0
                    && (kinds == 0 || control & kinds != 0)
            })
        };
        self.watch = Watch {
            fetches: any(number::FWPC, 0),
            data: any(number::MWPC, LOADS | STORES),
            ..self.watch
        };
    }

    fn configured(&self, base: u16, i: u16, which: u16) -> u64 {
        self.csr().raw(base + FIRST + i * STRIDE + which)
    }

    /// Watchpoint `i` counts here, and one of `size` bytes at `va` is among those that
    /// it is for; the ones whose size it says lie naturally aligned.
    fn watches(&self, base: u16, i: u16, va: u64, size: u64) -> bool {
        let control = self.configured(base, i, CONTROL);
        if control >> (LEVELS + u32::from(self.plv)) & 1 == 0 {
            return false;
        }
        let space = self.configured(base, i, SPACE) & ASID;
        if control & LOCAL != 0 && space != self.csr().asid().asid() {
            return false;
        }
        let block = match base {
            number::FWPC => 4,
            _ => 8 >> (control >> SIZE_SHIFT & 3),
        };
        let same = !(self.configured(base, i, MASK) | (block - 1));
        let watched = self.configured(base, i, ADDRESS);
        (0..size).any(|n| (self.narrow(va.wrapping_add(n)) ^ watched) & same == 0)
    }

    /// The watchpoints of one kind that `counts` and that the access hits.
    fn hits(&self, base: u16, va: u64, size: u64, counts: impl Fn(u64) -> bool) -> u64 {
        (0..COUNT)
            .filter(|i| {
                counts(self.configured(base, *i, CONTROL)) && self.watches(base, *i, va, size)
            })
            .fold(0, |hits, i| hits | 1 << i)
    }

    /// Raises WPEF if the instruction at `pc` is watched.
    #[cold]
    pub(crate) fn check_fetch(&mut self) -> Step {
        let hits = self.hits(number::FWPC, self.pc, 1, |_| true);
        let at = number::FWPC + STATUS;
        let status = self.csr().raw(at);
        if hits == 0 {
            return Ok(());
        }
        if status & SKIP != 0 {
            self.put_csr(self.world(), at, status & !SKIP);
            return Ok(());
        }
        self.put_csr(self.world(), at, status | hits);
        Err(self.raise(Exception::WPEF))
    }

    /// Raises WPEM if a load or store of `size` bytes at `va` is watched.
    #[inline(always)]
    pub(crate) fn check_access(&mut self, va: u64, size: u64, store: bool) -> Step {
        if !self.watch.data {
            return Ok(());
        }
        self.check_watched(va, size, store)
    }

    #[cold]
    fn check_watched(&mut self, va: u64, size: u64, store: bool) -> Step {
        let kind = if store { STORES } else { LOADS };
        let hits = self.hits(number::MWPC, va, size, |control| control & kind != 0);
        if hits == 0 {
            return Ok(());
        }
        let at = number::MWPC + STATUS;
        let status = self.csr().raw(at);
        self.put_csr(self.world(), at, status | hits);
        Err(self.raise(Exception::WPEM))
    }
}
