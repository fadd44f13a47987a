// SPDX-License-Identifier: GPL-2.0

//! Interrupt routing: GSIs, messages and irqfds to the controllers.

use kernel::prelude::*;
use kvm_core::intc::pch_pic::Source;
use kvm_core::intc::routing::{default_routes, Injection, Msi, Pin, Route};

use super::dmsintc;
use crate::kvm::bindings as b;
use crate::kvm::error::{IntoC, OrErrno};
use crate::kvm::from_c::callbacks;
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
    vm.kvm.set_routing(&entries)
}

/// Carries out what a route says, for a source.
fn inject(vm: &Vm, route: Route, source: Source, level: bool) -> Result<bool> {
    let window = vm.chips.dmsintc.get().map(|chip| chip.window());
    match route.injection(level, window.as_ref()).or_errno()? {
        None => Ok(false),
        Some(Injection::Pin(pin)) => {
            vm.chips
                .pch_pic
                .get()
                .ok_or(ENODEV)?
                .set_pin(vm, pin, source, level);
            Ok(true)
        }
        Some(Injection::Vector(vector)) => {
            vm.chips
                .eiointc
                .get()
                .ok_or(ENODEV)?
                .set_vector(vm, None, vector, level);
            Ok(true)
        }
        Some(Injection::Message(target)) => dmsintc::post(vm, target).map(|()| true),
    }
}

/// Whether an interrupt was delivered, for KVM: 0, or -1 if it was ignored.
pub(crate) struct Delivered(Result<bool>);

impl IntoC<i32> for Delivered {
    fn into_c(self) -> i32 {
        match self.0 {
            Ok(true) => 0,
            // Ignored.
            Ok(false) => -1,
            Err(error) => error.to_errno(),
        }
    }
}

/// KVM's own entry.
type Entry = b::kvm_kernel_irq_routing_entry;

/// The route in an irqfd's entry. None if its GSI has none: then the entry has no type, and in
/// its union what was there before (virt/kvm/eventfd.c: irqfd_update).
fn route(entry: &Entry) -> Option<Route> {
    match entry.type_ {
        b::KVM_IRQ_ROUTING_IRQCHIP => pin(entry).map(Route::Pin),
        b::KVM_IRQ_ROUTING_MSI => Some(Route::Msi(message(entry))),
        _ => None,
    }
}

/// The pin in an entry that has one.
fn pin(entry: &Entry) -> Option<Pin> {
    // SAFETY: A union of integers.
    Pin::new(unsafe { entry.__bindgen_anon_1.irqchip.pin })
}

/// The message in an entry that has one.
fn message(entry: &Entry) -> Msi {
    // SAFETY: A union of integers.
    let msi = unsafe { entry.__bindgen_anon_1.msi };
    Msi::new(msi.address_lo, msi.address_hi, msi.data)
}

callbacks! {
    /// The `set` of routes to pins.
    set_pin[](entry: &mut Entry, kvm: &Vm, source: i32, level: i32, status: bool) -> i32 =
        |entry: &mut Entry, vm, source, level, _| {
            let source = match source as u32 {
                b::KVM_IRQFD_RESAMPLE_IRQ_SOURCE_ID => Source::Resampler,
                _ => Source::Vmm,
            };
            let injected = pin(entry)
                .ok_or(EINVAL)
                .and_then(|pin| inject(vm, Route::Pin(pin), source, level != 0));
            Delivered(injected)
        };
}

/// kvm_set_msi: a message from a route or from KVM_SIGNAL_MSI.
pub(crate) fn set_msi(
    entry: &mut Entry,
    vm: &Vm,
    _source: i32,
    level: i32,
    _status: bool,
) -> Delivered {
    Delivered(inject(
        vm,
        Route::Msi(message(entry)),
        Source::Vmm,
        level != 0,
    ))
}

/// kvm_set_routing_entry: an entry of KVM_SET_GSI_ROUTING, not yet in a table.
pub(crate) fn set_entry(
    _: *mut b::kvm,
    entry: &mut Entry,
    user: &b::kvm_irq_routing_entry,
) -> Result {
    // SAFETY: The union holds integers only, whichever member was set.
    let (chip, msi) = unsafe { (user.u.irqchip, user.u.msi) };
    let message = Msi::new(msi.address_lo, msi.address_hi, msi.data);
    match Route::from_user(user.type_, chip.irqchip, chip.pin, message).or_errno()? {
        Route::Pin(pin) => {
            entry.set = Some(set_pin);
            let out = &mut entry.__bindgen_anon_1;
            out.irqchip.irqchip = chip.irqchip;
            out.irqchip.pin = u32::from(pin.get());
        }
        Route::Msi(_) => {
            entry.set = Some(b::kvm_set_msi);
            let out = &mut entry.__bindgen_anon_1;
            out.msi.address_lo = msi.address_lo;
            out.msi.address_hi = msi.address_hi;
            out.msi.data = msi.data;
        }
    }
    Ok(())
}

/// kvm_arch_set_irq_inatomic: an irqfd fires, possibly in an interrupt handler. KVM does not say
/// whether it has a resampler (virt/kvm/eventfd.c: irqfd_wakeup), but the pin does.
pub(crate) fn set_irq_in_atomic(
    entry: &mut Entry,
    vm: &Vm,
    _source: i32,
    level: i32,
    _status: bool,
) -> Delivered {
    // A falling level goes the way through a worker (-EWOULDBLOCK), and so does what has no
    // route, for which KVM looks there.
    let route = if level == 0 { None } else { route(entry) };
    let route = route.ok_or(EAGAIN);
    Delivered(route.and_then(|route| {
        let source = match route {
            Route::Pin(pin) if vm.kvm.is_resampled(pin.get().into()) => Source::Resampler,
            _ => Source::Vmm,
        };
        inject(vm, route, source, true)
    }))
}

/// kvm_vm_ioctl_irq_line: KVM_IRQ_LINE.
pub(crate) fn irq_line(vm: &Vm, level: &mut b::kvm_irq_level, status: bool) -> Result {
    if !vm.chips.complete() {
        return Err(ENXIO);
    }
    // SAFETY: A union of integers.
    let irq = unsafe { level.__bindgen_anon_1.irq };
    level.__bindgen_anon_1.status = vm.kvm.set_irq(irq, level.level as i32, status);
    Ok(())
}
