// SPDX-License-Identifier: GPL-2.0-or-later

//! vCPUs' threads: their life, and the ways into another one.

use std::ffi::{CString, c_void};

use super::bql::Bql;
use super::cpu::Cpu;
use super::opaque::CPUState;
use super::services::services;

/// QEMU_THREAD_JOINABLE (include/qemu/thread.h).
const JOINABLE: i32 = 0;

/// What a vCPU's thread does.
pub trait VcpuThread {
    /// From the thread's start, with the BQL, to its end.
    fn run(bql: Bql, cpu: Cpu) -> Bql;
}

unsafe extern "C" fn run<T: VcpuThread>(argument: *mut c_void) -> *mut c_void {
    // SAFETY: `create` passed a CPU object, which lives longer than this thread.
    if let Some(cpu) = unsafe { Cpu::from_raw(argument.cast()) } {
        let services = services();
        register_rcu();
        T::run(Bql::lock(), cpu).unlock();
        // SAFETY: Pairs with `register_rcu`.
        unsafe { (services.rcu_unregister_thread)() };
    }
    std::ptr::null_mut()
}

/// Starts the vCPU's thread, with the name that tools look for. QEMU keeps the CPU
/// object until it has joined the thread.
pub fn create<T: VcpuThread>(_bql: &Bql, cpu: Cpu) {
    let name = CString::new(format!("CPU {}/KVM", cpu.index())).unwrap_or_default();
    // SAFETY: `qemu_init_vcpu` allocated the handle; the name is copied; `run` takes a
    // CPU object.
    unsafe {
        (services().qemu_thread_create)(
            cpu.thread(),
            name.as_ptr(),
            run::<T>,
            cpu.as_ptr().cast(),
            JOINABLE,
        );
    }
}

/// Makes this thread known to RCU; once at its start.
pub fn register_rcu() {
    // SAFETY: As said.
    unsafe { (services().rcu_register_thread)() };
}

/// Makes this thread the vCPU's, as QEMU sees it: handle, id and `current_cpu`, which
/// SIG_IPI's handler needs.
pub fn adopt(_bql: &Bql, cpu: Cpu) {
    let services = services();
    // SAFETY: `qemu_init_vcpu` allocated the handle.
    unsafe { (services.qemu_thread_get_self)(cpu.thread()) };
    // SAFETY: No argument.
    cpu.set_thread_id(unsafe { (services.qemu_get_thread_id)() });
    // SAFETY: A CPU object, in its thread.
    unsafe { (services.link.set_current_cpu)(cpu.as_ptr()) };
}

/// Makes the vCPU in KVM, which calls `kvm_arch_init_vcpu`; an error ends the process.
pub fn init_kvm(_bql: &Bql, cpu: Cpu) {
    let services = services();
    // SAFETY: The CPU is alive, the BQL held.
    unsafe { (services.kvm_init_vcpu)(cpu.as_ptr(), services.error_fatal) };
}

/// Gives the vCPU's file descriptor back, which calls `kvm_arch_destroy_vcpu`.
pub fn destroy_kvm(_bql: &Bql, cpu: Cpu) {
    // SAFETY: The CPU is alive, the BQL held.
    unsafe { (services().kvm_destroy_vcpu)(cpu.as_ptr()) };
}

/// The vCPU can run: lets `qemu_init_vcpu` go on.
pub fn signal_created(_bql: &Bql, cpu: Cpu) {
    let services = services();
    // SAFETY: The CPU is alive, in its thread.
    unsafe { (services.kvm_init_cpu_signals)(cpu.as_ptr()) };
    // SAFETY: The CPU is alive, the BQL held.
    unsafe { (services.cpu_thread_signal_created)(cpu.as_ptr()) };
    // SAFETY: A number.
    unsafe { (services.qemu_guest_random_seed_thread_part2)(cpu.random_seed()) };
}

/// The vCPU is gone: lets `cpu_remove_sync` go on.
pub fn signal_destroyed(_bql: &Bql, cpu: Cpu) {
    // SAFETY: The CPU is alive, the BQL held.
    unsafe { (services().cpu_thread_signal_destroyed)(cpu.as_ptr()) };
}

/// Does `work` in the vCPU's thread and waits for it; at once if this is that thread.
pub fn run_on_cpu<F: FnOnce(Cpu) + Send>(_bql: &Bql, cpu: Cpu, work: F) {
    let mut work = Some(work);
    let data = (&raw mut work).cast::<c_void>();
    // SAFETY: The CPU is alive, and `call` takes what `data` points to, which stays
    // until the function returns: it waits.
    unsafe { (services().run_on_cpu)(cpu.as_ptr(), call::<F>, data) };
}

unsafe extern "C" fn call<F: FnOnce(Cpu)>(cpu: *mut CPUState, data: *mut c_void) {
    // SAFETY: `run_on_cpu` passed it and waits.
    let work = unsafe { &mut *data.cast::<Option<F>>() }.take();
    // SAFETY: QEMU passes the CPU object on.
    let cpu = unsafe { Cpu::from_raw(cpu) };
    if let (Some(work), Some(cpu)) = (work, cpu) {
        work(cpu);
    }
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
