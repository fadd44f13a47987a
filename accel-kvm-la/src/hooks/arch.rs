// SPDX-License-Identifier: GPL-2.0-or-later

//! The architecture's part of QEMU's KVM accelerator (QEMU:
//! include/system/kvm.h, target/loongarch/kvm/kvm.c).

use std::ffi::{c_int, c_ulong, c_void};

use super::locked::under_bql;
use super::properties;
use crate::error::BackendError;
use crate::qemu::accelerator::Accelerator;
use crate::qemu::bql::Bql;
use crate::qemu::cpu::Cpu;
use crate::qemu::opaque::{CPUState, KVMState, MachineState, QEMUError};
use crate::qemu::report;
use crate::regs::Level;
use crate::vcpu::state::Vcpu;
use crate::vcpu::vm::Vm;
use crate::vcpu::{features, interrupt, irqchip, reset, thread};

/// The type of VM to create: there is one.
#[unsafe(no_mangle)]
pub extern "C" fn kvm_la_kvm_arch_get_default_type(_machine: *mut MachineState) -> c_int {
    0
}

/// The VM exists.
///
/// # Safety
///
/// QEMU calls it under the BQL with its accelerator, which lives as long as the
/// process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvm_la_kvm_arch_init(
    _machine: *mut MachineState,
    state: *mut KVMState,
) -> c_int {
    // SAFETY: By this function's contract.
    unsafe { Accelerator::from_raw(state) }.map(Vm::open);
    0
}

/// The VM is to have the kernel's interrupt controllers.
///
/// # Safety
///
/// As [`kvm_la_kvm_arch_init`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvm_la_kvm_arch_irqchip_create(state: *mut KVMState) -> c_int {
    // SAFETY: By this function's contract.
    let bql = unsafe { Bql::assume_held() };
    // SAFETY: By this function's contract.
    let accelerator = unsafe { Accelerator::from_raw(state) };
    accelerator.map_or(-libc::EINVAL, |accelerator| {
        irqchip::create(&bql, accelerator)
    })
}

/// Nothing: the board's own function has the routes.
#[unsafe(no_mangle)]
pub extern "C" fn kvm_la_kvm_arch_init_irq_routing(_state: *mut KVMState) {}

/// The board's interrupt controllers exist.
///
/// # Safety
///
/// QEMU calls it under the BQL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvm_la_kvm_loongarch_init_irq_routing() {
    // SAFETY: By this function's contract.
    irqchip::init_routing(&unsafe { Bql::assume_held() });
}

/// A CPU object is new: it gets its properties.
///
/// # Safety
///
/// QEMU calls it under the BQL with a LoongArchCPU.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvm_la_kvm_loongarch_cpu_post_init(cpu: *mut CPUState) {
    let work = |bql: &Bql, cpu| {
        irqchip::fall_back(bql);
        features::init_properties(cpu);
        properties::add(bql, cpu);
    };
    // SAFETY: By this function's contract.
    unsafe { under_bql(cpu, work) };
}

/// A line of QEMU's own interrupt controllers changed.
///
/// # Safety
///
/// QEMU calls it with a LoongArchCPU that is alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvm_la_kvm_loongarch_set_interrupt(
    cpu: *mut CPUState,
    irq: c_int,
    level: c_int,
) -> c_int {
    // SAFETY: By this function's contract.
    let Some(cpu) = (unsafe { Cpu::from_raw(cpu) }) else {
        return -libc::EINVAL;
    };
    match interrupt::set(cpu, irq, level != 0) {
        Ok(()) => 0,
        Err(error) => {
            log::warn!("line {irq} to {level}: {error}");
            error.negative_errno()
        }
    }
}

/// Nothing to change in a message's route.
#[unsafe(no_mangle)]
pub extern "C" fn kvm_la_kvm_arch_fixup_msi_route(
    _route: *mut c_void,
    _address: u64,
    _data: u32,
    _device: *mut c_void,
) -> c_int {
    0
}

/// Nothing to do after a message's route was added.
#[unsafe(no_mangle)]
pub extern "C" fn kvm_la_kvm_arch_add_msi_route_post(
    _route: *mut c_void,
    _vector: c_int,
    _device: *mut c_void,
) -> c_int {
    0
}

/// Nothing to do after a route was given back.
#[unsafe(no_mangle)]
pub extern "C" fn kvm_la_kvm_arch_release_virq_post(_virq: c_int) -> c_int {
    0
}

