// SPDX-License-Identifier: GPL-2.0-or-later

//! The accelerator's operations (QEMU: include/accel/accel-cpu-ops.h) and what
//! of kvm-all.c belongs to them.

use std::ffi::c_int;

use super::locked::under_bql;
use crate::qemu::bql::Bql;
use crate::qemu::cpu::Cpu;
use crate::qemu::opaque::CPUState;
use crate::qemu::services::services;
use crate::vcpu::outcome::Outcome;
use crate::vcpu::state::Vcpu;
use crate::vcpu::{kick, run_loop, synchronise, thread};

/// AccelOpsClass::create_vcpu_thread.
///
/// # Safety
///
/// QEMU calls it from `qemu_init_vcpu`, under the BQL, for a CPU object that it
/// keeps until it has joined the thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvm_la_create_vcpu_thread(cpu: *mut CPUState) {
    // SAFETY: By this function's contract.
    unsafe { under_bql(cpu, thread::start) };
}

/// AccelOpsClass::cpu_thread_is_idle.
#[unsafe(no_mangle)]
pub extern "C" fn kvm_la_cpu_thread_is_idle(_cpu: *mut CPUState) -> bool {
    kick::thread_waits_outside_kernel()
}

/// AccelOpsClass::cpus_are_resettable: always, since no guest's state is
/// protected.
#[unsafe(no_mangle)]
pub extern "C" fn kvm_la_cpus_are_resettable() -> bool {
    true
}

/// AccelOpsClass::synchronize_state and kvm_cpu_synchronize_state.
///
/// # Safety
///
/// QEMU calls it for a CPU object that is alive, under the BQL or in the vCPU's
/// thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvm_la_kvm_cpu_synchronize_state(cpu: *mut CPUState) {
    // SAFETY: By this function's contract.
    let own = unsafe { Cpu::from_raw(cpu) }.filter(|cpu| cpu.is_self());
    match own {
        Some(cpu) => {
            if let Some(vcpu) = Vcpu::of(cpu) {
                synchronise::own_state(&vcpu);
            }
        }
        None => {
            // SAFETY: In another thread than the vCPU's the BQL is held.
            unsafe { under_bql(cpu, synchronise::state) };
        }
    }
}

/// AccelOpsClass::synchronize_post_reset.
///
/// # Safety
///
/// QEMU calls it for a CPU object that is alive, under the BQL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvm_la_kvm_cpu_synchronize_post_reset(cpu: *mut CPUState) {
    // SAFETY: By this function's contract.
    unsafe { under_bql(cpu, synchronise::post_reset) };
}

/// AccelOpsClass::synchronize_post_init.
///
/// # Safety
///
/// QEMU calls it for a CPU object that is alive, under the BQL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvm_la_kvm_cpu_synchronize_post_init(cpu: *mut CPUState) {
    // SAFETY: By this function's contract.
    unsafe { under_bql(cpu, synchronise::post_init) };
}

/// AccelOpsClass::synchronize_pre_loadvm.
///
/// # Safety
///
/// QEMU calls it for a CPU object that is alive, under the BQL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvm_la_kvm_cpu_synchronize_pre_loadvm(cpu: *mut CPUState) {
    // SAFETY: By this function's contract.
    unsafe { under_bql(cpu, synchronise::pre_loadvm) };
}

/// AccelOpsClass::update_guest_debug.
///
/// # Safety
///
/// QEMU calls it for a CPU object that is alive, under the BQL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvm_la_update_guest_debug(cpu: *mut CPUState) -> c_int {
    // SAFETY: By this function's contract.
    unsafe { (services().kvm_update_guest_debug)(cpu, 0) }
}

/// kvm_cpu_exec.
///
/// # Safety
///
/// QEMU calls it in the vCPU's thread, under the BQL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvm_la_kvm_cpu_exec(cpu: *mut CPUState) -> c_int {
    // SAFETY: By this function's contract.
    let vcpu = unsafe { Cpu::from_raw(cpu) }.and_then(Vcpu::of);
    let Some(vcpu) = vcpu else {
        return Outcome::Failed.raw();
    };
    // SAFETY: By this function's contract.
    let (_bql, outcome) = run_loop::exec(unsafe { Bql::assume_held() }, &vcpu);
    outcome.raw()
}
