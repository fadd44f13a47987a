// SPDX-License-Identifier: GPL-2.0

//! The ioctls of VM and vCPU descriptors that are ours.

use kernel::prelude::*;
use kernel::uaccess::{UserPtr, UserSlice};
use kvm_core::cpucfg;
use kvm_core::interrupt::Request;
use kvm_core::steal_time::StealTime;
use la_arch::kvm::{para, vcpu_attr, vm_feature};

use crate::cpu::host::host;
use crate::doors::one_reg;
use crate::doors::File;
use crate::kvm::bindings as b;
use crate::kvm::bindings::constant as c;
use crate::kvm::error::{no_such_ioctl, OrErrno};
use crate::kvm::slots::Srcu;
use crate::kvm::user::{read, write};
use crate::mmu::pre_fault::pre_fault;
use crate::vcpu::shared::Shared;
use crate::vcpu::steal;
use crate::vcpu::Parked;
use crate::vm::Vm;

/// kvm_arch_vm_ioctl.
pub(crate) fn vm(File(vm): File<&Vm>, ioctl: u32, argument: usize) -> Result {
    match u64::from(ioctl) {
        // The controllers are devices; nothing to do.
        c::KVM_CREATE_IRQCHIP => Ok(()),
        c::KVM_HAS_DEVICE_ATTR => {
            let attr: b::kvm_device_attr = read(argument)?;
            if attr.group == vm_feature::GROUP && vm.supports(attr.attr) {
                Ok(())
            } else {
                Err(ENXIO)
            }
        }
        _ => Err(no_such_ioctl()),
    }
}

/// kvm_arch_vcpu_ioctl.
pub(crate) fn vcpu(File(vcpu): File<Parked<'_>>, ioctl: u32, argument: usize) -> Result {
    match u64::from(ioctl) {
        c::KVM_GET_ONE_REG => {
            let reg: b::kvm_one_reg = read(argument)?;
            write(reg.addr as usize, &one_reg::get(vcpu, reg.id)?)
        }
        c::KVM_SET_ONE_REG => {
            let reg: b::kvm_one_reg = read(argument)?;
            one_reg::set(vcpu, reg.id, read(reg.addr as usize)?)
        }
        c::KVM_GET_REG_LIST => reg_list(vcpu, argument),
        c::KVM_ENABLE_CAP => read::<b::kvm_enable_cap>(argument).and(Err(EINVAL)),
        c::KVM_HAS_DEVICE_ATTR => has_attr(vcpu, &read(argument)?),
        c::KVM_GET_DEVICE_ATTR => get_attr(vcpu, &read(argument)?),
        c::KVM_SET_DEVICE_ATTR => set_attr(vcpu, &read(argument)?),
        c::KVM_PRE_FAULT_MEMORY => pre_fault_memory(vcpu, argument),
        _ => Err(no_such_ioctl()),
    }
}

/// KVM_PRE_FAULT_MEMORY: the range is passed back, as far as it is left.
fn pre_fault_memory(mut vcpu: Parked<'_>, argument: usize) -> Result {
    let mut range: b::kvm_pre_fault_memory = read(argument)?;
    let result = vcpu.loaded(|vcpu| pre_fault(vcpu, &mut range));
    write(argument, &[range.gpa, range.size])?;
    result
}

/// KVM_GET_REG_LIST: the ids of the vCPU's registers, or E2BIG and their
/// number.
fn reg_list(mut vcpu: Parked<'_>, argument: usize) -> Result {
    let room: u64 = read(argument)?;
    let cpucfg = &vcpu.registers().cpucfg;
    let count = kvm_core::one_reg::list(cpucfg).count();
    write(argument, &(count as u64))?;
    if room < count as u64 {
        return Err(E2BIG);
    }
    let bytes = count.wrapping_mul(size_of::<u64>());
    let ids = UserPtr::from_addr(argument.wrapping_add(size_of::<u64>()));
    let mut writer = UserSlice::new(ids, bytes).writer();
    for id in kvm_core::one_reg::list(cpucfg) {
        writer.write_slice(&id.to_ne_bytes())?;
    }
    Ok(())
}

fn is_steal_time(vcpu: &Parked<'_>, attr: &b::kvm_device_attr) -> bool {
    attr.group == vcpu_attr::PVTIME_CTRL
        && attr.attr == vcpu_attr::PVTIME_GPA
        && vcpu.vm().pv().has(para::FEATURE_STEAL_TIME)
}

fn has_attr(vcpu: Parked<'_>, attr: &b::kvm_device_attr) -> Result {
    match attr.group {
        vcpu_attr::CPUCFG => cpucfg::has_attr(attr.attr).or_errno(),
        _ if is_steal_time(&vcpu, attr) => Ok(()),
        _ => Err(ENXIO),
    }
}

fn get_attr(mut vcpu: Parked<'_>, attr: &b::kvm_device_attr) -> Result {
    let value = match attr.group {
        vcpu_attr::CPUCFG => {
            cpucfg::get_attr(&host().processor, vcpu.vm().pv(), attr.attr).or_errno()?
        }
        _ if is_steal_time(&vcpu, attr) => vcpu.registers().steal.time.guest_addr(),
        _ => return Err(ENXIO),
    };
    write(attr.addr as usize, &value)
}

fn set_attr(mut vcpu: Parked<'_>, attr: &b::kvm_device_attr) -> Result {
    if attr.group == vcpu_attr::CPUCFG {
        cpucfg::settable(attr.attr).or_errno()?;
        return vcpu.vm().set_pv(read(attr.addr as usize)?).or_errno();
    }
    if !is_steal_time(&vcpu, attr) {
        return Err(ENXIO);
    }
    let record = StealTime::parse(read(attr.addr as usize)?).or_errno()?;
    if record.is_some_and(|address| !Srcu::lock(&vcpu.vm().kvm).has_memory(address)) {
        return Err(EINVAL);
    }
    let shared = vcpu.shared();
    steal::set(&mut vcpu.registers().steal, shared, record);
    Ok(())
}

/// kvm_arch_vcpu_unlocked_ioctl: KVM_INTERRUPT, from any thread. Not beside the
/// in-kernel controllers: they would not know of a line that they did not raise,
/// and never lower it (EINVAL, as since Linux 7.3).
pub(crate) fn vcpu_unlocked(File(vcpu): File<&Shared>, ioctl: u32, argument: usize) -> Result {
    if u64::from(ioctl) != c::KVM_INTERRUPT {
        return Err(no_such_ioctl());
    }
    let interrupt: b::kvm_interrupt = read(argument)?;
    if vcpu.vm().chips.complete() {
        return Err(EINVAL);
    }
    let request = Request::from_ioctl(interrupt.irq as i32, vcpu.has_msgint()).or_errno()?;
    vcpu.interrupts.queue(request);
    vcpu.generic.kick();
    Ok(())
}

/// What KVM_SET_GUEST_DEBUG can do: software breakpoints. The CPU offers
/// nothing to step a guest with, so stepping is refused rather than accepted
/// and not done.
pub(crate) const GUEST_DEBUG: u32 = b::KVM_GUESTDBG_ENABLE | b::KVM_GUESTDBG_USE_SW_BP;

/// KVM_SET_GUEST_DEBUG.
pub(crate) fn set_guest_debug(mut vcpu: Parked<'_>, debug: &mut b::kvm_guest_debug) -> Result {
    let control = debug.control;
    if control & !GUEST_DEBUG != 0 {
        return Err(EINVAL);
    }
    let enabled = control & b::KVM_GUESTDBG_ENABLE != 0;
    vcpu.set_guest_debug(if enabled { control } else { 0 });
    Ok(())
}
