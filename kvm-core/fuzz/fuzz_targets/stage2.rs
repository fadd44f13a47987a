// SPDX-License-Identifier: GPL-2.0

//! Fuzz target `stage2`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kvm_core_fuzz::stage2(data));
