// SPDX-License-Identifier: GPL-2.0-or-later

//! Breakpoints (QEMU: include/system/kvm.h, target/loongarch/kvm/kvm.c).

use std::ffi::c_int;

use crate::qemu::bql::Bql;
use crate::qemu::cpu::Cpu;
use crate::qemu::opaque::CPUState;
use crate::vcpu::debug;

/// The part of `struct kvm_guest_debug` that is the same everywhere.
#[repr(C)]
#[derive(Debug)]
pub struct KvmGuestDebug {
    control: u32,
    pad: u32,
}

/// The part of QEMU's `struct kvm_sw_breakpoint` that the architecture uses.
#[repr(C)]
#[derive(Debug)]
pub struct KvmSwBreakpoint {
    pc: u64,
    saved_insn: u64,
}

/// KVM is about to be told what is debugged.
///
/// # Safety
///
/// QEMU calls it under the BQL with a CPU object that is alive and a structure
/// of its own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvm_la_kvm_arch_update_guest_debug(
    cpu: *mut CPUState,
    debug: *mut KvmGuestDebug,
) {
    // SAFETY: By this function's contract.
    let cpu = unsafe { Cpu::from_raw(cpu) };
    // SAFETY: By this function's contract.
    let debug = unsafe { debug.as_mut() };
    if let (Some(cpu), Some(debug)) = (cpu, debug) {
        // SAFETY: By this function's contract.
        let bql = unsafe { Bql::assume_held() };
        debug.control = debug::control_flags(&bql, cpu, debug.control);
    }
}

/// A breakpoint is to be put into the guest.
///
/// # Safety
///
/// As [`kvm_la_kvm_arch_update_guest_debug`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvm_la_kvm_arch_insert_sw_breakpoint(
    cpu: *mut CPUState,
    breakpoint: *mut KvmSwBreakpoint,
) -> c_int {
    // SAFETY: By this function's contract.
    let cpu = unsafe { Cpu::from_raw(cpu) };
    // SAFETY: By this function's contract.
    let breakpoint = unsafe { breakpoint.as_mut() };
    let (Some(cpu), Some(breakpoint)) = (cpu, breakpoint) else {
        return -libc::EINVAL;
    };
    // SAFETY: By this function's contract.
    match debug::insert(&unsafe { Bql::assume_held() }, cpu, breakpoint.pc) {
        Some(saved) => {
            breakpoint.saved_insn = u64::from(saved);
            0
        }
        None => -libc::EINVAL,
    }
}

/// A breakpoint is to be taken out of the guest.
///
/// # Safety
///
/// As [`kvm_la_kvm_arch_update_guest_debug`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvm_la_kvm_arch_remove_sw_breakpoint(
    cpu: *mut CPUState,
    breakpoint: *mut KvmSwBreakpoint,
) -> c_int {
    // SAFETY: By this function's contract.
    let cpu = unsafe { Cpu::from_raw(cpu) };
    // SAFETY: By this function's contract.
    let breakpoint = unsafe { breakpoint.as_ref() };
    let (Some(cpu), Some(breakpoint)) = (cpu, breakpoint) else {
        return -libc::EINVAL;
    };
    // SAFETY: By this function's contract.
    let bql = unsafe { Bql::assume_held() };
    if debug::remove(&bql, cpu, breakpoint.pc, breakpoint.saved_insn as u32) {
        0
    } else {
        -libc::EINVAL
    }
}

/// KVM has no hardware breakpoints for LoongArch.
#[unsafe(no_mangle)]
pub extern "C" fn kvm_la_kvm_arch_hw_breakpoint(
    _address: u64,
    _length: u64,
    _kind: c_int,
) -> c_int {
    -libc::ENOSYS
}

/// There are none to remove.
#[unsafe(no_mangle)]
pub extern "C" fn kvm_la_kvm_arch_remove_all_hw_breakpoints() {}
