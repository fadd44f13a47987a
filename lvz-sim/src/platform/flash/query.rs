// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What the chips say of themselves (JESD68 "Common flash interface"; the values of Intel's
//! 28F128P30, with the size that the flash has).

use super::geometry::{BLOCK, BUFFER_WORDS};

const INTEL: u8 = 0x89;
const P30: u8 = 0x18;
/// Chips side by side.
const CHIPS: usize = 2;

/// The identification at word `word` of a block: maker, device, lock (none).
pub(super) fn id(word: u64) -> u8 {
    match word & 0xff {
        0 => INTEL,
        1 => P30,
        _ => 0,
    }
}

/// Byte `word` of the table of a flash with `size` bytes.
pub(super) fn byte(word: u64, size: usize) -> u8 {
    let chip = size / CHIPS;
    let blocks = (size / BLOCK) as u16;
    let block = (BLOCK / CHIPS / 256) as u16;
    let buffer = 2 * BUFFER_WORDS;
    let at = |number: u16, high: bool| number.to_le_bytes()[usize::from(high)];
    match word & 0xff {
        0x10 => b'Q',
        0x11 => b'R',
        0x12 => b'Y',
        // The command set, and where its own table is.
        0x13 => 0x01,
        0x15 => 0x31,
        // Volts; typical times of program, buffer and erase, and factors to the longest.
        0x1b => 0x45,
        0x1c => 0x55,
        0x1f | 0x20 => 0x07,
        0x21 => 0x0a,
        0x23..=0x25 => 0x04,
        0x27 => chip.next_power_of_two().trailing_zeros() as u8,
        // 16 bits wide; the buffer's size.
        0x28 => 0x01,
        0x2a => buffer.trailing_zeros() as u8,
        // One kind of blocks: how many more than one, how long in units of 256 bytes.
        0x2c => 1,
        0x2d => at(blocks.saturating_sub(1), false),
        0x2e => at(blocks.saturating_sub(1), true),
        0x2f => at(block, false),
        0x30 => at(block, true),
        0x31 => b'P',
        0x32 => b'R',
        0x33 => b'I',
        0x34 => b'1',
        0x35 => b'0',
        _ => 0,
    }
}
