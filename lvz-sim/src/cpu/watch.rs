// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Watchpoints for fetches and for loads and stores (Volume 1, 7.8; the fields as Linux's
//! `hw_breakpoint.c` uses them). Those of the mode in force count, while CRMD.WE is set: a
//! hit raises WPEF or WPEM before the instruction has an effect, and shows in FWPS or
//! MWPS.

use super::{Cpu, Step};
use la_arch::Exception;
use la_arch::csr::number;

/// Watchpoints of each kind (Linux's first version of the driver knew that many).
const COUNT: u16 = 8;

/// From FWPC or MWPC to the status register, and to the first of a watchpoint's four.
const STATUS: u16 = 1;
const FIRST: u16 = 0x10;
/// From one watchpoint's registers to the next one's.
const STRIDE: u16 = 8;

/// Configuration registers of a watchpoint, by distance from its first.
const ADDRESS: u16 = 0;
const MASK: u16 = 1;
const CONTROL: u16 = 2;
const SPACE: u16 = 3;

/// FWPS.Skip: the next hit of a fetch is none.
const SKIP: u64 = 1 << 16;
/// Status of all watchpoints; writing ones clears.
const HITS: u64 = (1 << COUNT) - 1;

/// Control: the privilege levels at which it counts, from this bit on.
const LEVELS: u32 = 1;
/// Only in the address space that the fourth register names.
const LOCAL: u64 = 1 << 7;
const LOADS: u64 = 1 << 8;
const STORES: u64 = 1 << 9;
/// The size of what is watched: 8 bytes, 4, 2 or 1.
const SIZE_SHIFT: u32 = 10;
const ASID: u64 = 0x3ff;

/// What is watched in the mode in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Watch {
    pub(crate) fetches: bool,
    /// Loads or stores.
    pub(crate) data: bool,
    /// Mapped loads and stores are ones that a lint is about.
    pub(crate) lookups: bool,
}

/// A CSR of watchpoints.
enum Register {
    /// How many there are.
    Count,
    Status {
        fetches: bool,
    },
    Configuration {
        fetches: bool,
        which: u16,
    },
}

/// What the CSR `n` is, if it is one of watchpoints that exist.
fn register(n: u16) -> Option<Register> {
    let fetches = n >= number::FWPC;
    let base = if fetches { number::FWPC } else { number::MWPC };
    match n.checked_sub(base)? {
        0 => Some(Register::Count),
        STATUS => Some(Register::Status { fetches }),
        distance => {
            let at = distance.checked_sub(FIRST)?;
            let exists = at / STRIDE < COUNT && at % STRIDE <= SPACE;
            let which = at % STRIDE;
            exists.then_some(Register::Configuration { fetches, which })
        }
    }
}

/// What the CSR `n` holds after reset.
pub(super) fn after_reset(n: u16) -> u64 {
    match register(n) {
        Some(Register::Count) => COUNT.into(),
        _ => 0,
    }
}

/// What the CSR `n` holds after a write of `value`, if it is one of watchpoints.
pub(super) fn written(n: u16, old: u64, value: u64) -> u64 {
    match register(n) {
        Some(Register::Status { fetches }) => {
            let skip = if fetches { SKIP } else { 0 };
            old & !value & HITS | value & skip
        }
        Some(Register::Configuration { fetches, which }) => {
            let levels = 0xf << LEVELS;
            let data = if fetches { 0 } else { 0xf00 };
            value
                & match which {
                    CONTROL => levels | LOCAL | data,
                    SPACE => ASID,
                    _ => u64::MAX,
                }
        }
        _ => old,
    }
}

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
        (0..size).any(|n| (va.wrapping_add(n) ^ watched) & same == 0)
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
