// SPDX-License-Identifier: GPL-2.0

//! Interrupt routing: GSIs, messages and irqfds to the controllers.

use kernel::prelude::*;
use kvm_core::intc::routing::{default_routes, Injection, Msi, Pin, Route};

use super::{dmsintc, failure, get};
use crate::bindings as b;
use crate::vm::Vm;

/// Installs the table that the PCH-PIC begins with: GSI n is pin n.
pub(crate) fn set_default(vm: &Vm) -> Result {
    let mut entries = KVec::<b::kvm_irq_routing_entry>::new();
    for (gsi, route) in default_routes() {
        let Route::Pin(pin) = route else { continue };
        let mut entry = b::kvm_irq_routing_entry {
            gsi,
            type_: b::KVM_IRQ_ROUTING_IRQCHIP,
            ..Default::default()
        };
        entry.u.irqchip = b::kvm_irq_routing_irqchip {
            irqchip: 0,
            pin: u32::from(pin.get()),
        };
        entries.push(entry, GFP_KERNEL_ACCOUNT)?;
    }
    // SAFETY: The VM is alive; the entries are copied.
    kernel::error::to_result(unsafe {
        b::kvm_set_irq_routing(vm.kvm, entries.as_ptr(), entries.len() as u32, 0)
    })
}

/// Carries out what a route says.
fn inject(vm: &Vm, route: Route, level: bool) -> Result<bool> {
    let window = get(&vm.chips.dmsintc).map(|chip| chip.window());
    match route.injection(level, window.as_ref()).map_err(failure)? {
        None => Ok(false),
        Some(Injection::Pin(pin)) => {
            get(&vm.chips.pch_pic)
                .ok_or(ENODEV)?
                .set_pin(vm, pin, level);
            Ok(true)
        }
        Some(Injection::Vector(vector)) => {
            get(&vm.chips.eiointc)
                .ok_or(ENODEV)?
                .set_vector(vm, None, vector, level);
            Ok(true)
        }
        Some(Injection::Message(target)) => dmsintc::post(vm, target).map(|()| true),
    }
}

/// The route in KVM's own entry.
///
/// # Safety
///
/// `entry` is valid and was filled by [`kvm_set_routing_entry`], or is a message
/// from KVM_SIGNAL_MSI.
unsafe fn route(entry: *const b::kvm_kernel_irq_routing_entry) -> Option<Route> {
    // SAFETY: By this function's contract `type_` says which member is set.
    unsafe {
        match (*entry).type_ {
            b::KVM_IRQ_ROUTING_IRQCHIP => {
                Pin::new((*entry).__bindgen_anon_1.irqchip.pin).map(Route::Pin)
            }
            _ => Some(Route::Msi(message(entry))),
        }
    }
}

/// The message in KVM's own entry.
///
/// # Safety
///
/// `entry` is valid and holds one.
unsafe fn message(entry: *const b::kvm_kernel_irq_routing_entry) -> Msi {
    // SAFETY: By this function's contract.
    let msi = unsafe { (*entry).__bindgen_anon_1.msi };
    Msi::new(msi.address_lo, msi.address_hi, msi.data)
}

fn delivered(result: Result<bool>) -> i32 {
    match result {
        Ok(true) => 0,
        // Ignored.
        Ok(false) => -1,
        Err(error) => error.to_errno(),
    }
}

/// The `set` of routes to pins.
///
/// # Safety
///
/// KVM calls it with an entry of the VM's table.
unsafe extern "C" fn set_pin(
    entry: *mut b::kvm_kernel_irq_routing_entry,
    kvm: *mut b::kvm,
    _source: i32,
    level: i32,
    _status: bool,
) -> i32 {
    // SAFETY: By this function's contract.
    let (vm, pin) = unsafe {
        (
            Vm::from_c(kvm),
            Pin::new((*entry).__bindgen_anon_1.irqchip.pin),
        )
    };
    match pin {
        Some(pin) => delivered(inject(vm, Route::Pin(pin), level != 0)),
        None => EINVAL.to_errno(),
    }
}