/// KVM's number of a vCPU.
///
/// # Safety
///
/// QEMU calls it with a CPU object that is alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvm_la_kvm_arch_vcpu_id(cpu: *mut CPUState) -> c_ulong {
    // SAFETY: By this function's contract.
    unsafe { Cpu::from_raw(cpu) }.map_or(0, |cpu| cpu.index() as c_ulong)
}

/// Nothing to do before the kernel makes a vCPU.
#[unsafe(no_mangle)]
pub extern "C" fn kvm_la_kvm_arch_pre_create_vcpu(
    _cpu: *mut CPUState,
    _errp: *mut *mut QEMUError,
) -> c_int {
    0
}

/// The kernel has the vCPU.
///
/// # Safety
///
/// QEMU calls it under the BQL in the vCPU's thread, with a CPU object whose
/// file descriptor and run page are there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvm_la_kvm_arch_init_vcpu(cpu: *mut CPUState) -> c_int {
    // SAFETY: By this function's contract.
    match unsafe { under_bql(cpu, thread::init_vcpu) } {
        None => -libc::EINVAL,
        Some(Ok(_)) => 0,
        Some(Err(error)) => {
            report::error_with_hint(&error.to_string(), error.hint().as_deref());
            error.negative_errno()
        }
    }
}

/// The vCPU goes.
///
/// # Safety
///
/// QEMU calls it under the BQL with a CPU object that is alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvm_la_kvm_arch_destroy_vcpu(cpu: *mut CPUState) -> c_int {
    // SAFETY: By this function's contract.
    unsafe { under_bql(cpu, thread::destroy_vcpu) };
    0
}

/// The CPU object was reset.
///
/// # Safety
///
/// QEMU calls it under the BQL with a CPU object that is alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvm_la_kvm_arch_reset_vcpu(cpu: *mut CPUState) {
    // SAFETY: By this function's contract.
    let Some(cpu) = (unsafe { Cpu::from_raw(cpu) }) else {
        return;
    };
    if let Err(error) = reset::reset(cpu) {
        report::error(&format!(
            "Failed to set KVM_REG_LOONGARCH_VCPU_RESET: {error}"
        ));
        report::exit(1);
    }
}

fn vcpu_at(cpu: *mut CPUState) -> Result<std::sync::Arc<Vcpu>, BackendError> {
    // SAFETY: The two callers' contract.
    match unsafe { Cpu::from_raw(cpu) } {
        Some(cpu) => Vcpu::find(cpu),
        None => Err(BackendError::UnknownVcpu(-1)),
    }
}

/// Tells QEMU of an error.
///
/// # Safety
///
/// As [`report::set`].
unsafe fn fail(error: &BackendError, errp: *mut *mut QEMUError) -> c_int {
    if !errp.is_null() {
        // SAFETY: By this function's contract.
        unsafe { report::set(errp, &error.to_string(), error.hint().as_deref()) };
    }
    error.negative_errno()
}

/// QEMU gets KVM's registers.
///
/// # Safety
///
/// QEMU calls it in the vCPU's thread with a CPU object that is alive; `errp`
/// is null or points to null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvm_la_kvm_arch_get_registers(
    cpu: *mut CPUState,
    errp: *mut *mut QEMUError,
) -> c_int {
    match vcpu_at(cpu).and_then(|vcpu| vcpu.read_registers()) {
        Ok(()) => 0,
        // SAFETY: By this function's contract.
        Err(error) => unsafe { fail(&error, errp) },
    }
}

/// KVM gets QEMU's registers.
///
/// # Safety
///
/// As [`kvm_la_kvm_arch_get_registers`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvm_la_kvm_arch_put_registers(
    cpu: *mut CPUState,
    level: c_int,
    errp: *mut *mut QEMUError,
) -> c_int {
    match vcpu_at(cpu).and_then(|vcpu| vcpu.write_registers(Level::from_raw(level))) {
        Ok(()) => 0,
        // SAFETY: By this function's contract.
        Err(error) => unsafe { fail(&error, errp) },
    }
}

/// Whether the vCPU is halted.
///
/// # Safety
///
/// QEMU calls it with a CPU object that is alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvm_la_kvm_arch_process_async_events(cpu: *mut CPUState) -> c_int {
    // SAFETY: By this function's contract.
    unsafe { Cpu::from_raw(cpu) }.map_or(0, |cpu| cpu.halted() as c_int)
}

/// An instruction that KVM cannot emulate always stops the VM.
#[unsafe(no_mangle)]
pub extern "C" fn kvm_la_kvm_arch_stop_on_emulation_error(_cpu: *mut CPUState) -> bool {
    true
}
