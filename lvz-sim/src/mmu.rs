// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Address translation: the TLB that software sees, the two stages, and the
//! software TLB that makes the common case one look-up.

mod access;
mod context;
mod context_table;
mod invtlb;
mod peek;
pub(crate) mod soft;
mod tlb;
mod tlb_ops;
mod translate;
mod walk;
mod walker;

pub(crate) use access::Access;
pub(crate) use context_table::ALIGNMENT_BITS;
pub(crate) use soft::SoftTlb;
pub(crate) use tlb::{Entry, Kind, STLB_SIZE, TLB_SIZE, Tlb, TlbCounts};
pub(crate) use translate::Mapping;

/// Bits of an address inside the smallest page.
pub(crate) const PAGE_MASK: u64 = 0xfff;

/// Physical addresses have 48 bits (CPUCFG.1.PALEN). In an address of a direct
/// mapping window, where kernels are linked to, they are the physical one.
pub(crate) const PA_MASK: u64 = (1 << 48) - 1;
