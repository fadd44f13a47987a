// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Ends of the rows of CSRs of which `la-arch` names the first.

use la_arch::csr::number as n;

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
