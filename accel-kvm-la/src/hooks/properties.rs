// SPDX-License-Identifier: GPL-2.0-or-later

//! Properties of CPU objects that exist only with KVM: names and texts are the
//! C backend's, because management tools list them.

use std::ffi::CStr;

use crate::qemu::bql::Bql;
use crate::qemu::cpu::{Cpu, OnOffAuto};
use crate::qemu::layout::layout;
use crate::qemu::opaque::{Object, QEMUError};
use crate::qemu::services::{PropertyGetBool, PropertySetBool, services};
use crate::vcpu::features::{change_properties, properties};

struct Property {
    name: &'static CStr,
    description: &'static CStr,
    get: PropertyGetBool,
    set: PropertySetBool,
}

/// The CPU that a property belongs to.
///
/// # Safety
///
/// `object` is a LoongArchCPU, since only those have these properties.
unsafe fn cpu_of(object: *mut Object) -> Option<Cpu> {
    // SAFETY: By this function's contract; an object begins with itself.
    unsafe { Cpu::from_raw(object.cast()) }
}

macro_rules! property {
    ($module:ident, |$cpu:ident| $get:expr, |$target:ident, $value:ident| $set:expr) => {
        mod $module {
            use super::*;

            pub(super) unsafe extern "C" fn get(
                object: *mut Object,
                _errp: *mut *mut QEMUError,
            ) -> bool {
                // SAFETY: QOM calls it for the object that has the property.
                unsafe { cpu_of(object) }.is_some_and(|$cpu| OnOffAuto::is_not_off($get))
            }

            pub(super) unsafe extern "C" fn set(
                object: *mut Object,
                value: bool,
                _errp: *mut *mut QEMUError,
            ) {
                // SAFETY: As for reading.
                if let Some($target) = unsafe { cpu_of(object) } {
                    let $value = OnOffAuto::from_bool(value);
                    $set;
                }
            }
        }
    };
}

property!(lbt, |cpu| properties(cpu).lbt, |cpu, value| {
    change_properties(cpu, |own| own.lbt = value)
});
property!(pmu, |cpu| cpu.on_off_auto(layout().pmu), |cpu, value| cpu
    .set_on_off_auto(layout().pmu, value));
property!(
    kvm_pv_ipi,
    |cpu| properties(cpu).kvm_pv_ipi,
    |cpu, value| change_properties(cpu, |own| own.kvm_pv_ipi = value)
);
property!(
    kvm_steal_time,
    |cpu| properties(cpu).kvm_steal_time,
    |cpu, value| change_properties(cpu, |own| own.kvm_steal_time = value)
);

const PROPERTIES: [Property; 4] = [
    Property {
        name: c"lbt",
        description: c"Set off to disable Binary Translation.",
        get: lbt::get,
        set: lbt::set,
    },
    Property {
        name: c"pmu",
        description: c"Set off to disable performance monitor unit.",
        get: pmu::get,
        set: pmu::set,
    },
    Property {
        name: c"kvm-pv-ipi",
        description: c"Set off to disable KVM paravirt IPI.",
        get: kvm_pv_ipi::get,
        set: kvm_pv_ipi::set,
    },
    Property {
        name: c"kvm-steal-time",
        description: c"Set off to disable KVM steal time.",
        get: kvm_steal_time::get,
        set: kvm_steal_time::set,
    },
];

/// Adds the properties to a new CPU object.
pub fn add(_bql: &Bql, cpu: Cpu) {
    let services = services();
    for property in &PROPERTIES {
        // SAFETY: The object is alive, the BQL held, the string ends, and the
        // functions expect this object.
        unsafe {
            (services.object_property_add_bool)(
                cpu.object(),
                property.name.as_ptr(),
                Some(property.get),
                Some(property.set),
            );
        }
        // SAFETY: As above.
        unsafe {
            (services.object_property_set_description)(
                cpu.object(),
                property.name.as_ptr(),
                property.description.as_ptr(),
            );
        }
    }
}
