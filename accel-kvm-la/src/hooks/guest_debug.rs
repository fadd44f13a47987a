// SPDX-License-Identifier: GPL-2.0-or-later

//! Breakpoints (QEMU: include/system/kvm.h, target/loongarch/kvm/kvm.c).

use std::ffi::c_int;

use super::locked::under_bql;
use crate::qemu::bql::Bql;
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
    if let Some(debug) = unsafe { debug.as_mut() } {
        let work = |bql: &Bql, cpu| {
            debug.control = debug::control_flags(bql, cpu, debug.control);
        };
        // SAFETY: By this function's contract.
        unsafe { under_bql(cpu, work) };
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
    let Some(breakpoint) = (unsafe { breakpoint.as_mut() }) else {
        return -libc::EINVAL;
    };
    let insert = |bql: &Bql, cpu| debug::insert(bql, cpu, breakpoint.pc);
    // SAFETY: By this function's contract.
    match unsafe { under_bql(cpu, insert) }.flatten() {
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
    let Some(breakpoint) = (unsafe { breakpoint.as_ref() }) else {
        return -libc::EINVAL;
    };
    let remove =
        |bql: &Bql, cpu| debug::remove(bql, cpu, breakpoint.pc, breakpoint.saved_insn as u32);
    // SAFETY: By this function's contract.
    match unsafe { under_bql(cpu, remove) } {
        Some(true) => 0,
        _ => -libc::EINVAL,
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
