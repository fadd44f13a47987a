// SPDX-License-Identifier: GPL-2.0-or-later

//! QEMU's threads and its ways into another vCPU's thread.

use std::ffi::{CString, c_void};

use super::bql::Bql;
use super::cpu::Cpu;
use super::services::{RunOnCpuFn, ThreadFn, services};

/// QEMU_THREAD_JOINABLE (include/qemu/thread.h).
const JOINABLE: i32 = 0;

/// Starts the vCPU's thread, with the name that tools look for.
///
/// # Safety
///
/// `start` expects the CPU object as its argument, and the object stays alive
/// until the thread has ended.
pub unsafe fn create(_bql: &Bql, cpu: Cpu, start: ThreadFn) {
    let name = CString::new(format!("CPU {}/KVM", cpu.index())).unwrap_or_default();
    // SAFETY: `qemu_init_vcpu` allocated the handle; the name is copied; the
    // rest by this function's contract.
    unsafe {
        (services().qemu_thread_create)(
            cpu.thread(),
            name.as_ptr(),
            start,
            cpu.as_ptr().cast(),
            JOINABLE,
        );
    }
}

/// Runs `function` in the vCPU's thread and waits for it; in this thread if it
/// is the vCPU's.
pub fn run_on_cpu(_bql: &Bql, cpu: Cpu, function: RunOnCpuFn) {
    run_on_cpu_impl(cpu, function);
}

/// The same for the vCPU's own thread without the BQL.
pub fn run_on_own_cpu(cpu: Cpu, function: RunOnCpuFn) {
    run_on_cpu_impl(cpu, function);
}

fn run_on_cpu_impl(cpu: Cpu, function: RunOnCpuFn) {
    // SAFETY: The CPU is alive; the functions that are passed here take no data.
    unsafe { (services().run_on_cpu)(cpu.as_ptr(), function, std::ptr::null_mut::<c_void>()) };
}

/// Waits while the vCPU has nothing to do, and does its queued work.
pub fn process_events(_bql: &Bql, cpu: Cpu) {
    // SAFETY: In the vCPU's thread with the BQL.
    unsafe { (services().qemu_process_cpu_events)(cpu.as_ptr()) };
}

/// Whether the vCPU may run.
pub fn can_run(_bql: &Bql, cpu: Cpu) -> bool {
    // SAFETY: The CPU is alive and the BQL held.
    unsafe { (services().cpu_can_run)(cpu.as_ptr()) }
}

/// The part that exclusive sections wait for; ends when this is dropped.
#[derive(Debug)]
pub struct Running(Cpu);

impl Running {
    /// In the vCPU's thread, without the BQL.
    pub fn start(_without: &super::bql::WithoutBql, cpu: Cpu) -> Running {
        // SAFETY: The CPU is alive; the lock may not be held, which it is not.
        unsafe { (services().cpu_exec_start)(cpu.as_ptr()) };
        Running(cpu)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // SAFETY: Pairs with `start`.
        unsafe { (services().cpu_exec_end)(self.0.as_ptr()) };
    }
}
