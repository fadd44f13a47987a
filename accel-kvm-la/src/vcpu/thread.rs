// SPDX-License-Identifier: GPL-2.0-or-later

//! A vCPU's thread (QEMU: accel/kvm/kvm-accel-ops.c).

use std::sync::Arc;

use super::outcome::Outcome;
use super::run_loop;
use super::state::{self, Vcpu};
use super::vm::Vm;
use super::{features, only_operations, run_state, step};
use crate::error::BackendError;
use crate::qemu::bql::Bql;
use crate::qemu::cpu::Cpu;
use crate::qemu::thread::{self, VcpuThread};
use crate::qemu::{debug, lookup, report};

/// Starts the thread of a new vCPU; QEMU waits until it says that it is there.
pub fn start(bql: &Bql, cpu: Cpu) {
    thread::create::<Life>(bql, cpu);
}

/// kvm_arch_init_vcpu.
pub fn init_vcpu(bql: &Bql, cpu: Cpu) -> Result<Arc<Vcpu>, BackendError> {
    let vm = Vm::current().ok_or_else(|| BackendError::UnknownVcpu(cpu.index()))?;
    features::check_model(cpu)?;
    lookup::listen(bql, state::forget_devices);
    let vcpu = features::init_vcpu(bql, cpu, vm)?;
    run_state::register(bql, &vcpu);
    Ok(vcpu)
}

/// After QEMU's own kvm_arch_init_vcpu.
fn adopt_vcpu(bql: &Bql, cpu: Cpu) -> Result<Arc<Vcpu>, BackendError> {
    let vm = Vm::current().ok_or_else(|| BackendError::UnknownVcpu(cpu.index()))?;
    only_operations::tell();
    features::check_model(cpu)?;
    lookup::listen(bql, state::forget_devices);
    Ok(features::adopt_vcpu(bql, cpu, vm))
}

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

/// What a vCPU's thread does.
struct Life;

impl VcpuThread for Life {
    fn run(bql: Bql, cpu: Cpu) -> Bql {
        thread::adopt(&bql, cpu);
        // Calls `init_vcpu`, unless only the operations of the accelerator are ours.
        thread::init_kvm(&bql, cpu);
        let vcpu = match Vcpu::of(cpu).map_or_else(|| adopt_vcpu(&bql, cpu), Ok) {
            Ok(vcpu) => vcpu,
            Err(error) => {
                report::error_with_hint(&error.to_string(), error.hint().as_deref());
                report::exit(1);
            }
        };
        thread::signal_created(&bql, cpu);
        log::info!("CPU {} runs in this backend", cpu.index());

        let bql = run_until_unplugged(bql, &vcpu);

        // Calls `destroy_vcpu`, with the same exception.
        thread::destroy_kvm(&bql, cpu);
        destroy_vcpu(&bql, cpu);
        thread::signal_destroyed(&bql, cpu);
        log::debug!("vCPU {} is gone", cpu.index());
        bql
    }
}

fn run_until_unplugged(mut bql: Bql, vcpu: &Vcpu) -> Bql {
    loop {
        thread::process_events(&bql, vcpu.cpu);
        if thread::can_run(&bql, vcpu.cpu) {
            let outcome;
            (bql, outcome) = run_loop::exec(bql, vcpu);
            if outcome == Outcome::Debug {
                debug::stopped(&bql, vcpu.cpu);
            }
        } else if vcpu.cpu.unplug() {
            // Behind the queued work, for which another thread may wait.
            return bql;
        }
    }
}
