// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The size of a page of memory, and its flags.

/// Size of the pages that flags and software TLBs work with: the smallest page
/// of the architecture.
pub const PAGE_SIZE: usize = 4096;

/// What the engine needs to know of a page before a store.
pub mod page_flag {
    /// Decoded blocks came from this page.
    pub const CODE: u8 = 1;
    /// Another CPU holds an LL reservation in this page.
    pub const RESERVED: u8 = 2;
    /// Loads and fetches find an error that cannot be corrected.
    pub const POISONED: u8 = 4;
    /// Stores have no effect.
    pub const READ_ONLY: u8 = 8;
}
