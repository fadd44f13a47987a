// SPDX-License-Identifier: GPL-2.0-or-later

//! The machine's properties and the accelerator's globals.

use std::ffi::CStr;
use std::ptr;

use super::bql::Bql;
use super::cpu::Cpu;
use super::opaque::Object;
use super::services::services;

/// TYPE_LOONGARCH_VIRT_MACHINE.
const VIRT_MACHINE: &CStr = c"virt-machine";

/// Whether the machine's extended I/O interrupt controller has its virtual
/// extension: so on a virt machine, unless its property is off (QEMU:
/// virt_is_veiointc_enabled).
pub fn has_virtual_eiointc(_bql: &Bql) -> bool {
    let services = services();
    // SAFETY: The BQL is held and the machine exists, since it has a vCPU.
    let machine = unsafe { (services.qdev_get_machine)() };
    // SAFETY: An object or null; the string ends.
    let machine: *mut Object =
        unsafe { (services.object_dynamic_cast)(machine, VIRT_MACHINE.as_ptr()) };
    if machine.is_null() {
        return false;
    }
    // Not by object_property_get_enum: the property has the name of an enum's
    // type, but is none of those that the function knows.
    // SAFETY: An object; a string that ends; errors are not asked for.
    let value = unsafe {
        (services.object_property_get_str)(machine, c"v-eiointc".as_ptr(), ptr::null_mut())
    };
    if value.is_null() {
        return true;
    }
    // SAFETY: A string that QEMU made for us.
    let is_off = unsafe { CStr::from_ptr(value) } == c"off";
    // SAFETY: As above; it is used nowhere else.
    unsafe { (services.g_free)(value.cast()) };
    !is_off
}

/// Whether a bool property of a CPU is set. A property that is not there is not.
pub fn is_on(_bql: &Bql, cpu: Cpu, property: &CStr) -> bool {
    services().object_property_get_bool.is_some_and(|get| {
        // SAFETY: An object that is alive, under the BQL; a string that ends;
        // errors are not asked for.
        unsafe { get(cpu.object(), property.as_ptr(), ptr::null_mut()) }
    })
}

/// Flags of the accelerator's that are globals of QEMU's.
macro_rules! flags {
    (
        read { $( $(#[$doc:meta])* $get:ident: $read:ident; )* }
        write { $( $set:ident: $written:ident; )* }
    ) => {
        $(
            $(#[$doc])*
            pub fn $get() -> bool {
                // SAFETY: QEMU's global. It is written under the BQL while the
                // machine is made.
                unsafe { services().$read.read_volatile() }
            }
        )*
        $(
            #[doc = concat!("Sets `", stringify!($written), "`.")]
            pub fn $set(_bql: &Bql, value: bool) {
                // SAFETY: QEMU's global, under the BQL.
                unsafe { services().$written.write_volatile(value) };
            }
        )*
    };
}

flags! {
    read {
        /// Whether the kernel has the interrupt controllers.
        kernel_irqchip: kvm_kernel_irqchip;
        /// Whether a halted vCPU waits in the kernel.
        halt_in_kernel: kvm_halt_in_kernel_allowed;
    }
    write {
        set_kernel_irqchip: kvm_kernel_irqchip;
        set_halt_in_kernel: kvm_halt_in_kernel_allowed;
        set_async_interrupts: kvm_async_interrupts_allowed;
        set_msi_via_irqfd: kvm_msi_via_irqfd_allowed;
        set_gsi_routing: kvm_gsi_routing_allowed;
    }
}
