// SPDX-License-Identifier: GPL-2.0-or-later

//! Stops and starts of the VM: the guest's counter stands still meanwhile, and
//! moves with a saved state (QEMU: kvm_loongarch_vm_stage_change).
//!
//! The counter is the board's. It is read once a stop, for all vCPUs. The kernel
//! takes it from the first vCPU only (Linux: kvm_set_one_reg), but every vCPU must
//! be written: one whose registers are still in its CPU goes on with the old counter
//! if none of them was set (Linux: kvm_vcpu_ioctl, _kvm_vcpu_load).

use std::ffi::{c_int, c_void};
use std::sync::atomic::Ordering;

use la_arch::one_reg;

use super::record::Vcpu;
use crate::kvm::IoctlError;
use crate::qemu::bql::Bql;
use crate::qemu::cpu::Cpu;
use crate::qemu::opaque::CPUState;
use crate::qemu::report;
use crate::qemu::services::services;

/// Has the vCPU told of stops and starts.
pub fn register(_bql: &Bql, vcpu: &Vcpu) {
    // SAFETY: The callback expects a CPU object, which stays alive until
    // `unregister`, and the BQL is held.
    let entry =
        unsafe { (services().qemu_add_vm_change_state_handler)(changed, vcpu.cpu.as_ptr().cast()) };
    vcpu.run_state_entry.store(entry, Ordering::Relaxed);
}

/// Ends that.
pub fn unregister(_bql: &Bql, vcpu: &Vcpu) {
    let entry = vcpu
        .run_state_entry
        .swap(std::ptr::null_mut(), Ordering::Relaxed);
    if !entry.is_null() {
        // SAFETY: From `register`, and not used again.
        unsafe { (services().qemu_del_vm_change_state_handler)(entry) };
    }
}

unsafe extern "C" fn changed(opaque: *mut c_void, running: bool, _state: c_int) {
    // SAFETY: `register` passed the CPU object.
    let cpu = unsafe { Cpu::from_raw(opaque.cast::<CPUState>()) };
    let Some(vcpu) = cpu.and_then(Vcpu::of) else {
        return;
    };
    let result = if running { start(&vcpu) } else { stop(&vcpu) };
    if let Err(error) = result {
        report::warning(&format!("{error}: the guest's clock jumps"));
    }
}

fn start(vcpu: &Vcpu) -> Result<(), IoctlError> {
    *vcpu.vm.stopped_counter.lock() = None;
    vcpu.fd
        .set_one_reg(one_reg::COUNTER, vcpu.cpu.state_counter())
}

fn stop(vcpu: &Vcpu) -> Result<(), IoctlError> {
    let mut counter = vcpu.vm.stopped_counter.lock();
    let value = match *counter {
        Some(value) => value,
        None => vcpu.fd.one_reg(one_reg::COUNTER)?,
    };
    *counter = Some(value);
    vcpu.cpu.set_state_counter(value);
    Ok(())
}
