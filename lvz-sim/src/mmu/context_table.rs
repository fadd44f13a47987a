// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The numbers of contexts (`context`).

use rustc_hash::FxHashMap;

/// Bits of a tag that are zero, so that what is asked for can have the bits there that
/// tell if an access is aligned.
pub(crate) const ALIGNMENT_BITS: u32 = 4;

/// Contexts are multiples of this, which leaves tags their bits for the alignment.
pub(super) const UNIT: u64 = 1 << ALIGNMENT_BITS;

/// So many contexts there are at a time, which leaves the all-ones tag unused.
pub(super) const LIMIT: u64 = 0xfff / UNIT;

/// Direct mapping windows, 32-bit and reduced address controls of a CSR file.
pub(super) type Windows = [u64; 6];

/// Numbers given to contexts so far.
#[derive(Debug)]
pub(super) struct Contexts {
    pub(super) current: u64,
    pub(super) by_key: FxHashMap<u64, u64>,
    pub(super) windows: FxHashMap<Windows, u64>,
    /// Number of the windows in force in root and guest.
    pub(super) window_ids: [u64; 2],
    /// The last few keys, so that mode switches need no hashing.
    pub(super) recent: [(u64, u64); 64],
}

impl Default for Contexts {
    fn default() -> Self {
        Contexts {
            current: 0,
            by_key: FxHashMap::default(),
            windows: FxHashMap::default(),
            window_ids: [0; 2],
            recent: [(0, 0); 64],
        }
    }
}
