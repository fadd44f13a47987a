// SPDX-License-Identifier: GPL-2.0-or-later

//! The kernel's interrupt controllers.

use super::vm::Vm;
use crate::kvm::abi::{capability, device_type};
use crate::kvm::system::System;
use crate::qemu::accelerator::{self, Accelerator};
use crate::qemu::bql::Bql;
use crate::qemu::{machine, report};

/// What the virt board makes.
const DEVICES: [(u32, &str); 3] = [
    (device_type::IPI, "IPI"),
    (device_type::EIOINTC, "EIOINTC"),
    (device_type::PCH_PIC, "PCH-PIC"),
];

/// Lines of the platform controller, each of which has a route.
const PINS: i32 = la_arch::kvm::IRQCHIP_NUM_PINS as i32;

/// kvm_arch_irqchip_create: positive if the board makes the controllers itself.
///
/// A kernel that says it has them and then does not would end QEMU when the board
/// makes them (11.1: hw/intc/loongarch_ipi_kvm.c kvm_ipi_realize aborts); so that is
/// asked before, and [`fall_back`] makes the board use its own.
pub fn create(_bql: &Bql, accelerator: Accelerator) -> i32 {
    if accelerator::irqchip_is_split() {
        report::error("kernel_irqchip=split is not supported on LoongArch");
        report::exit(1);
    }
    let vm = Vm::open(accelerator);
    let system = System::new(accelerator);
    let lacking = DEVICES.iter().find_map(|(device, name)| {
        vm.fd
            .can_create_device(*device)
            .err()
            .map(|error| (name, error))
    });
    if let Some((name, error)) = lacking {
        if accelerator::irqchip_is_required() {
            report::error(&format!(
                "the kernel has no {name} for guests ({error}); \
                 leave out kernel-irqchip=on, or use Linux 6.13 or later"
            ));
            report::exit(1);
        }
        report::warning(&format!(
            "the kernel has no {name} for guests ({error}): \
             using QEMU's interrupt controllers, which are slower"
        ));
        vm.set_no_irqchip();
    }
    system.check_extension(capability::DEVICE_CTRL).max(1)
}

/// Before the first CPU object is complete, and thus before the board makes its
/// controllers: if the kernel has none after all, the board must make its own.
pub fn fall_back(bql: &Bql) {
    if Vm::current().is_some_and(|vm| vm.take_no_irqchip()) {
        log::info!("the kernel's interrupt controllers are not used");
        machine::set_kernel_irqchip(bql, false);
        machine::set_async_interrupts(bql, false);
        machine::set_halt_in_kernel(bql, false);
    }
}

/// kvm_loongarch_init_irq_routing: a route from each line to the pin of its
/// number.
pub fn init_routing(bql: &Bql) {
    machine::set_async_interrupts(bql, true);
    machine::set_msi_via_irqfd(bql, machine::kernel_irqchip());
    let Some(accelerator) = Accelerator::current().filter(|_| accelerator::has_gsi_routing())
    else {
        return;
    };
    for pin in 0..PINS {
        accelerator.add_irq_route(bql, pin, 0, pin);
    }
    machine::set_gsi_routing(bql, true);
    accelerator.commit_irq_routes(bql);
}
