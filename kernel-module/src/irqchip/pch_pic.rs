// SPDX-License-Identifier: GPL-2.0

//! The bridge's interrupt controller, on the MMIO bus where user space puts it.

use kernel::prelude::*;
use kvm_core::intc::pch_pic::{PchPic as Model, Source};
use kvm_core::intc::routing::Pin;
use kvm_core::intc::uapi;
use kvm_core::intc::Vectors;
use la_arch::pch_pic as reg;

use super::device::{Block, Device, Registers};
use super::routing;
use crate::kvm::bindings as b;
use crate::kvm::error::OrErrno;
use crate::kvm::generic_vcpu::count;
use crate::kvm::sync::{Class, Lock};
use crate::vcpu::shared::Shared;
use crate::vm::Vm;

/// The device type.
pub(crate) struct PchPic;

/// The registers.
struct Bus;

/// The controller of a VM.
#[pin_data]
pub(crate) struct Chip {
    #[pin]
    block: Block<Bus>,
    #[pin]
    state: Lock<Model>,
}

/// Sends vectors to the EIOINTC of a VM.
struct Cascade<'a> {
    vm: &'a Vm,
    current: Option<&'a Shared>,
}

impl Vectors for Cascade<'_> {
    fn set_vector(&mut self, vector: u8, level: bool) {
        if let Some(chip) = self.vm.chips.eiointc.get() {
            chip.set_vector(self.vm, self.current, vector, level);
        }
    }
}

impl Chip {
    /// Changes the level that a source gives a pin, from any context.
    pub(crate) fn set_pin(&self, vm: &Vm, pin: Pin, source: Source, level: bool) {
        let mut cascade = Cascade { vm, current: None };
        self.state
            .with(|state| state.set_pin(pin, source, level, &mut cascade));
    }
}

impl Registers for Bus {
    type Chip = Chip;

    fn read(chip: &Chip, vcpu: &Shared, address: u64, size: u32) -> u64 {
        count!(&vcpu.generic, pch_pic_read_exits);
        chip.state.with(|state| {
            let base = state.base().unwrap_or(address);
            state.read(address.wrapping_sub(base), size)
        })
    }

    fn write(chip: &Chip, vcpu: &Shared, address: u64, size: u32, value: u64) {
        count!(&vcpu.generic, pch_pic_write_exits);
        let mut cascade = Cascade {
            vm: vcpu.vm(),
            current: Some(vcpu),
        };
        let again = chip.state.with(|state| {
            let masked = pins(state, reg::MASK);
            let base = state.base().unwrap_or(address);
            state.write(address.wrapping_sub(base), size, value, &mut cascade);
            let asserted = pins(state, reg::IRR) & !pins(state, reg::EDGE);
            masked & !pins(state, reg::MASK) & asserted
        });
        if again != 0 {
            handled(vcpu.vm(), again);
        }
    }
}

fn pins(state: &Model, register: u64) -> u64 {
    state.read(register, 8)
}

/// The guest unmasks level pins that it has handled: a resampling irqfd
/// that holds one up lets it go, and its user is told by the eventfd to look at the device
/// again. Without locks, as that sets the pin.
fn handled(vm: &Vm, mut pins: u64) {
    while pins != 0 {
        vm.kvm.notify_acked(pins.trailing_zeros());
        pins &= pins.wrapping_sub(1);
    }
}

fn chip(vm: &Vm) -> Result<&Chip> {
    vm.chips.pch_pic.get().ok_or(ENODEV)
}

impl Device for PchPic {
    const NAME: &'static CStr = c"kvm-loongarch-pch-pic";
    const TYPE: b::kvm_device_type = b::kvm_device_type_KVM_DEV_TYPE_LOONGARCH_PCHPIC;

    fn create(vm: &Vm) -> Result {
        if chip(vm).is_ok() {
            return Err(EINVAL);
        }
        let new = pin_init!(Chip {
            block <- Block::new(),
            state <- Lock::new(Class::PchPic, Model::new()),
        });
        let chip = KBox::pin_init(new, GFP_KERNEL_ACCOUNT)?;
        routing::set_default(vm)?;
        vm.chips.pch_pic.set(chip)
    }

    fn attr_size(group: u32, attr: u64, write: bool) -> Result<usize> {
        Model::attr_size(group, attr, write).or_errno()
    }

    fn get_attr(vm: &Vm, group: u32, attr: u64) -> Result<u64> {
        chip(vm)?
            .state
            .with(|state| state.get_attr(group, attr))
            .or_errno()
    }

    fn set_attr(vm: &Vm, group: u32, attr: u64, value: u64) -> Result {
        let chip = chip(vm)?;
        chip.state
            .with(|state| state.set_attr(group, attr, value))
            .or_errno()?;
        if group != uapi::PCH_PIC_GRP_CTRL {
            return Ok(());
        }
        // The base is set: put the registers there.
        let bus = b::kvm_bus_KVM_MMIO_BUS;
        // SAFETY: The chip lives as long as the VM; this happens once, as the
        // model refuses a second base.
        let result = unsafe { chip.block.register(chip, vm, bus, value, reg::SIZE) };
        if result.is_err() {
            chip.state.with(Model::forget_base);
        }
        result
    }
}
