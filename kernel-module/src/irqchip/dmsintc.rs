// SPDX-License-Identifier: GPL-2.0

//! Message interrupts that go to a vCPU directly. Only on hosts that have
//! them; the vectors that wait are in the `Vcpu`.

use core::sync::atomic::Ordering;

use kernel::prelude::*;
use kvm_core::intc::dmsintc::{Dmsintc as Model, Target};
use la_arch::Interrupt;

use super::device::{zeroed, Device};
use super::{failure, get};
use crate::bindings as b;
use crate::sync::{Class, Lock};
use crate::vm::Vm;

/// The device type.
pub(crate) struct Dmsintc;

/// The controller of a VM.
pub(crate) struct Chip {
    state: Lock<Model>,
}

impl Chip {
    /// The window of messages.
    pub(crate) fn window(&self) -> Model {
        self.state.with(|state| state.clone())
    }
}

/// Sends a message to its vCPU; EINVAL if there is none, or its guest has no
/// message interrupts.
pub(crate) fn post(vm: &Vm, target: Target) -> Result {
    let vcpu = vm.vcpu_by_cpuid(u64::from(target.cpuid)).ok_or(EINVAL)?;
    vcpu.messages
        .post(target.vector, vcpu.has_msgint())
        .map_err(failure)?;
    vcpu.raise(Interrupt::AVEC);
    vcpu.kick();
    Ok(())
}

impl Device for Dmsintc {
    const NAME: &'static CStr = c"kvm-loongarch-dmsintc";
    const TYPE: b::kvm_device_type = b::kvm_device_type_KVM_DEV_TYPE_LOONGARCH_DMSINTC;
    const NEEDS_MSGINT: bool = true;

    fn create(vm: &Vm) -> Result {
        if get(&vm.chips.dmsintc).is_some() {
            return Err(EINVAL);
        }
        let chip = zeroed::<Chip>()?;
        // SAFETY: The model is written; nobody else has the chip yet.
        unsafe {
            Lock::place(&raw const (*chip).state).write(Model::new());
            (*chip).state.init(Class::Dmsintc);
        }
        vm.chips.dmsintc.store(chip, Ordering::Release);
        Ok(())
    }

    fn attr_size(group: u32, attr: u64, write: bool) -> Result<usize> {
        if !write {
            return Err(ENXIO);
        }
        Model::attr_size(group, attr).map_err(failure)
    }

    fn get_attr(_vm: &Vm, _group: u32, _attr: u64) -> Result<u64> {
        Err(ENXIO)
    }

    fn set_attr(vm: &Vm, group: u32, attr: u64, value: u64) -> Result {
        get(&vm.chips.dmsintc)
            .ok_or(ENODEV)?
            .state
            .with(|state| state.set_attr(group, attr, value))
            .map_err(failure)
    }
}
