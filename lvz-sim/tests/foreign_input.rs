// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The fuzz targets of what comes from outside over fixed corpora: whatever a file, a guest, a
//! peer or a debugger says, lvz-sim refuses it or goes on. `lvz-sim/fuzz/README.md` says how to
//! look for longer.

// A fuzz target fails as a test does.
#![allow(clippy::expect_used)]

#[path = "../fuzz/src/lib.rs"]
#[allow(dead_code, reason = "`engines` has a test of its own")]
mod targets;

/// Runs a target over so many inputs, all of different bytes, or over as many as `INPUTS` says.
fn all(inputs: u64, target: fn(&[u8])) {
    let inputs = std::env::var("INPUTS")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(inputs);
    target(&[]);
    for number in 0..inputs {
        let words = (0..32).map(|word| targets::mixed(number * 32 + word));
        let bytes: Vec<u8> = words.flat_map(u64::to_be_bytes).collect();
        target(&bytes);
    }
}

#[test]
fn gdb() {
    all(500, targets::gdb);
}

#[test]
fn images() {
    all(1000, targets::images);
}

#[test]
fn devices() {
    all(150, targets::devices);
}

#[test]
fn flash() {
    all(30, targets::flash);
}

#[test]
fn rings() {
    all(1000, targets::rings);
}

#[test]
fn share() {
    all(300, targets::share);
}

#[test]
fn network() {
    all(200, targets::network);
}

#[test]
fn snapshots() {
    all(60, targets::snapshots);
}
