// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Numbers that are read, and lines that are written.

use std::fmt::Write as _;

/// A number as C writes it.
pub(super) fn number(word: &str) -> Result<u64, String> {
    let parsed = match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => word.parse(),
    };
    parsed.map_err(|_| format!("'{word}' is not a number\n"))
}

/// Adds a line.
pub(super) fn line(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{what}");
}
