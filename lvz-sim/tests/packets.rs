// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The fuzz target `gdb` over a fixed corpus: whatever a debugger says, its stub answers or hangs
//! up, and the machine goes on.

// A fuzz target fails as a test does.
#![allow(clippy::expect_used)]

#[path = "../fuzz/src/lib.rs"]
#[allow(dead_code, reason = "the other target has a test of its own")]
mod targets;

#[test]
fn packets_of_all_kinds() {
    for number in 0..500u64 {
        let bytes: Vec<u8> = (0..32)
            .flat_map(|word| {
                (number * 32 + word)
                    .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                    .to_be_bytes()
            })
            .collect();
        targets::gdb(&bytes);
    }
}
