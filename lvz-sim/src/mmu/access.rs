// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What is asked of a page, and what a page allows.

use bitflags::bitflags;

/// What an address is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Load,
    /// A store, or an atomic.
    Store,
    /// An instruction fetch.
    Fetch,
}

impl Access {
    /// What it needs of a page.
    pub(super) fn needs(self) -> Perms {
        match self {
            Access::Load => Perms::READ,
            Access::Store => Perms::WRITE,
            Access::Fetch => Perms::FETCH,
        }
    }
}

bitflags! {
    /// What a page allows at one privilege level.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Perms: u8 {
        /// Loads.
        const READ = 1 << 0;
        /// Stores and atomics.
        const WRITE = 1 << 1;
        /// Instruction fetches.
        const FETCH = 1 << 2;
    }
}
