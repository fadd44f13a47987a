// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The registers of watchpoints (Volume 1, 7.8; the fields as Linux's `hw_breakpoint.c`
//! uses them).

use la_arch::csr::number;

/// Watchpoints of each kind (Linux's first version of the driver knew that many).
pub(super) const COUNT: u16 = 8;

/// From FWPC or MWPC to the status register, and to the first of a watchpoint's four.
pub(super) const STATUS: u16 = 1;
pub(super) const FIRST: u16 = 0x10;
/// From one watchpoint's registers to the next one's.
pub(super) const STRIDE: u16 = 8;

/// Configuration registers of a watchpoint, by distance from its first.
pub(super) const ADDRESS: u16 = 0;
pub(super) const MASK: u16 = 1;
pub(super) const CONTROL: u16 = 2;
pub(super) const SPACE: u16 = 3;

/// FWPS.Skip: the next hit of a fetch is none.
pub(super) const SKIP: u64 = 1 << 16;
/// Status of all watchpoints; writing ones clears.
pub(super) const HITS: u64 = (1 << COUNT) - 1;

/// Control: the privilege levels at which it counts, from this bit on.
pub(super) const LEVELS: u32 = 1;
/// Only in the address space that the fourth register names.
pub(super) const LOCAL: u64 = 1 << 7;
pub(super) const LOADS: u64 = 1 << 8;
pub(super) const STORES: u64 = 1 << 9;
/// The size of what is watched: 8 bytes, 4, 2 or 1.
pub(super) const SIZE_SHIFT: u32 = 10;
pub(super) const ASID: u64 = 0x3ff;

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

/// The configuration registers of the watchpoints of one kind, whose first register (FWPC or MWPC)
/// is `base`: watchpoint, place among its own, and number.
pub(crate) fn watchpoint_csrs(base: u16) -> impl Iterator<Item = (u16, u16, u16)> {
    (0..COUNT).flat_map(move |which| {
        (ADDRESS..=SPACE).map(move |part| (which, part, base + FIRST + which * STRIDE + part))
    })
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
