// SPDX-License-Identifier: GPL-2.0-or-later

//! What the machine is told: reset, end, crash, stop; and what it tells.

use std::ffi::{c_int, c_void};
use std::ptr::NonNull;

use super::bql::Bql;
use super::cpu::Cpu;
use super::opaque::VMChangeStateEntry;
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
    // SAFETY: libc's object; it changes only where a program assigns to it, and QEMU does not.
    let stderr = unsafe { services.stderr.read() };
    // SAFETY: The CPU is alive and the BQL held.
    unsafe { (services.cpu_dump_state)(cpu.as_ptr(), stderr, DUMP_CODE) };
    // SAFETY: As above.
    unsafe { (services.vm_stop)(INTERNAL_ERROR) };
}

/// What is done when the VM stops or starts.
pub trait OnChange {
    /// Called for the CPU that was registered.
    fn changed(bql: &Bql, cpu: Cpu, running: bool);
}

unsafe extern "C" fn changed<T: OnChange>(opaque: *mut c_void, running: bool, _state: c_int) {
    // SAFETY: `ChangeHandler::add` passed the CPU object, which is alive until
    // `remove`.
    if let Some(cpu) = unsafe { Cpu::from_raw(opaque.cast()) } {
        // SAFETY: QEMU calls the handlers under the BQL (vm_state_notify).
        let bql = unsafe { Bql::assume_held() };
        T::changed(&bql, cpu, running);
    }
}

/// A registration for stops and starts.
#[derive(Debug)]
pub struct ChangeHandler(NonNull<VMChangeStateEntry>);

// SAFETY: A handle, used under the BQL only.
unsafe impl Send for ChangeHandler {}

impl ChangeHandler {
    /// Has `T` told of stops and starts of the VM, until [`ChangeHandler::remove`].
    pub fn add<T: OnChange>(_bql: &Bql, cpu: Cpu) -> Option<ChangeHandler> {
        // SAFETY: The callback takes a CPU object; the BQL is held.
        let entry = unsafe {
            (services().qemu_add_vm_change_state_handler)(changed::<T>, cpu.as_ptr().cast())
        };
        NonNull::new(entry).map(ChangeHandler)
    }

    /// Ends that.
    pub fn remove(self, _bql: &Bql) {
        // SAFETY: From `add`, and not used again.
        unsafe { (services().qemu_del_vm_change_state_handler)(self.0.as_ptr()) };
    }
}
