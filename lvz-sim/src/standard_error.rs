// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Lines for standard error.

/// `eprintln!` in one piece, and without its panic where standard error is full.
#[doc(hidden)]
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => {{
        let line = format!($($text)*) + "\n";
        // There is nowhere to say that it cannot be said.
        let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
    }};
}
