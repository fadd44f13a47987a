// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Accesses of any size to registers that are wider than the access.

/// All ones in the low `size` bytes.
pub(crate) fn mask(size: u8) -> u64 {
    match size {
        0 => 0,
        1..=7 => (1 << (8 * size)) - 1,
        _ => u64::MAX,
    }
}

/// `size` bytes of `word`, from byte `byte` on.
pub(crate) fn extract(word: u64, byte: u64, size: u8) -> u64 {
    word.checked_shr(8 * byte as u32).unwrap_or(0) & mask(size)
}

/// The value and the mask of a write of `size` bytes at byte `byte`.
pub(crate) fn place(value: u64, byte: u64, size: u8) -> (u64, u64) {
    let mask = mask(size).checked_shl(8 * byte as u32).unwrap_or(0);
    let value = value.checked_shl(8 * byte as u32).unwrap_or(0) & mask;
    (value, mask)
}
