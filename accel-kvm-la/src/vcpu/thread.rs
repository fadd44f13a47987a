// SPDX-License-Identifier: GPL-2.0-or-later

//! A vCPU's thread (QEMU: accel/kvm/kvm-accel-ops.c).

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::record::Vcpu;
use super::run_loop::{self, Outcome};
use super::{features, run_state, step};
use crate::error::BackendError;
use crate::qemu::bql::Bql;
use crate::qemu::cpu::Cpu;
use crate::qemu::opaque::CPUState;
use crate::qemu::services::services;
use crate::qemu::{log, report, thread};

use super::vm::Vm;

/// Starts the thread of a new vCPU; QEMU waits until it says that it is there.
pub fn start(bql: &Bql, cpu: Cpu) {
    // SAFETY: QEMU keeps the CPU object until it has joined the thread.
    unsafe { thread::create(bql, cpu, run) };
}

/// kvm_arch_init_vcpu.
pub fn init_vcpu(bql: &Bql, cpu: Cpu) -> Result<Arc<Vcpu>, BackendError> {
    let vm = Vm::current().ok_or_else(|| BackendError::UnknownVcpu(cpu.index()))?;
    features::check_model(cpu)?;
    let vcpu = features::init_vcpu(bql, cpu, vm)?;
    run_state::register(bql, &vcpu);
    Ok(vcpu)
}

/// After QEMU's own kvm_arch_init_vcpu.
fn adopt_vcpu(bql: &Bql, cpu: Cpu) -> Result<Arc<Vcpu>, BackendError> {
    let vm = Vm::current().ok_or_else(|| BackendError::UnknownVcpu(cpu.index()))?;
    if let Some(reason) = ONLY_OPERATIONS.get()
        && !TOLD.swap(true, Ordering::Relaxed)
    {
        report::warning(&format!(
            "accel-kvm-la: {reason}: vCPU threads, run loop and registers are this backend's, \
             the start and reset of a vCPU and its interrupt lines QEMU's own, with more calls"
        ));
    }
    features::check_model(cpu)?;
    Ok(features::adopt_vcpu(bql, cpu, vm))
}

/// Why only the accelerator's operations are this backend's, for the user.
pub fn only_operations(reason: String) {
    // The first reason is as good as another.
    let _ = ONLY_OPERATIONS.set(reason);
}

static ONLY_OPERATIONS: OnceLock<String> = OnceLock::new();
static TOLD: AtomicBool = AtomicBool::new(false);

/// kvm_arch_destroy_vcpu.
pub fn destroy_vcpu(bql: &Bql, cpu: Cpu) {
    // A step that is under way has breakpoints in the guest's memory.
    if let Some(vcpu) = Vcpu::of(cpu) {
        step::end(bql, &vcpu);
    }
    if let Some(vcpu) = Vcpu::remove(cpu) {
        run_state::unregister(bql, &vcpu);
    }
}

unsafe extern "C" fn run(argument: *mut c_void) -> *mut c_void {
    // SAFETY: `start` passed a CPU object, which lives longer than this thread.
    if let Some(cpu) = unsafe { Cpu::from_raw(argument.cast::<CPUState>()) } {
        let services = services();
        // SAFETY: Once at the start of a thread that QEMU made.
        unsafe { (services.rcu_register_thread)() };
        live(Bql::lock(), cpu).unlock();
        // SAFETY: Pairs with the above.
        unsafe { (services.rcu_unregister_thread)() };
    }
    std::ptr::null_mut()
}

/// From the creation of the vCPU to its end.
fn live(bql: Bql, cpu: Cpu) -> Bql {
    let services = services();
    // SAFETY: `qemu_init_vcpu` allocated the handle.
    unsafe { (services.qemu_thread_get_self)(cpu.thread()) };
    // SAFETY: No argument.
    cpu.set_thread_id(unsafe { (services.qemu_get_thread_id)() });
    // SAFETY: Sets this thread's `current_cpu`, which SIG_IPI's handler needs.
    unsafe { (services.link.set_current_cpu)(cpu.as_ptr()) };
    // SAFETY: The CPU is alive, the BQL held; an error ends the process.
    unsafe { (services.kvm_init_vcpu)(cpu.as_ptr(), services.error_fatal) };
    // The call above has called `init_vcpu`, unless only the operations of the
    // accelerator are ours.
    let vcpu = match Vcpu::of(cpu).map_or_else(|| adopt_vcpu(&bql, cpu), Ok) {
        Ok(vcpu) => vcpu,
        Err(error) => {
            report::error_with_hint(&error.to_string(), error.hint().as_deref());
            report::exit(1);
        }
    };
    // SAFETY: As above, in the vCPU's thread.
    unsafe { (services.kvm_init_cpu_signals)(cpu.as_ptr()) };
    // SAFETY: Lets `qemu_init_vcpu` go on.
    unsafe { (services.cpu_thread_signal_created)(cpu.as_ptr()) };
    // SAFETY: A number.
    unsafe { (services.qemu_guest_random_seed_thread_part2)(cpu.random_seed()) };
    log::info!("CPU {} runs in this backend", cpu.index());

    let bql = run_until_unplugged(bql, &vcpu);

    // SAFETY: The CPU is alive, the BQL held. Calls `destroy_vcpu`.
    unsafe { (services.kvm_destroy_vcpu)(cpu.as_ptr()) };
    // In case only the operations are ours.
    destroy_vcpu(&bql, cpu);
    // SAFETY: Lets `cpu_remove_sync` go on.
    unsafe { (services.cpu_thread_signal_destroyed)(cpu.as_ptr()) };
    log::debug!("vCPU {} is gone", cpu.index());
    bql
}

fn run_until_unplugged(mut bql: Bql, vcpu: &Vcpu) -> Bql {
    loop {
        thread::process_events(&bql, vcpu.cpu);
        if thread::can_run(&bql, vcpu.cpu) {
            let outcome;
            (bql, outcome) = run_loop::exec(bql, vcpu);
            if outcome == Outcome::Debug {
                // SAFETY: The CPU is alive and the BQL held.
                unsafe { (services().cpu_handle_guest_debug)(vcpu.cpu.as_ptr()) };
            }
        } else if vcpu.cpu.unplug() {
            // Behind the work that was queued: somebody may wait for it.
            return bql;
        }
    }
}
