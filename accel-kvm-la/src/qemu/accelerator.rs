// SPDX-License-Identifier: GPL-2.0-or-later

//! QEMU's KVM accelerator and what it says of interrupt controllers.

use std::ptr::NonNull;

use super::bql::Bql;
use super::opaque::KVMState;
use super::services::services;

/// The accelerator, whose file descriptors are open. It lives as long as the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accelerator(NonNull<KVMState>);

// SAFETY: A handle; what is called with it locks.
unsafe impl Send for Accelerator {}
// SAFETY: As above.
unsafe impl Sync for Accelerator {}

impl Accelerator {
    /// The accelerator at `state`.
    ///
    /// # Safety
    ///
    /// `state` is null or QEMU's accelerator, whose file descriptors are open and
    /// which lives as long as the process.
    pub unsafe fn from_raw(state: *mut KVMState) -> Option<Accelerator> {
        NonNull::new(state).map(Accelerator)
    }

    /// The accelerator in use, if there is one.
    pub fn current() -> Option<Accelerator> {
        // SAFETY: QEMU's global; it changes once, before any vCPU is made.
        let state = unsafe { services().kvm_state.read() };
        // SAFETY: QEMU sets the global when the file descriptors are open.
        unsafe { Accelerator::from_raw(state) }
    }

    /// For QEMU's functions.
    pub fn as_ptr(self) -> *mut KVMState {
        self.0.as_ptr()
    }

    /// Adds a route from line `gsi` to pin `pin` of controller `irqchip`.
    pub fn add_irq_route(self, _bql: &Bql, gsi: i32, irqchip: i32, pin: i32) {
        // SAFETY: The accelerator, under the BQL.
        unsafe { (services().kvm_irqchip_add_irq_route)(self.as_ptr(), gsi, irqchip, pin) };
    }

    /// Tells KVM of the routes.
    pub fn commit_irq_routes(self, _bql: &Bql) {
        // SAFETY: The accelerator, under the BQL.
        unsafe { (services().kvm_irqchip_commit_routes)(self.as_ptr()) };
    }
}

/// Whether `kernel-irqchip=split` was asked for.
pub fn irqchip_is_split() -> bool {
    // SAFETY: Asks only.
    unsafe { (services().kvm_kernel_irqchip_split)() }
}

/// Whether `kernel-irqchip=on` was asked for, as far as this QEMU can say.
pub fn irqchip_is_required() -> bool {
    services()
        .kvm_kernel_irqchip_required
        // SAFETY: Asks only.
        .is_some_and(|required| unsafe { required() })
}

/// Whether KVM has a table of routes.
pub fn has_gsi_routing() -> bool {
    // SAFETY: Asks only.
    unsafe { (services().kvm_has_gsi_routing)() != 0 }
}

/// Whether the board can make the kernel's controller of message interrupts.
pub fn knows_dmsintc() -> bool {
    services().kvm_dintc_realize.is_some()
}
