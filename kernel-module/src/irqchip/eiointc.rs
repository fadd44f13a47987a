// SPDX-License-Identifier: GPL-2.0

//! The extended I/O interrupt controller.

use core::sync::atomic::Ordering;

use kernel::prelude::*;
use kvm_core::intc::eiointc::Eiointc as Model;
use kvm_core::intc::VcpuId;
use la_arch::iocsr as reg;

use super::device::{zeroed, Block, Device, Registers};
use super::{failure, get, Sink};
use crate::bindings as b;
use crate::sync::{Class, Lock};
use crate::vcpu::Vcpu;
use crate::vm::Vm;

/// The device type.
pub(crate) struct Eiointc;

/// The registers, by the chip that they belong to.
pub(crate) struct Main(*const Chip);

/// Those of the paravirtual extension.
struct Virtual(*const Chip);

/// The controller of a VM.
pub(crate) struct Chip {
    main: Block<Main>,
    virt: Block<Virtual>,
    state: Lock<Model>,
}

impl Chip {
    /// The registers.
    #[inline]
    pub(crate) fn registers(&self) -> &Main {
        &self.main.registers
    }

    /// A write at `offset` by `vcpu`, on the thread of `current`.
    pub(crate) fn write(&self, vcpu: &Vcpu, current: &Vcpu, offset: u64, size: u32, value: u64) {
        let mut sink = Sink::new(vcpu.vm(), Some(current));
        if let Some(id) = VcpuId::new(vcpu.id) {
            self.state
                .with(|state| state.write(id, offset, size, value, &mut sink));
        }
    }

    /// Tells again which lines of a vCPU are high.
    pub(crate) fn repeat(&self, vcpu: VcpuId, sink: &mut Sink<'_>) {
        self.state.with(|state| state.repeat(vcpu, sink));
    }

    /// Raises or lowers a vector, from any context.
    pub(crate) fn set_vector(&self, vm: &Vm, current: Option<&Vcpu>, vector: u8, level: bool) {
        let mut sink = Sink::new(vm, current);
        self.state
            .with(|state| state.set_vector(vector, level, &mut sink));
    }
}

fn count_read(vcpu: &Vcpu) {
    let stat = vcpu.stat();
    stat.eiointc_read_exits = stat.eiointc_read_exits.wrapping_add(1);
}

fn count_write(vcpu: &Vcpu) {
    let stat = vcpu.stat();
    stat.eiointc_write_exits = stat.eiointc_write_exits.wrapping_add(1);
}

impl Registers for Main {
    fn read(&self, vcpu: &Vcpu, address: u64, size: u32) -> u64 {
        count_read(vcpu);
        let Some(id) = VcpuId::new(vcpu.id) else {
            return 0;
        };
        // SAFETY: The block is part of the chip.
        let chip = unsafe { &*self.0 };
        chip.state
            .with(|state| state.read(id, address.wrapping_sub(reg::EIOINTC_BASE), size))
    }

    fn write(&self, vcpu: &Vcpu, address: u64, size: u32, value: u64) {
        count_write(vcpu);
        // SAFETY: As above.
        let chip = unsafe { &*self.0 };
        chip.write(
            vcpu,
            vcpu,
            address.wrapping_sub(reg::EIOINTC_BASE),
            size,
            value,
        );
    }
}

impl Registers for Virtual {
    fn read(&self, vcpu: &Vcpu, address: u64, size: u32) -> u64 {
        count_read(vcpu);
        // SAFETY: As above.
        let chip = unsafe { &*self.0 };
        chip.state
            .with(|state| state.virt_read(address.wrapping_sub(reg::EIOINTC_VIRT_BASE), size))
    }

    fn write(&self, vcpu: &Vcpu, address: u64, size: u32, value: u64) {
        count_write(vcpu);
        let mut sink = Sink::new(vcpu.vm(), Some(vcpu));
        // SAFETY: As above.
        let chip = unsafe { &*self.0 };
        let offset = address.wrapping_sub(reg::EIOINTC_VIRT_BASE);
        chip.state
            .with(|state| state.virt_write(offset, size, value, &mut sink));
    }
}

fn chip(vm: &Vm) -> Result<&Chip> {
    get(&vm.chips.eiointc).ok_or(ENODEV)
}

impl Device for Eiointc {
    const NAME: &'static CStr = c"kvm-loongarch-eiointc";
    const TYPE: b::kvm_device_type = b::kvm_device_type_KVM_DEV_TYPE_LOONGARCH_EIOINTC;

    fn create(vm: &Vm) -> Result {
        if chip(vm).is_ok() {
            return Err(EINVAL);
        }
        let chip = zeroed::<Chip>()?;
        let bus = b::kvm_bus_KVM_IOCSR_BUS;
        // SAFETY: Zeroes are a valid model (it says so) and valid blocks, whose
        // owner is set; the VM keeps the chip, and its buses go first.
        unsafe {
            (*chip).state.init(Class::Eiointc);
            (*chip).main.registers = Main(chip);
            (*chip).virt.registers = Virtual(chip);
            let main = &raw mut (*chip).main;
            let mut result =
                Block::register(main, vm.kvm, bus, reg::EIOINTC_BASE, reg::EIOINTC_SIZE);
            if result.is_ok() {
                let virt = &raw mut (*chip).virt;
                result = Block::register(
                    virt,
                    vm.kvm,
                    bus,
                    reg::EIOINTC_VIRT_BASE,
                    reg::EIOINTC_VIRT_SIZE,
                );
                if result.is_err() {
                    Block::unregister(main, vm.kvm, bus);
                }
            }
            if let Err(error) = result {
                drop(KBox::from_raw(chip));
                return Err(error);
            }
        }
        vm.chips.eiointc.store(chip, Ordering::Release);
        Ok(())
    }

    fn attr_size(group: u32, attr: u64, write: bool) -> Result<usize> {
        Model::attr_size(group, attr, write).map_err(failure)
    }

    /// What can be read is known by reading it; the rest are commands.
    fn has_attr(vm: &Vm, group: u32, attr: u64) -> bool {
        let readable = Self::attr_size(group, attr, false).is_ok();
        if readable {
            Self::get_attr(vm, group, attr).is_ok()
        } else {
            Self::attr_size(group, attr, true).is_ok()
        }
    }

    fn get_attr(vm: &Vm, group: u32, attr: u64) -> Result<u64> {
        chip(vm)?
            .state
            .with(|state| state.get_attr(group, attr))
            .map(u64::from)
            .map_err(failure)
    }

    fn set_attr(vm: &Vm, group: u32, attr: u64, value: u64) -> Result {
        let mut sink = Sink::new(vm, None);
        chip(vm)?
            .state
            .with(|state| state.set_attr(group, attr, value as u32, &mut sink))
            .map_err(failure)
    }
}
