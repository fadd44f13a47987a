// SPDX-License-Identifier: GPL-2.0

//! Inter-processor interrupts and mailboxes. The registers of each vCPU are in
//! its `Shared`, behind a lock of their own.

use kernel::prelude::*;
use kvm_core::intc::ipi::{Forward, Register};
use kvm_core::intc::VcpuId;
use la_arch::iocsr as reg;

use super::device::{Block, Device, Registers};
use super::Sink;
use crate::kvm::bindings as b;
use crate::kvm::error::OrErrno;
use crate::kvm::generic_vcpu::count;
use crate::vcpu::shared::Shared;
use crate::vm::Vm;

/// The device type.
pub(crate) struct Ipi;

/// The block of registers on the IOCSR bus.
pub(crate) struct Bus;

/// For accesses that do not come by the bus.
pub(crate) const BUS: Bus = Bus;

/// The controller of a VM.
#[pin_data]
pub(crate) struct Chip {
    #[pin]
    block: Block<Bus>,
}

impl Registers for Bus {
    type Chip = Chip;

    fn read(_: &Chip, vcpu: &Shared, address: u64, size: u32) -> u64 {
        count!(&vcpu.generic, ipi_read_exits);
        vcpu.ipi
            .with(|core| core.read(address.wrapping_sub(reg::IPI_BASE), size))
    }

    fn write(_: &Chip, vcpu: &Shared, address: u64, size: u32, value: u64) {
        count!(&vcpu.generic, ipi_write_exits);
        write(vcpu, vcpu, address, size, value);
    }
}

/// A write to the IPI registers of `vcpu`, on the thread of `current`.
fn write(vcpu: &Shared, current: &Shared, address: u64, size: u32, value: u64) {
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

fn find(vm: &Vm, cpuid: u32) -> Option<(&Shared, VcpuId)> {
    let vcpu = vm.vcpu_by_cpuid(u64::from(cpuid))?;
    Some((vcpu, VcpuId::new(vcpu.id)?))
}

/// A write that `current` makes in `target`'s IOCSR space. The two controllers
/// are all there is in the kernel; user space's registers cannot be reached.
fn write_other(target: &Shared, current: &Shared, address: u64, size: u32, value: u64) {
    if (reg::IPI_BASE..reg::IPI_BASE + reg::IPI_SIZE).contains(&address) {
        // IPI_SEND nests once; the sends that could nest deeper ignore 32 bits.
        write(target, current, address, size, value);
    } else if (reg::EIOINTC_BASE..reg::EIOINTC_BASE + reg::EIOINTC_SIZE).contains(&address) {
        if let Some(chip) = target.vm().chips.eiointc.get() {
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
        if vm.chips.ipi.get().is_some() {
            return Err(EINVAL);
        }
        let new = pin_init!(Chip { block <- Block::new() });
        let chip = KBox::pin_init(new, GFP_KERNEL_ACCOUNT)?;
        let bus = b::kvm_bus_KVM_IOCSR_BUS;
        // SAFETY: A block of a pinned chip, which the VM keeps until its buses go.
        unsafe {
            chip.block
                .register(&chip, vm, bus, reg::IPI_BASE, reg::IPI_SIZE)?
        };
        vm.chips.ipi.set(chip)
    }

    fn attr_size(group: u32, attr: u64, _write: bool) -> Result<usize> {
        let (_, register) = Register::decode(group, attr).or_errno()?;
        Ok(register.size())
    }

    fn get_attr(vm: &Vm, group: u32, attr: u64) -> Result<u64> {
        let (id, register) = Register::decode(group, attr).or_errno()?;
        let vcpu = vm.vcpu_by_id(u32::from(id.get())).ok_or(EINVAL)?;
        Ok(vcpu.ipi.with(|core| core.get_attr(register)))
    }

    fn set_attr(vm: &Vm, group: u32, attr: u64, value: u64) -> Result {
        let (id, register) = Register::decode(group, attr).or_errno()?;
        let vcpu = vm.vcpu_by_id(u32::from(id.get())).ok_or(EINVAL)?;
        let mut sink = Sink::new(vm, None);
        vcpu.ipi
            .with(|core| core.set_attr(id, register, value, &mut sink));
        Ok(())
    }
}