/// kvm_set_msi: a message from a route or from KVM_SIGNAL_MSI.
///
/// # Safety
///
/// KVM calls it with an entry that holds a message.
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_set_msi(
    entry: *mut b::kvm_kernel_irq_routing_entry,
    kvm: *mut b::kvm,
    _source: i32,
    level: i32,
    _status: bool,
) -> i32 {
    // SAFETY: By this function's contract.
    let (vm, message) = unsafe { (Vm::from_c(kvm), message(entry)) };
    delivered(inject(vm, Route::Msi(message), level != 0))
}

/// kvm_set_routing_entry: an entry of KVM_SET_GSI_ROUTING.
///
/// # Safety
///
/// KVM calls it with valid entries.
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_set_routing_entry(
    _kvm: *mut b::kvm,
    entry: *mut b::kvm_kernel_irq_routing_entry,
    user: *const b::kvm_irq_routing_entry,
) -> i32 {
    // SAFETY: The union holds integers only, whichever member was set.
    let (kind, chip, msi) = unsafe { ((*user).type_, (*user).u.irqchip, (*user).u.msi) };
    let message = Msi::new(msi.address_lo, msi.address_hi, msi.data);
    match Route::from_user(kind, chip.irqchip, chip.pin, message) {
        // SAFETY: `entry` is valid and not yet in a table.
        Ok(Route::Pin(pin)) => unsafe {
            (*entry).set = Some(set_pin);
            (*entry).__bindgen_anon_1.irqchip.irqchip = chip.irqchip;
            (*entry).__bindgen_anon_1.irqchip.pin = u32::from(pin.get());
            0
        },
        // SAFETY: As above.
        Ok(Route::Msi(_)) => unsafe {
            (*entry).set = Some(kvm_set_msi);
            let out = &raw mut (*entry).__bindgen_anon_1.msi;
            (*out).address_lo = msi.address_lo;
            (*out).address_hi = msi.address_hi;
            (*out).data = msi.data;
            0
        },
        Err(error) => -error.errno(),
    }
}

/// kvm_arch_set_irq_inatomic: an irqfd fires, possibly in an interrupt handler.
///
/// # Safety
///
/// KVM calls it with an entry of the VM's table.
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_arch_set_irq_inatomic(
    entry: *mut b::kvm_kernel_irq_routing_entry,
    kvm: *mut b::kvm,
    _source: i32,
    level: i32,
    _status: bool,
) -> i32 {
    // A falling level goes the way through a worker (-EWOULDBLOCK).
    if level == 0 {
        return EAGAIN.to_errno();
    }
    // SAFETY: By this function's contract.
    let (vm, route) = unsafe { (Vm::from_c(kvm), route(entry)) };
    match route {
        Some(route) => delivered(inject(vm, route, true)),
        None => EINVAL.to_errno(),
    }
}

/// kvm_vm_ioctl_irq_line: KVM_IRQ_LINE.
///
/// # Safety
///
/// KVM calls it with a live VM and a kernel copy of the argument.
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_vm_ioctl_irq_line(
    kvm: *mut b::kvm,
    level: *mut b::kvm_irq_level,
    status: bool,
) -> i32 {
    // SAFETY: By this function's contract.
    unsafe {
        if !Vm::from_c(kvm).chips.complete() {
            return ENXIO.to_errno();
        }
        let (irq, value) = ((*level).__bindgen_anon_1.irq, (*level).level);
        let result = b::kvm_set_irq(
            kvm,
            b::KVM_USERSPACE_IRQ_SOURCE_ID as i32,
            irq,
            value as i32,
            status,
        );
        (*level).__bindgen_anon_1.status = result;
    }
    0
}

/// kvm_arch_irqchip_in_kernel.
///
/// # Safety
///
/// KVM calls it with a live VM.
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_arch_irqchip_in_kernel(kvm: *mut b::kvm) -> bool {
    // SAFETY: By this function's contract.
    unsafe { Vm::from_c(kvm) }.chips.complete()
}

/// kvm_arch_intc_initialized: irqfds may be assigned.
///
/// # Safety
///
/// KVM calls it with a live VM.
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_arch_intc_initialized(kvm: *mut b::kvm) -> bool {
    // SAFETY: By this function's contract.
    unsafe { Vm::from_c(kvm) }.chips.complete()
}
