// SPDX-License-Identifier: GPL-2.0-or-later

//! Stops and starts of the VM: a step is given up, and the guest's counter stands still
//! meanwhile and moves with a saved state (QEMU: kvm_loongarch_vm_stage_change).
//!
//! The counter is the board's. It is read once a stop, for all vCPUs. The kernel
//! takes it from the first vCPU only (Linux: kvm_set_one_reg), but every vCPU must
//! be written: one whose registers are still in its CPU goes on with the old counter
//! if none of them was set (Linux: kvm_vcpu_ioctl, _kvm_vcpu_load).

use la_arch::one_reg;

use super::state::Vcpu;
use super::step;
use crate::kvm::IoctlError;
use crate::qemu::bql::Bql;
use crate::qemu::cpu::Cpu;
use crate::qemu::report;
use crate::qemu::runstate::{ChangeHandler, OnChange};

/// Has the vCPU told of stops and starts.
pub fn register(bql: &Bql, vcpu: &Vcpu) {
    *vcpu.change_handler.lock() = ChangeHandler::add::<Changes>(bql, vcpu.cpu);
}

/// Ends that.
pub fn unregister(bql: &Bql, vcpu: &Vcpu) {
    let handler = vcpu.change_handler.lock().take();
    if let Some(handler) = handler {
        handler.remove(bql);
    }
}

/// What a stop and a start mean for a vCPU.
struct Changes;

impl OnChange for Changes {
    fn changed(bql: &Bql, cpu: Cpu, running: bool) {
        let Some(vcpu) = Vcpu::of(cpu) else { return };
        if !running {
            // It is begun anew. What looks at the guest's memory, or saves it, meets no breakpoint
            // that is not the debugger's.
            step::end(bql, &vcpu);
        }
        let result = if running { start(&vcpu) } else { stop(&vcpu) };
        if let Err(error) = result {
            report::warning(&format!("{error}: the guest's clock jumps"));
        }
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
