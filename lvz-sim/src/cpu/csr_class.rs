// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a guest's access to a CSR does (`docs/lvz.md` 3.1 to 3.3).

use super::csr_numbers::{DMW3, PERFCNTR3, SAVE7, SAVE8, SAVE15, WATCH_LAST};
use super::{Cpu, Reading};
use la_arch::csr::number as n;
use std::ops::RangeInclusive;

/// What a CSR access in guest mode does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CsrClass {
    /// Reads or writes the guest's register.
    Direct,
    /// Raises GSPR in root.
    Sensitive,
}

/// Two rows of registers without names that exit on silicon (`docs/lvz.md` 3.3).
const NAMELESS: [RangeInclusive<u16>; 2] = [0xc0..=0xff, 0x100..=0x109];
/// Watchpoints for loads and stores, then for fetches.
const WATCHPOINTS: RangeInclusive<u16> = n::MWPC..=WATCH_LAST;

impl Cpu {
    /// The class of register `number` for guest accesses: the safe rule G-10,
    /// everything that is not known to be a guest register is sensitive, unless
    /// are read otherwise.
    pub fn guest_csr_class(&self, number: u16) -> CsrClass {
        let sensitive = match number {
            n::TLBIDX..=n::TLBELO1 | n::ASID..=n::STLBPS | n::TLBRENTRY..=n::TLBRPRMD => {
                self.root().gtlbc().toti()
            }
            n::TID..=n::TICLR => self.root().gcfg().toti(),
            n::CRMD..=n::BADI
            | n::EENTRY
            | n::RVACFG..=n::PRCFG3
            | n::SAVE0..=SAVE7
            | n::LLBCTL
            | n::DMW0..=DMW3 => false,
            n::MSGIS0..=n::MSGIE if self.model.has_msgint() => false,
            _ => self.doubtful_is_sensitive(number),
        };
        match sensitive {
            true => CsrClass::Sensitive,
            false => CsrClass::Direct,
        }
    }

    /// Whether a register that is not known to be a guest's own exits.
    #[cold]
    fn doubtful_is_sensitive(&self, number: u16) -> bool {
        match number {
            n::PERFCTRL0..=PERFCNTR3 => !self.lent_to_guest(number),
            // Known to exit (`docs/lvz.md` 3.3).
            n::GTLBC
            | n::TRGP
            | n::GSTAT..=n::GCNTC
            | n::IMPCTL1
            | n::IMPCTL2
            | n::MERRCTL..=n::MERRSAVE
            | n::CTAG
            | n::DBG..=n::DSAVE => true,
            _ if NAMELESS.iter().any(|row| row.contains(&number)) => true,
            SAVE8..=SAVE15 if self.reads(Reading::Save8) => false,
            _ if WATCHPOINTS.contains(&number) => !self.reads(Reading::WatchCsr),
            // TOHU decides where it is offered.
            _ if self.root().gcfg().tohup() => self.root().gcfg().tohu(),
            _ => !self.reads(Reading::UndefinedCsr),
        }
    }
}
