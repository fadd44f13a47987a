// SPDX-License-Identifier: GPL-2.0-or-later

//! What QEMU calls: C types in, a safe function of [`crate::vcpu`] behind.
//!
//! Each function is named `kvm_la_` and the name of the function of QEMU's whose
//! place it takes, so that loading the library takes the place of none. The
//! link layer connects the two by [`TABLE`] and [`OPS`], or the C shim in a QEMU
//! tree by defining QEMU's name.

use std::ffi::c_void;

mod arch;
mod guest_debug;
mod locked;
mod ops;
mod properties;

pub use arch::*;
pub use guest_debug::*;
pub use ops::*;

/// A function of QEMU's and the one for its place.
#[derive(Debug)]
pub struct Hook {
    /// Name of QEMU's function.
    pub symbol: &'static str,
    /// Ours.
    pub replacement: *const c_void,
}

/// A member of AccelOpsClass and the function for it.
#[derive(Debug)]
pub struct Slot {
    /// Name of the member.
    pub name: &'static str,
    /// Ours.
    pub function: *const c_void,
}

// SAFETY: Addresses of functions.
unsafe impl Sync for Hook {}
// SAFETY: As above.
unsafe impl Sync for Slot {}

macro_rules! hooks {
    ($($symbol:ident => $replacement:ident;)*) => {
        /// Functions of QEMU's with a replacement.
        pub static TABLE: &[Hook] = &[
            $(Hook { symbol: stringify!($symbol), replacement: $replacement as *const c_void },)*
        ];
    };
}

macro_rules! slots {
    ($($name:ident => $function:ident;)*) => {
        /// Members of AccelOpsClass that the backend fills.
        pub static OPS: &[Slot] = &[
            $(Slot { name: stringify!($name), function: $function as *const c_void },)*
        ];
    };
}

hooks! {
    kvm_arch_get_default_type => kvm_la_kvm_arch_get_default_type;
    kvm_arch_init => kvm_la_kvm_arch_init;
    kvm_arch_irqchip_create => kvm_la_kvm_arch_irqchip_create;
    kvm_arch_init_irq_routing => kvm_la_kvm_arch_init_irq_routing;
    kvm_loongarch_init_irq_routing => kvm_la_kvm_loongarch_init_irq_routing;
    kvm_loongarch_cpu_post_init => kvm_la_kvm_loongarch_cpu_post_init;
    kvm_loongarch_set_interrupt => kvm_la_kvm_loongarch_set_interrupt;
    kvm_arch_fixup_msi_route => kvm_la_kvm_arch_fixup_msi_route;
    kvm_arch_add_msi_route_post => kvm_la_kvm_arch_add_msi_route_post;
    kvm_arch_release_virq_post => kvm_la_kvm_arch_release_virq_post;
    kvm_arch_vcpu_id => kvm_la_kvm_arch_vcpu_id;
    kvm_arch_pre_create_vcpu => kvm_la_kvm_arch_pre_create_vcpu;
    kvm_arch_init_vcpu => kvm_la_kvm_arch_init_vcpu;
    kvm_arch_destroy_vcpu => kvm_la_kvm_arch_destroy_vcpu;
    kvm_arch_reset_vcpu => kvm_la_kvm_arch_reset_vcpu;
    kvm_arch_get_registers => kvm_la_kvm_arch_get_registers;
    kvm_arch_put_registers => kvm_la_kvm_arch_put_registers;
    kvm_arch_process_async_events => kvm_la_kvm_arch_process_async_events;
    kvm_arch_stop_on_emulation_error => kvm_la_kvm_arch_stop_on_emulation_error;
    kvm_arch_update_guest_debug => kvm_la_kvm_arch_update_guest_debug;
    kvm_arch_insert_sw_breakpoint => kvm_la_kvm_arch_insert_sw_breakpoint;
    kvm_arch_remove_sw_breakpoint => kvm_la_kvm_arch_remove_sw_breakpoint;
    kvm_cpu_exec => kvm_la_kvm_cpu_exec;
    kvm_cpu_synchronize_state => kvm_la_kvm_cpu_synchronize_state;
}

slots! {
    create_vcpu_thread => kvm_la_create_vcpu_thread;
    cpu_thread_is_idle => kvm_la_cpu_thread_is_idle;
    synchronize_post_reset => kvm_la_kvm_cpu_synchronize_post_reset;
    synchronize_post_init => kvm_la_kvm_cpu_synchronize_post_init;
    synchronize_state => kvm_la_kvm_cpu_synchronize_state;
    synchronize_pre_loadvm => kvm_la_kvm_cpu_synchronize_pre_loadvm;
    update_guest_debug => kvm_la_update_guest_debug;
}
