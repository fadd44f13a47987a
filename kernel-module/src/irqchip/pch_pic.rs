// SPDX-License-Identifier: GPL-2.0

//! The bridge's interrupt controller, on the MMIO bus where user space puts it.

use core::sync::atomic::Ordering;

use kernel::prelude::*;
use kvm_core::intc::pch_pic::PchPic as Model;
use kvm_core::intc::routing::Pin;
use kvm_core::intc::uapi;
use kvm_core::intc::Vectors;
use la_arch::pch_pic as reg;

use super::device::{zeroed, Block, Device, Registers};
use super::{failure, get, routing};
use crate::bindings as b;
use crate::sync::{Class, Lock};
use crate::vcpu::Vcpu;
use crate::vm::Vm;

/// The device type.
pub(crate) struct PchPic;

/// The registers, by the chip that they belong to.
struct Bus(*const Chip);

/// The controller of a VM.
pub(crate) struct Chip {
    block: Block<Bus>,
    state: Lock<Model>,
}

/// Sends vectors to the EIOINTC of a VM.
struct Cascade<'a> {
    vm: &'a Vm,
    current: Option<&'a Vcpu>,
}

impl Vectors for Cascade<'_> {
    fn set_vector(&mut self, vector: u8, level: bool) {
        if let Some(chip) = get(&self.vm.chips.eiointc) {
            chip.set_vector(self.vm, self.current, vector, level);
        }
    }
}

impl Chip {
    /// Changes the level of a pin, from any context.
    pub(crate) fn set_pin(&self, vm: &Vm, pin: Pin, level: bool) {
        let mut cascade = Cascade { vm, current: None };
        self.state
            .with(|state| state.set_pin(pin, level, &mut cascade));
    }
}

impl Registers for Bus {
    fn read(&self, vcpu: &Vcpu, address: u64, size: u32) -> u64 {
        let stat = vcpu.stat();
        stat.pch_pic_read_exits = stat.pch_pic_read_exits.wrapping_add(1);
        // SAFETY: The block is part of the chip.
        let chip = unsafe { &*self.0 };
        chip.state.with(|state| {
            let base = state.base().unwrap_or(address);
            state.read(address.wrapping_sub(base), size)
        })
    }

    fn write(&self, vcpu: &Vcpu, address: u64, size: u32, value: u64) {
        let stat = vcpu.stat();
        stat.pch_pic_write_exits = stat.pch_pic_write_exits.wrapping_add(1);
        let mut cascade = Cascade {
            vm: vcpu.vm(),
            current: Some(vcpu),
        };
        // SAFETY: As above.
        let chip = unsafe { &*self.0 };
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

/// The guest unmasks level pins that it has handled: whoever holds one up by a
/// resampling irqfd lets go, and is told to look again. Without locks, as that
/// sets the pin.
fn handled(vm: &Vm, mut pins: u64) {
    while pins != 0 {
        // SAFETY: The VM is alive; may take KVM's locks here.
        unsafe { b::kvm_notify_acked_irq(vm.kvm, 0, pins.trailing_zeros()) };
        pins &= pins.wrapping_sub(1);
    }
}

fn chip(vm: &Vm) -> Result<&Chip> {
    get(&vm.chips.pch_pic).ok_or(ENODEV)
}

impl Device for PchPic {
    const NAME: &'static CStr = c"kvm-loongarch-pch-pic";
    const TYPE: b::kvm_device_type = b::kvm_device_type_KVM_DEV_TYPE_LOONGARCH_PCHPIC;

    fn create(vm: &Vm) -> Result {
        if chip(vm).is_ok() {
            return Err(EINVAL);
        }
        let chip = zeroed::<Chip>()?;
        // SAFETY: Zeroes are a valid block, whose owner is set; the model is
        // written. The VM keeps the chip.
        unsafe {
            Lock::place(&raw const (*chip).state).write(Model::new());
            (*chip).state.init(Class::PchPic);
            (*chip).block.registers = Bus(chip);
        }
        if let Err(error) = routing::set_default(vm) {
            // SAFETY: Allocated above; nobody else has it.
            drop(unsafe { KBox::from_raw(chip) });
            return Err(error);
        }
        vm.chips.pch_pic.store(chip, Ordering::Release);
        Ok(())
    }

    fn attr_size(group: u32, attr: u64, write: bool) -> Result<usize> {
        Model::attr_size(group, attr, write).map_err(failure)
    }

    fn get_attr(vm: &Vm, group: u32, attr: u64) -> Result<u64> {
        chip(vm)?
            .state
            .with(|state| state.get_attr(group, attr))
            .map_err(failure)
    }

    fn set_attr(vm: &Vm, group: u32, attr: u64, value: u64) -> Result {
        let chip = chip(vm)?;
        chip.state
            .with(|state| state.set_attr(group, attr, value))
            .map_err(failure)?;
        if group != uapi::PCH_PIC_GRP_CTRL {
            return Ok(());
        }
        // The base is set: put the registers there.
        // SAFETY: The chip lives as long as the VM; this happens once, as the
        // model refuses a second base.
        let result = unsafe {
            Block::register(
                (&raw const chip.block).cast_mut(),
                vm.kvm,
                b::kvm_bus_KVM_MMIO_BUS,
                value,
                reg::SIZE,
            )
        };
        if result.is_err() {
            chip.state.with(Model::forget_base);
        }
        result
    }
}
