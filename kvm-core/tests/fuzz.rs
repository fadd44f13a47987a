// SPDX-License-Identifier: GPL-2.0

//! The fuzz targets' functions over a fixed corpus, so that every run of the
//! tests executes them; `kvm-core/fuzz/README.md` says how to fuzz for longer.

// A fuzz target fails as a test does.
#![allow(clippy::expect_used, clippy::unwrap_used)]

#[path = "../fuzz/src/lib.rs"]
mod targets;

/// Inputs of each target.
const INPUTS: u64 = 2000;

/// Bytes of xorshift64* (Vigna 2016), of many lengths. Some inputs have few
/// different bytes, so that the same addresses and registers come again.
fn input(number: u64) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32
    };
    let length = next() % 600;
    let mask = [0xff, 0xff, 0x3f, 0x13][(number % 4) as usize];
    (0..length).map(|_| next() as u8 & mask).collect()
}

fn all(target: fn(&[u8])) {
    target(&[]);
    for number in 0..INPUTS {
        target(&input(number));
    }
}

#[test]
fn decoder() {
    all(targets::decoder);
}

#[test]
fn registers() {
    all(targets::registers);
}

#[test]
fn interrupt_controllers() {
    all(targets::interrupt_controllers);
}

#[test]
fn stage2() {
    all(targets::stage2);
}

#[test]
fn timer() {
    all(targets::timer);
}
