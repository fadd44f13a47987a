// SPDX-License-Identifier: MIT

//! Entries of page tables (Volume 1, 5.4.5), where they have other bits than an entry of the
//! TLB ([`TlbElo`](crate::csr::TlbElo)). `ldpte` and the hardware walker read them.

/// H: the entry of a directory maps a huge page. In the lowest table the bit is G.
pub const HUGE: u64 = 1 << 6;
/// P: there is such a page. The TLB has V of an entry with P alone where the hardware walks.
pub const PRESENT: u64 = 1 << 7;
/// W: the page may be written, and D says whether it was.
pub const WRITE: u64 = 1 << 8;
/// G of a huge page.
pub const HUGE_GLOBAL: u64 = 1 << 12;
