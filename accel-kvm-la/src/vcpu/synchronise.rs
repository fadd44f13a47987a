// SPDX-License-Identifier: GPL-2.0-or-later

//! The four synchronisations that QEMU asks for (QEMU: accel/kvm/kvm-all.c,
//! kvm_cpu_synchronize_*). Each works in the vCPU's thread.

use super::state::{Authority, Vcpu};
use crate::error::BackendError;
use crate::qemu::bql::Bql;
use crate::qemu::cpu::Cpu;
use crate::qemu::{report, runstate, thread};
use crate::regs::Level;

/// QEMU's copy of the registers is right from now on, and the authoritative one. One that
/// QEMU read before is brought up to date.
pub fn state(bql: &Bql, cpu: Cpu) {
    if Vcpu::of(cpu).is_some_and(|vcpu| vcpu.authority() != Authority::Qemu) {
        in_thread(bql, cpu, own_state);
    }
}

/// The same from the vCPU's own thread, with or without the BQL.
pub fn own_state(vcpu: &Vcpu) {
    if let Err(error) = vcpu.take_over() {
        report_error("Failed to get registers", &error);
        // First, because showing the state synchronises it.
        vcpu.set_authority(Authority::Qemu);
        stop(vcpu);
    }
}

/// After a reset: KVM takes over what it changed.
pub fn post_reset(bql: &Bql, cpu: Cpu) {
    in_thread(bql, cpu, |vcpu| {
        if !put(vcpu, Level::Reset, "after reset") {
            vcpu.set_authority(Authority::Qemu);
            stop(vcpu);
        }
    });
}

/// At the start, and after a saved state was loaded: KVM takes over everything.
pub fn post_init(bql: &Bql, cpu: Cpu) {
    in_thread(bql, cpu, |vcpu| {
        if !put(vcpu, Level::Full, "after init") {
            report::exit(1);
        }
    });
}

/// Before a saved state is loaded: QEMU's copy is the authoritative one, and KVM's need
/// not be read. Interrupts on their way to the vCPU are not those of the state.
pub fn pre_loadvm(bql: &Bql, cpu: Cpu) {
    in_thread(bql, cpu, |vcpu| {
        if let Err(error) = vcpu.deliver_interrupts() {
            log::warn!("{error}: the loaded machine may lack an interrupt");
        }
        vcpu.set_authority(Authority::Qemu);
    });
}

/// Does `work` in the vCPU's thread, if the backend knows the vCPU.
fn in_thread(bql: &Bql, cpu: Cpu, work: fn(&Vcpu)) {
    thread::run_on_cpu(bql, cpu, move |cpu| {
        if let Some(vcpu) = Vcpu::of(cpu) {
            work(&vcpu);
        }
    });
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
            vcpu.set_authority(Authority::Kvm);
            true
        }
        Err(error) => {
            report_error(&format!("Failed to put registers {occasion}"), &error);
            false
        }
    }
}

/// Stops the VM: what QEMU would show or run is not what the guest has.
fn stop(vcpu: &Vcpu) {
    Bql::ensure(|bql| runstate::internal_error(bql, vcpu.cpu));
}
