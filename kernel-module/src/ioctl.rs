// SPDX-License-Identifier: GPL-2.0

//! The ioctls of VM and vCPU descriptors that are ours.

use core::mem::{size_of, MaybeUninit};

use kernel::prelude::*;
use kernel::uaccess::{UserPtr, UserSlice};
use kvm_core::cpucfg;
use kvm_core::interrupt::Request;
use kvm_core::steal_time::StealTime;
use la_arch::kvm::{para, vcpu_attr, vm_feature};

use crate::bindings as b;
use crate::bindings::constant as c;
use crate::cpu::host;
use crate::one_reg;
use crate::slots::Srcu;
use crate::steal;
use crate::vcpu::Vcpu;
use crate::vm::Vm;

/// Structures of the interface: plain integers, any bytes are valid.
trait Plain: Copy {}
impl Plain for b::kvm_one_reg {}
impl Plain for b::kvm_device_attr {}
impl Plain for b::kvm_enable_cap {}
impl Plain for b::kvm_interrupt {}
impl Plain for u64 {}

/// Copies a `T` from user space.
fn read<T: Plain>(address: usize) -> Result<T> {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: `MaybeUninit<u8>` bytes may be anything.
    let bytes = unsafe {
        core::slice::from_raw_parts_mut(
            value.as_mut_ptr().cast::<MaybeUninit<u8>>(),
            size_of::<T>(),
        )
    };
    UserSlice::new(UserPtr::from_addr(address), size_of::<T>())
        .reader()
        .read_raw(bytes)?;
    // SAFETY: All bytes were written, and any are valid by `Plain`.
    Ok(unsafe { value.assume_init() })
}

/// Copies a number to user space.
fn write(address: usize, value: u64) -> Result {
    UserSlice::new(UserPtr::from_addr(address), 8)
        .writer()
        .write_slice(&value.to_ne_bytes())
}

fn failure(errno: i32) -> Error {
    Error::from_errno(-errno)
}

fn to_long(result: Result) -> isize {
    match result {
        Ok(()) => 0,
        Err(error) => error.to_errno() as isize,
    }
}

/// kvm_arch_vm_ioctl.
///
/// # Safety
///
/// C calls it with the file of a VM.
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_arch_vm_ioctl(
    file: *mut b::file,
    ioctl: u32,
    argument: usize,
) -> i32 {
    // SAFETY: By this function's contract.
    let vm = unsafe { Vm::from_c((*file).private_data.cast()) };
    let result = match u64::from(ioctl) {
        // The controllers are devices; nothing to do.
        c::KVM_CREATE_IRQCHIP => Ok(()),
        c::KVM_HAS_DEVICE_ATTR => read::<b::kvm_device_attr>(argument).and_then(|attr| {
            if attr.group == vm_feature::GROUP && vm.supports(attr.attr) {
                Ok(())
            } else {
                Err(ENXIO)
            }
        }),
        _ => return -(b::ENOIOCTLCMD as i32),
    };
    to_long(result) as i32
}

/// kvm_arch_vcpu_ioctl.
///
/// # Safety
///
/// C calls it with the file of a vCPU and its mutex held.
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_arch_vcpu_ioctl(
    file: *mut b::file,
    ioctl: u32,
    argument: usize,
) -> isize {
    // SAFETY: By this function's contract.
    let vcpu = unsafe { Vcpu::from_c((*file).private_data.cast()) };
    to_long(match u64::from(ioctl) {
        c::KVM_GET_ONE_REG => read::<b::kvm_one_reg>(argument)
            .and_then(|reg| write(reg.addr as usize, one_reg::get(vcpu, reg.id)?)),
        c::KVM_SET_ONE_REG => read::<b::kvm_one_reg>(argument)
            .and_then(|reg| one_reg::set(vcpu, reg.id, read(reg.addr as usize)?)),
        c::KVM_GET_REG_LIST => reg_list(vcpu, argument),
        c::KVM_ENABLE_CAP => read::<b::kvm_enable_cap>(argument).and(Err(EINVAL)),
        c::KVM_HAS_DEVICE_ATTR => read(argument).and_then(|attr| has_attr(vcpu, &attr)),
        c::KVM_GET_DEVICE_ATTR => read(argument).and_then(|attr| get_attr(vcpu, &attr)),
        c::KVM_SET_DEVICE_ATTR => read(argument).and_then(|attr| set_attr(vcpu, &attr)),
        _ => return -(b::ENOIOCTLCMD as isize),
    })
}

