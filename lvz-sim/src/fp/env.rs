// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The rounding mode that an operation uses and the exceptions that it raises.

use bitflags::bitflags;

/// Rounding mode, encoded as in FCSR0.RM (manual volume 1, 3.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Round {
    /// RNE: to nearest, ties to even.
    NearestEven = 0,
    /// RZ: toward zero.
    TowardZero = 1,
    /// RP: toward positive infinity.
    Up = 2,
    /// RM: toward negative infinity.
    Down = 3,
}

impl Round {
    /// All modes, in the order of their encoding.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 4] = [Self::NearestEven, Self::TowardZero, Self::Up, Self::Down];

    /// The mode that a two-bit RM field selects; higher bits are ignored.
    #[inline(always)]
    pub(crate) const fn from_field(field: u32) -> Self {
        match field & 3 {
            0 => Self::NearestEven,
            1 => Self::TowardZero,
            2 => Self::Up,
            _ => Self::Down,
        }
    }
}

bitflags! {
    /// Exceptions that an operation raised, at the positions of FCSR0.Enables.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Flags: u8 {
        /// I: the result was rounded.
        const INEXACT = 1 << 0;
        /// U: the result is tiny and inexact.
        const UNDERFLOW = 1 << 1;
        /// O: the result is beyond the largest finite number.
        const OVERFLOW = 1 << 2;
        /// Z: a finite non-zero number was divided by zero.
        const DIVISION_BY_ZERO = 1 << 3;
        /// V: the operation has no useful result.
        const INVALID = 1 << 4;
        /// The result is tiny, exact or not. Not a flag of the architecture: with the underflow
        /// exception enabled it becomes one ([`Fcsr::record`](super::Fcsr::record)).
        const TINY = 1 << 5;
    }
}

/// What an operation needs to know and what it reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Env {
    /// The rounding mode in force.
    pub rm: Round,
    /// Exceptions raised so far; operations only add to them.
    pub flags: Flags,
    /// Whether estimates are the correctly rounded numbers.
    pub exact: bool,
}

impl Env {
    /// An environment with no exception raised.
    #[inline(always)]
    pub(crate) const fn new(rm: Round) -> Self {
        Self {
            rm,
            flags: Flags::empty(),
            exact: true,
        }
    }

    /// The same with estimates as the CPU has them.
    #[inline(always)]
    pub(crate) const fn with_exact(self, exact: bool) -> Self {
        Self { exact, ..self }
    }

    #[inline(always)]
    pub(super) fn raise(&mut self, flags: Flags) {
        self.flags |= flags;
    }

    /// Raises inexact, or not, without a branch: for sums it is hard to predict.
    #[inline(always)]
    pub(super) fn raise_inexact_if(&mut self, inexact: bool) {
        self.flags |= Flags::from_bits_retain(u8::from(inexact) * Flags::INEXACT.bits());
    }

    /// The sign of an exact zero that is the sum of two numbers of opposite sign (IEEE 754, 6.3).
    #[inline(always)]
    pub(super) fn cancelled_sign(&self) -> bool {
        self.rm == Round::Down
    }
}
