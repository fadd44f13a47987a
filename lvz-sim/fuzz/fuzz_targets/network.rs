// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Fuzz target `network`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lvz_sim_fuzz::network(data));