/// KVM_GET_REG_LIST: the ids of the vCPU's registers, or E2BIG and their
/// number.
fn reg_list(vcpu: &Vcpu, argument: usize) -> Result {
    let room: u64 = read(argument)?;
    let cpucfg = vcpu.cpucfg();
    let count = kvm_core::one_reg::list(cpucfg).count();
    write(argument, count as u64)?;
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

fn is_steal_time(vcpu: &Vcpu, attr: &b::kvm_device_attr) -> bool {
    attr.group == vcpu_attr::PVTIME_CTRL
        && attr.attr == vcpu_attr::PVTIME_GPA
        && vcpu.vm().pv().has(para::FEATURE_STEAL_TIME)
}

fn has_attr(vcpu: &Vcpu, attr: &b::kvm_device_attr) -> Result {
    match attr.group {
        vcpu_attr::CPUCFG => cpucfg::has_attr(attr.attr).map_err(|error| failure(error.errno())),
        _ if is_steal_time(vcpu, attr) => Ok(()),
        _ => Err(ENXIO),
    }
}

fn get_attr(vcpu: &Vcpu, attr: &b::kvm_device_attr) -> Result {
    let value = match attr.group {
        vcpu_attr::CPUCFG => cpucfg::get_attr(&host().processor, vcpu.vm().pv(), attr.attr)
            .map_err(|error| failure(error.errno()))?,
        _ if is_steal_time(vcpu, attr) => vcpu.steal.get().guest_addr(),
        _ => return Err(ENXIO),
    };
    write(attr.addr as usize, value)
}

fn set_attr(vcpu: &Vcpu, attr: &b::kvm_device_attr) -> Result {
    if attr.group == vcpu_attr::CPUCFG {
        cpucfg::settable(attr.attr).map_err(|error| failure(error.errno()))?;
        return vcpu
            .vm()
            .set_pv(read(attr.addr as usize)?)
            .map_err(|error| failure(error.errno()));
    }
    if !is_steal_time(vcpu, attr) {
        return Err(ENXIO);
    }
    let record =
        StealTime::parse(read(attr.addr as usize)?).map_err(|error| failure(error.errno()))?;
    if record.is_some_and(|address| !Srcu::lock(vcpu).has_memory(address)) {
        return Err(EINVAL);
    }
    steal::set(vcpu, record);
    Ok(())
}

/// kvm_arch_vcpu_unlocked_ioctl: KVM_INTERRUPT, from any thread. Not beside the
/// in-kernel controllers: they would not know of a line that they did not raise,
/// and never lower it (EINVAL, as since Linux 7.3).
///
/// # Safety
///
/// C calls it with the file of a vCPU.
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_arch_vcpu_unlocked_ioctl(
    file: *mut b::file,
    ioctl: u32,
    argument: usize,
) -> isize {
    if u64::from(ioctl) != c::KVM_INTERRUPT {
        return -(b::ENOIOCTLCMD as isize);
    }
    // SAFETY: By this function's contract.
    let vcpu = unsafe { Vcpu::from_c((*file).private_data.cast()) };
    to_long(read::<b::kvm_interrupt>(argument).and_then(|interrupt| {
        if vcpu.vm().chips.complete() {
            return Err(EINVAL);
        }
        let request = Request::from_ioctl(interrupt.irq as i32, vcpu.has_msgint())
            .map_err(|error| failure(error.errno()))?;
        vcpu.interrupts.queue(request);
        vcpu.kick();
        Ok(())
    }))
}
