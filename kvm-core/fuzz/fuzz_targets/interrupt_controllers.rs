// SPDX-License-Identifier: GPL-2.0

//! Fuzz target `interrupt_controllers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kvm_core_fuzz::interrupt_controllers(data));
