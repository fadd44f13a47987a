// SPDX-License-Identifier: GPL-2.0

//! The extended I/O interrupt controller.

use kernel::prelude::*;
use kvm_core::intc::eiointc::Eiointc as Model;
use kvm_core::intc::VcpuId;
use la_arch::iocsr as reg;

use super::device::{Block, Device, Registers};
use super::Sink;
use crate::kvm::bindings as b;
use crate::kvm::error::OrErrno;
use crate::kvm::generic_vcpu::count;
use crate::kvm::sync::{Class, Lock};
use crate::kvm::zeroed::zeroed;
use crate::vcpu::shared::Shared;
use crate::vm::Vm;

/// The device type.
pub(crate) struct Eiointc;

/// The registers.
pub(crate) struct Main;

/// Those of the paravirtual extension.
struct Virtual;

/// For accesses that do not come by the bus.
pub(crate) const MAIN: Main = Main;

/// The controller of a VM.
#[pin_data]
pub(crate) struct Chip {
    #[pin]
    main: Block<Main>,
    #[pin]
    virt: Block<Virtual>,
    #[pin]
    state: Lock<Model>,
}

impl Chip {
    fn new() -> impl PinInit<Self> {
        // SAFETY: Zeroes are a valid model (it says so).
        let model = unsafe { zeroed() };
        pin_init!(Self {
            main <- Block::new(),
            virt <- Block::new(),
            state <- Lock::new(Class::Eiointc, model),
        })
    }

    /// Puts the registers on the bus of `vm`, which keeps the chip.
    fn register(self: Pin<&Self>, vm: &Vm) -> Result {
        let (bus, chip) = (b::kvm_bus_KVM_IOCSR_BUS, self.get_ref());
        let main = (reg::EIOINTC_BASE, reg::EIOINTC_SIZE);
        let virt = (reg::EIOINTC_VIRT_BASE, reg::EIOINTC_VIRT_SIZE);
        // SAFETY: Blocks of a pinned chip, which goes after the buses do, or now.
        unsafe {
            chip.main.register(chip, vm, bus, main.0, main.1)?;
            let result = chip.virt.register(chip, vm, bus, virt.0, virt.1);
            if result.is_err() {
                chip.main.unregister(vm, bus);
            }
            result
        }
    }

    /// A write at `offset` by `vcpu`, on the thread of `current`.
    pub(crate) fn write(
        &self,
        vcpu: &Shared,
        current: &Shared,
        offset: u64,
        size: u32,
        value: u64,
    ) {
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
    pub(crate) fn set_vector(&self, vm: &Vm, current: Option<&Shared>, vector: u8, level: bool) {
        let mut sink = Sink::new(vm, current);
        self.state
            .with(|state| state.set_vector(vector, level, &mut sink));
    }
}

impl Registers for Main {
    type Chip = Chip;

    fn read(chip: &Chip, vcpu: &Shared, address: u64, size: u32) -> u64 {
        count!(&vcpu.generic, eiointc_read_exits);
        let Some(id) = VcpuId::new(vcpu.id) else {
            return 0;
        };
        chip.state
            .with(|state| state.read(id, address.wrapping_sub(reg::EIOINTC_BASE), size))
    }

    fn write(chip: &Chip, vcpu: &Shared, address: u64, size: u32, value: u64) {
        count!(&vcpu.generic, eiointc_write_exits);
        let offset = address.wrapping_sub(reg::EIOINTC_BASE);
        chip.write(vcpu, vcpu, offset, size, value);
    }
}

impl Registers for Virtual {
    type Chip = Chip;

    fn read(chip: &Chip, vcpu: &Shared, address: u64, size: u32) -> u64 {
        count!(&vcpu.generic, eiointc_read_exits);
        chip.state
            .with(|state| state.virt_read(address.wrapping_sub(reg::EIOINTC_VIRT_BASE), size))
    }

    fn write(chip: &Chip, vcpu: &Shared, address: u64, size: u32, value: u64) {
        count!(&vcpu.generic, eiointc_write_exits);
        let mut sink = Sink::new(vcpu.vm(), Some(vcpu));
        let offset = address.wrapping_sub(reg::EIOINTC_VIRT_BASE);
        chip.state
            .with(|state| state.virt_write(offset, size, value, &mut sink));
    }
}

fn chip(vm: &Vm) -> Result<&Chip> {
    vm.chips.eiointc.get().ok_or(ENODEV)
}

impl Device for Eiointc {
    const NAME: &'static CStr = c"kvm-loongarch-eiointc";
    const TYPE: b::kvm_device_type = b::kvm_device_type_KVM_DEV_TYPE_LOONGARCH_EIOINTC;

    fn create(vm: &Vm) -> Result {
        if chip(vm).is_ok() {
            return Err(EINVAL);
        }
        let chip = KBox::pin_init(Chip::new(), GFP_KERNEL_ACCOUNT)?;
        chip.as_ref().register(vm)?;
        vm.chips.eiointc.set(chip)
    }

    fn attr_size(group: u32, attr: u64, write: bool) -> Result<usize> {
        Model::attr_size(group, attr, write).or_errno()
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
            .or_errno()
    }

    fn set_attr(vm: &Vm, group: u32, attr: u64, value: u64) -> Result {
        let mut sink = Sink::new(vm, None);
        chip(vm)?
            .state
            .with(|state| state.set_attr(group, attr, value as u32, &mut sink))
            .or_errno()
    }
}
