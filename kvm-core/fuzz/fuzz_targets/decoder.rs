// SPDX-License-Identifier: GPL-2.0

//! Fuzz target `decoder`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kvm_core_fuzz::decoder(data));
