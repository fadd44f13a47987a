// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Two values of a register, or of memory, that should be one.

use std::fmt;

/// Where values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// How many instructions have ended.
    Count,
    Pc,
    Gpr(u8),
    Vr(u8),
    Fcc,
    Fcsr,
    /// A physical address.
    Memory(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Count => f.write_str("the count of instructions"),
            Place::Pc => f.write_str("pc"),
            Place::Gpr(r) => write!(f, "r{r}"),
            Place::Vr(r) => write!(f, "vr{r}"),
            Place::Fcc => f.write_str("fcc"),
            Place::Fcsr => f.write_str("fcsr0"),
            Place::Memory(pa) => write!(f, "memory at {pa:#x}"),
        }
    }
}

/// Two values that should be one.
#[derive(Clone, Copy)]
pub(super) struct Finding {
    pub(super) place: Place,
    /// The instructions of the pass up to this one may be its cause.
    pub(super) end: usize,
    pub(super) interpreted: u128,
    pub(super) compiled: u128,
}

impl Finding {
    pub(super) fn new(place: Place, end: usize, interpreted: u64, compiled: u64) -> Self {
        Finding {
            place,
            end,
            interpreted: interpreted.into(),
            compiled: compiled.into(),
        }
    }
}
