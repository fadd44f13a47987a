// SPDX-License-Identifier: GPL-2.0

//! Fuzz target `timer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kvm_core_fuzz::timer(data));
