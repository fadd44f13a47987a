// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The floating-point control and status register.

use super::env::{Env, Flags, Round};
use la_arch::fcsr::{CAUSE, CAUSE_SHIFT, ENABLES, FIELDS, FLAGS, FLAGS_SHIFT, RM, RM_SHIFT, TM};

/// FCSR0 (manual volume 1, 3.1.3). FCSR1, FCSR2 and FCSR3 are views of some of its fields. Beside
/// them there is TM, on a CPU with binary translation only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fcsr(u32);

/// An operation raised an enabled exception: the instruction ends in the exception FPE, and its
/// destination is not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) struct Trap;

/// The fields that `movgr2fcsr` and `movfcsr2gr` reach through FCSR0 to FCSR3.
const VIEWS: [u32; 4] = [FIELDS, ENABLES, FLAGS | CAUSE, RM];

/// What decides whether a result of the computer's unit can be taken.
pub(crate) const MODE_AND_ENABLES: i64 = (ENABLES | RM) as i64;

/// All fields but Cause, which each operation writes.
pub(crate) const ALL_BUT_CAUSE: i64 = !CAUSE as i32 as i64;

pub(crate) const INEXACT_CAUSE_AND_FLAG: i64 =
    (Flags::INEXACT.bits() as i64) << CAUSE_SHIFT | (Flags::INEXACT.bits() as i64) << FLAGS_SHIFT;

impl Fcsr {
    /// The register with all the fields of `bits`; undefined bits are dropped.
    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self(bits & (FIELDS | TM))
    }

    /// All fields.
    pub(crate) const fn bits(self) -> u32 {
        self.0
    }

    /// Reads FCSR`number` (`movfcsr2gr`). One that does not exist reads as zero.
    pub(crate) fn read(self, number: usize) -> u32 {
        let view = match number {
            0 => FIELDS | TM,
            _ => VIEWS.get(number).copied().unwrap_or(0),
        };
        self.0 & view
    }

    /// Whether TM is set.
    #[inline(always)]
    pub(crate) const fn stack_mode(self) -> bool {
        self.0 & TM != 0
    }

    /// The same with TM set or clear.
    pub(crate) const fn with_stack_mode(self, on: bool) -> Self {
        Self(self.0 & !TM | if on { TM } else { 0 })
    }

    /// Writes FCSR0, on a CPU with binary translation (`lbt`) TM too; never causes an exception.
    pub(crate) fn write_whole(&mut self, value: u32, lbt: bool) {
        self.write(0, value);
        if lbt {
            *self = self.with_stack_mode(Self::from_bits(value).stack_mode());
        }
    }

    /// Writes FCSR`number` (`movgr2fcsr`) but for TM; never causes an exception. To one that does not exist
    /// nothing is written.
    pub(crate) fn write(&mut self, number: usize, value: u32) {
        let view = VIEWS.get(number).copied().unwrap_or(0);
        self.0 = (self.0 & !view) | (value & view);
    }

    /// The rounding mode in force.
    #[inline(always)]
    pub(crate) const fn rounding(self) -> Round {
        Round::from_field(self.0 >> RM_SHIFT)
    }

    /// The environment for one operation.
    #[inline(always)]
    pub(crate) const fn env(self) -> Env {
        Env::new(self.rounding())
    }

    /// Ends an operation that raised `raised`: Cause becomes just that. If one of these exceptions
    /// is enabled the instruction traps and Flags stays; else Flags accumulates them.
    ///
    /// With underflow enabled a tiny result raises it even if exact (manual volume 1, 3.1.4).
    #[inline(always)]
    pub(crate) fn record(&mut self, raised: Flags) -> Result<(), Trap> {
        let enables = self.0 & ENABLES;
        let raised = u32::from(raised.bits());
        let tiny = (raised / u32::from(Flags::TINY.bits())) * u32::from(Flags::UNDERFLOW.bits());
        let cause = (raised & ENABLES) | (tiny & enables);
        self.0 = self.0 & !CAUSE | cause << CAUSE_SHIFT;
        if cause & enables != 0 {
            return Err(Trap);
        }
        self.0 |= cause << FLAGS_SHIFT;
        Ok(())
    }
}
