// SPDX-License-Identifier: GPL-2.0

//! Inter-processor interrupts and mailboxes. The registers of each vCPU are in
//! its `Vcpu`, behind a lock of their own.

use core::sync::atomic::Ordering;

use kernel::prelude::*;
use kvm_core::intc::ipi::{Forward, Register};
use kvm_core::intc::VcpuId;
use la_arch::iocsr as reg;

use super::device::{zeroed, Block, Device, Registers};
use super::{failure, get, Sink};
use crate::bindings as b;
use crate::vcpu::Vcpu;
use crate::vm::Vm;

/// The device type.
pub(crate) struct Ipi;

/// The block of registers on the IOCSR bus.
pub(crate) struct Bus;

/// The controller of a VM.
#[repr(C)]
pub(crate) struct Chip {
    block: Block<Bus>,
}

impl Registers for Bus {
    fn read(&self, vcpu: &Vcpu, address: u64, size: u32) -> u64 {
        let stat = vcpu.stat();
        stat.ipi_read_exits = stat.ipi_read_exits.wrapping_add(1);
        vcpu.ipi
            .with(|core| core.read(address.wrapping_sub(reg::IPI_BASE), size))
    }

    fn write(&self, vcpu: &Vcpu, address: u64, size: u32, value: u64) {
        let stat = vcpu.stat();
        stat.ipi_write_exits = stat.ipi_write_exits.wrapping_add(1);
        write(vcpu, vcpu, address, size, value);
    }
}

/// A write to the IPI registers of `vcpu`, on the thread of `current`.
fn write(vcpu: &Vcpu, current: &Vcpu, address: u64, size: u32, value: u64) {
    let vm = vcpu.vm();
    let mut sink = Sink::new(vm, Some(current));
    let Some(id) = VcpuId::new(vcpu.id) else {
        return;
    };
    let offset = address.wrapping_sub(reg::IPI_BASE);
    let forward = vcpu
        .ipi
        .with(|core| core.write(id, offset, size, value, &mut sink));
    match forward {
        None => {}
        Some(Forward::Ipi { cpuid, bits }) => {
            if let Some((target, id)) = find(vm, cpuid) {
                target.ipi.with(|core| core.raise(id, bits, &mut sink));
            }
        }
        Some(Forward::Mail(mail)) => {
            if let Some((target, _)) = find(vm, mail.cpuid) {
                target.ipi.with(|core| core.deliver_mail(mail));
            }
        }
        Some(Forward::Any(send)) => {
            if let Some((target, _)) = find(vm, send.cpuid) {
                for one in send.writes() {
                    write_other(target, current, one.address, one.size, one.value);
                }
            }
        }
    }
}

fn find(vm: &Vm, cpuid: u32) -> Option<(&Vcpu, VcpuId)> {
    let vcpu = vm.vcpu_by_cpuid(u64::from(cpuid))?;
    Some((vcpu, VcpuId::new(vcpu.id)?))
}

/// A write that `current` makes in `target`'s IOCSR space. The two controllers
/// are all there is in the kernel; user space's registers cannot be reached.
fn write_other(target: &Vcpu, current: &Vcpu, address: u64, size: u32, value: u64) {
    if (reg::IPI_BASE..reg::IPI_BASE + reg::IPI_SIZE).contains(&address) {
        // IPI_SEND nests once; the sends that could nest deeper ignore 32 bits.
        write(target, current, address, size, value);
    } else if (reg::EIOINTC_BASE..reg::EIOINTC_BASE + reg::EIOINTC_SIZE).contains(&address) {
        if let Some(chip) = get(&target.vm().chips.eiointc) {
            chip.write(
                target,
                current,
                address.wrapping_sub(reg::EIOINTC_BASE),
                size,
                value,
            );
        }
    }
}

impl Device for Ipi {
    const NAME: &'static CStr = c"kvm-loongarch-ipi";
    const TYPE: b::kvm_device_type = b::kvm_device_type_KVM_DEV_TYPE_LOONGARCH_IPI;

    fn create(vm: &Vm) -> Result {
        if get(&vm.chips.ipi).is_some() {
            return Err(EINVAL);
        }
        let chip = zeroed::<Chip>()?;
        // SAFETY: Zeroes are a valid `Chip`; the VM keeps it, and its buses go
        // first.
        unsafe {
            let result = Block::register(
                &raw mut (*chip).block,
                vm.kvm,
                b::kvm_bus_KVM_IOCSR_BUS,
                reg::IPI_BASE,
                reg::IPI_SIZE,
            );
            if let Err(error) = result {
                drop(KBox::from_raw(chip));
                return Err(error);
            }
        }
        vm.chips.ipi.store(chip, Ordering::Release);
        Ok(())
    }

    fn attr_size(group: u32, attr: u64, _write: bool) -> Result<usize> {
        let (_, register) = Register::decode(group, attr).map_err(failure)?;
        Ok(register.size())
    }

    fn get_attr(vm: &Vm, group: u32, attr: u64) -> Result<u64> {
        let (id, register) = Register::decode(group, attr).map_err(failure)?;
        let vcpu = vm.vcpu_by_id(u32::from(id.get())).ok_or(EINVAL)?;
        Ok(vcpu.ipi.with(|core| core.get_attr(register)))
    }

    fn set_attr(vm: &Vm, group: u32, attr: u64, value: u64) -> Result {
        let (id, register) = Register::decode(group, attr).map_err(failure)?;
        let vcpu = vm.vcpu_by_id(u32::from(id.get())).ok_or(EINVAL)?;
        let mut sink = Sink::new(vm, None);
        vcpu.ipi
            .with(|core| core.set_attr(id, register, value, &mut sink));
        Ok(())
    }
}
