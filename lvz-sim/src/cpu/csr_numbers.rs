// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Ends of the rows of CSRs of which `la-arch` names the first, and which there are.

use super::{Cpu, Reading};
use la_arch::csr::{Csr, TABLE, number as n};

/// The last data save register that every CPU has (PRCFG1.SAVENum is 8).
pub(super) const SAVE7: u16 = n::SAVE0 + 7;
/// The first of those that only another reading of Q-14 has.
pub(super) const SAVE8: u16 = n::SAVE0 + 8;
/// The last of them.
pub(super) const SAVE15: u16 = n::SAVE0 + 15;
/// The last register of recorded messages.
pub(super) const MSGIS3: u16 = n::MSGIS0 + 3;
/// The last direct mapping window.
pub(super) const DMW3: u16 = n::DMW0 + 3;
/// The last of the registers of watchpoints.
pub(super) const WATCH_LAST: u16 = 0x3ff;
/// Performance counters that there can be.
pub(super) const COUNTERS: usize = 4;
/// The last performance counter.
pub(super) const PERFCNTR3: u16 = n::PERFCNTR0 + 6;

/// The entry of `la-arch`'s table that has register `number`, and which of its elements that is.
pub(super) fn listed(number: u16) -> Option<(&'static Csr, usize)> {
    TABLE.iter().find_map(|csr| {
        let distance = number.checked_sub(csr.number)?;
        let index = csr.elements.iter().position(|&e| e == distance)?;
        Some((csr, index))
    })
}

/// The name of CSR `number`, with its place in a row of registers, if it has one.
pub(crate) fn csr_name(number: u16) -> Option<String> {
    let (csr, index) = listed(number)?;
    Some(match csr.elements.len() {
        1 => csr.name.to_owned(),
        _ => format!("{}{index}", csr.name.trim_end_matches('0')),
    })
}

impl Cpu {
    /// Whether `number` is one of a CSR, of root or the guest. Those of features that the model
    /// has not count too, except the rows that have no names.
    pub(crate) fn has_csr(&self, number: u16) -> bool {
        match number {
            SAVE8..=SAVE15 => self.reads(Reading::Save8),
            n::MWPC..=WATCH_LAST if self.model.has_watchpoints() => true,
            _ => listed(number).is_some(),
        }
    }
}
