// SPDX-License-Identifier: GPL-2.0-or-later

//! What the machine is told: reset, end, crash, stop.

use std::ffi::c_int;

use super::bql::Bql;
use super::cpu::Cpu;
use super::services::services;

/// SHUTDOWN_CAUSE_GUEST_SHUTDOWN (qapi/run-state.json).
const GUEST_SHUTDOWN: c_int = 6;
/// SHUTDOWN_CAUSE_GUEST_RESET.
const GUEST_RESET: c_int = 7;
/// RUN_STATE_INTERNAL_ERROR.
const INTERNAL_ERROR: c_int = 2;
/// CPU_DUMP_CODE (include/hw/core/cpu.h).
const DUMP_CODE: c_int = 0x1_0000;

/// The guest asked for a reset.
pub fn request_reset() {
    // SAFETY: May be called from any thread.
    unsafe { (services().qemu_system_reset_request)(GUEST_RESET) };
}

/// The guest asked to be switched off.
pub fn request_shutdown() {
    // SAFETY: May be called from any thread.
    unsafe { (services().qemu_system_shutdown_request)(GUEST_SHUTDOWN) };
}

/// The guest says that it crashed.
pub fn guest_panicked(_bql: &Bql, cpu: Cpu) {
    let services = services();
    // SAFETY: The CPU is alive and the BQL held.
    let information = unsafe { (services.cpu_get_crash_info)(cpu.as_ptr()) };
    // SAFETY: As above; the information is the function's from now on.
    unsafe { (services.qemu_system_guest_panicked)(information) };
}

/// Shows the vCPU's state and stops the VM: an internal error, from which the
/// user may yet save what there is.
pub fn internal_error(_bql: &Bql, cpu: Cpu) {
    let services = services();
    // SAFETY: libc's object; it changes only if somebody assigns to it.
    let stderr = unsafe { services.stderr.read() };
    // SAFETY: The CPU is alive and the BQL held.
    unsafe { (services.cpu_dump_state)(cpu.as_ptr(), stderr, DUMP_CODE) };
    // SAFETY: As above.
    unsafe { (services.vm_stop)(INTERNAL_ERROR) };
}
