// SPDX-License-Identifier: GPL-2.0

//! Message interrupts that go to a vCPU directly. Only on hosts that have
//! them; the vectors that wait are in the `Vcpu`.

use kernel::prelude::*;
use kvm_core::intc::dmsintc::{Dmsintc as Model, Target};
use la_arch::Interrupt;

use super::device::Device;
use crate::kvm::bindings as b;
use crate::kvm::error::OrErrno;
use crate::kvm::sync::{Class, Lock};
use crate::vm::Vm;

/// The device type.
pub(crate) struct Dmsintc;

/// The controller of a VM.
#[pin_data]
pub(crate) struct Chip {
    #[pin]
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
        .or_errno()?;
    vcpu.raise(Interrupt::AVEC);
    vcpu.generic.kick();
    Ok(())
}

impl Device for Dmsintc {
    const NAME: &'static CStr = c"kvm-loongarch-dmsintc";
    const TYPE: b::kvm_device_type = b::kvm_device_type_KVM_DEV_TYPE_LOONGARCH_DMSINTC;
    const NEEDS_MSGINT: bool = true;

    fn create(vm: &Vm) -> Result {
        if vm.chips.dmsintc.get().is_some() {
            return Err(EINVAL);
        }
        let state = Lock::new(Class::Dmsintc, Model::new());
        let chip = KBox::pin_init(pin_init!(Chip { state <- state }), GFP_KERNEL_ACCOUNT)?;
        vm.chips.dmsintc.set(chip)
    }

    fn attr_size(group: u32, attr: u64, write: bool) -> Result<usize> {
        if !write {
            return Err(ENXIO);
        }
        Model::attr_size(group, attr).or_errno()
    }

    fn get_attr(_vm: &Vm, _group: u32, _attr: u64) -> Result<u64> {
        Err(ENXIO)
    }

    fn set_attr(vm: &Vm, group: u32, attr: u64, value: u64) -> Result {
        vm.chips
            .dmsintc
            .get()
            .ok_or(ENODEV)?
            .state
            .with(|state| state.set_attr(group, attr, value))
            .or_errno()
    }
}
