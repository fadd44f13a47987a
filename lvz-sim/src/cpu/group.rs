// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Groups of instructions.

/// The feature that an instruction belongs to: what `--cpu` can switch and the
/// unit in which coverage is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    /// Integer, branches, memory access.
    Integer,
    /// Bound-checking accesses.
    Bound,
    Atomic,
    /// `crc.*` and `crcc.*`.
    Crc,
    /// Scalar floating point.
    Fp,
    /// 128-bit vectors.
    Lsx,
    /// 256-bit vectors.
    Lasx,
    /// Binary translation.
    Lbt,
    /// Privileged, and `cpucfg`, which a guest may not execute.
    Privileged,
    /// Virtualization: `hvcl` and what root does with a guest's CSRs and TLB.
    Lvz,
}
