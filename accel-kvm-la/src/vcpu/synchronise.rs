// SPDX-License-Identifier: GPL-2.0-or-later

//! The four synchronisations that QEMU asks for (QEMU: accel/kvm/kvm-all.c,
//! kvm_cpu_synchronize_*). Each works in the vCPU's thread.

use std::ffi::c_void;

use super::record::Vcpu;
use crate::error::BackendError;
use crate::qemu::bql::Bql;
use crate::qemu::cpu::Cpu;
use crate::qemu::opaque::CPUState;
use crate::qemu::{log, report, runstate, thread};
use crate::regs::Level;

/// QEMU's copy of the registers is right from now on, and counts. One that QEMU read
/// before is brought up to date.
pub fn state(bql: &Bql, cpu: Cpu) {
    if Vcpu::of(cpu).is_some_and(|vcpu| !vcpu.is_dirty() || vcpu.is_read()) {
        thread::run_on_cpu(bql, cpu, do_state);
    }
}

/// The same from the vCPU's own thread, without the BQL.
pub fn own_state(vcpu: &Vcpu) {
    if !vcpu.is_dirty() || vcpu.is_read() {
        thread::run_on_own_cpu(vcpu.cpu, do_state);
    }
}

/// After a reset: KVM takes over what it changed.
pub fn post_reset(bql: &Bql, cpu: Cpu) {
    thread::run_on_cpu(bql, cpu, do_post_reset);
}

/// At the start, and after a saved state was loaded: KVM takes over everything.
pub fn post_init(bql: &Bql, cpu: Cpu) {
    thread::run_on_cpu(bql, cpu, do_post_init);
}

/// Before a saved state is loaded: QEMU's copy counts, and KVM's need not be read.
/// Interrupts on their way to the vCPU are not those of the state.
pub fn pre_loadvm(bql: &Bql, cpu: Cpu) {
    thread::run_on_cpu(bql, cpu, do_pre_loadvm);
}

/// The vCPU that a worker was called for.
///
/// # Safety
///
/// `cpu` is a LoongArch CPU object that is alive, as `run_on_cpu` passes it on.
unsafe fn vcpu_of(cpu: *mut CPUState) -> Option<std::sync::Arc<Vcpu>> {
    // SAFETY: By this function's contract.
    unsafe { Cpu::from_raw(cpu) }.and_then(Vcpu::of)
}

/// Prints an error as QEMU does.
fn report_error(prefix: &str, error: &BackendError) {
    report::error_with_hint(&format!("{prefix}: {error}"), error.hint().as_deref());
}

/// Gives KVM QEMU's registers and says if that failed.
pub fn put(vcpu: &Vcpu, level: Level, occasion: &str) -> bool {
    log::trace!("vCPU {}: writing registers {occasion}", vcpu.cpu.index());
    match vcpu.write_registers(level) {
        Ok(()) => {
            vcpu.set_dirty(false);
            true
        }
        Err(error) => {
            report_error(&format!("Failed to put registers {occasion}"), &error);
            false
        }
    }
}

unsafe extern "C" fn do_state(cpu: *mut CPUState, _data: *mut c_void) {
    // SAFETY: Called by `run_on_cpu`.
    let Some(vcpu) = (unsafe { vcpu_of(cpu) }) else {
        return;
    };
    let result = if !vcpu.is_dirty() {
        log::trace!("vCPU {}: reading registers", vcpu.cpu.index());
        vcpu.take_over()
    } else if vcpu.is_read() {
        vcpu.read_again()
    } else {
        Ok(())
    };
    if let Err(error) = result {
        report_error("Failed to get registers", &error);
        // First, because showing the state synchronises it.
        vcpu.set_dirty(true);
        stop(&vcpu);
    }
}

unsafe extern "C" fn do_post_reset(cpu: *mut CPUState, _data: *mut c_void) {
    // SAFETY: Called by `run_on_cpu`.
    let Some(vcpu) = (unsafe { vcpu_of(cpu) }) else {
        return;
    };
    if !put(&vcpu, Level::Reset, "after reset") {
        vcpu.set_dirty(true);
        stop(&vcpu);
    }
}

unsafe extern "C" fn do_post_init(cpu: *mut CPUState, _data: *mut c_void) {
    // SAFETY: Called by `run_on_cpu`.
    let Some(vcpu) = (unsafe { vcpu_of(cpu) }) else {
        return;
    };
    if !put(&vcpu, Level::Full, "after init") {
        report::exit(1);
    }
}

unsafe extern "C" fn do_pre_loadvm(cpu: *mut CPUState, _data: *mut c_void) {
    // SAFETY: Called by `run_on_cpu`.
    let Some(vcpu) = (unsafe { vcpu_of(cpu) }) else {
        return;
    };
    if let Err(error) = vcpu.settle_interrupts() {
        log::warning!("{error}: the loaded machine may lack an interrupt");
    }
    vcpu.set_dirty(true);
}

/// Stops the VM: what QEMU would show or run is not what the guest has.
fn stop(vcpu: &Vcpu) {
    // SAFETY: Asks only.
    let held = unsafe { (crate::qemu::services::services().bql_locked)() };
    if held {
        // SAFETY: It is held, as was just asked, and is not given up here.
        let bql = unsafe { Bql::assume_held() };
        runstate::internal_error(&bql, vcpu.cpu);
    } else {
        let bql = Bql::lock();
        runstate::internal_error(&bql, vcpu.cpu);
        bql.unlock();
    }
}
