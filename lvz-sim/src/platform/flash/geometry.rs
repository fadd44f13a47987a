// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The sizes of a flash.

/// Bytes that are erased together, of both chips.
pub(in super::super) const BLOCK: usize = 256 << 10;
/// Most bytes of a flash.
pub(in super::super) const FLASH_MAX: usize = 16 << 20;
/// What an erased byte reads as.
pub(super) const ERASED: u8 = 0xff;
/// Most words that are programmed together.
pub(super) const BUFFER_WORDS: u64 = 32;
