// SPDX-License-Identifier: GPL-2.0

//! Interrupt routes: from a GSI or a message to a controller (Linux
//! kvm/irqfd.c, kvm/intc/pch_pic.c:`pch_msi_set_irq`).

use super::dmsintc::{Dmsintc, Target};
use super::{uapi, IntcError};

/// A pin number, 0 to 63.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin(u8);

impl Pin {
    /// The number, if there is such a pin.
    pub const fn new(pin: u32) -> Option<Self> {
        if pin < uapi::KVM_IRQCHIP_NUM_PINS {
            Some(Self(pin as u8))
        } else {
            None
        }
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// One entry of the routing table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// A pin of the PCH-PIC.
    Pin(Pin),
    /// A message.
    Msi(Msi),
}

/// A message, from a route or from KVM_SIGNAL_MSI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Msi {
    /// Address that the device writes to.
    pub address: u64,
    /// What it writes.
    pub data: u32,
}

/// What to do to a controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Injection {
    /// [`PchPic::set_pin`](super::pch_pic::PchPic::set_pin).
    Pin(Pin),
    /// [`Eiointc::set_vector`](super::eiointc::Eiointc::set_vector).
    Vector(u8),
    /// [`Pending::post`](super::dmsintc::Pending::post) on the target.
    Message(Target),
}

impl Msi {
    /// A message from the two halves that user space passes.
    pub const fn new(address_lo: u32, address_hi: u32, data: u32) -> Self {
        Self {
            address: (address_hi as u64) << 32 | address_lo as u64,
            data,
        }
    }

    /// Where the message goes: into the DMSINTC's window, else its data is a
    /// vector of the EIOINTC. Pass `None` if the VM has no DMSINTC or the host
    /// no message interrupts.
    ///
    /// # Errors
    ///
    /// [`IntcError::Value`] if the data is no vector (256 or more).
    pub fn injection(self, dmsintc: Option<&Dmsintc>) -> Result<Injection, IntcError> {
        if let Some(target) = dmsintc.and_then(|dmsintc| dmsintc.target(self.address)) {
            return Ok(Injection::Message(target));
        }
        u8::try_from(self.data)
            .map(Injection::Vector)
            .map_err(|_| IntcError::Value)
    }
}

impl Route {
    /// Checks an entry of KVM_SET_GSI_ROUTING (`struct
    /// kvm_irq_routing_entry`); `irqchip` and `pin` count for pin routes, the
    /// message for message routes.
    ///
    /// The message itself is not judged here but by [`Msi::injection`], at
    /// once whenever it is sent: the guest chooses it, the VMM passes it on
    /// unread, and QEMU aborts when the table is refused, so that refusing it
    /// would let a guest end its VMM.
    ///
    /// # Errors
    ///
    /// [`IntcError::Route`] for an unknown type, chip or pin.
    pub fn from_user(kind: u32, irqchip: u32, pin: u32, msi: Msi) -> Result<Self, IntcError> {
        match kind {
            uapi::KVM_IRQ_ROUTING_IRQCHIP if irqchip < uapi::KVM_NR_IRQCHIPS => {
                Pin::new(pin).map(Self::Pin).ok_or(IntcError::Route)
            }
            uapi::KVM_IRQ_ROUTING_MSI => Ok(Self::Msi(msi)),
            _ => Err(IntcError::Route),
        }
    }

    /// What a level change of the route's GSI does; `None` if nothing, which
    /// is so when a message's level falls (-1, "ignored", of `kvm_set_irq`).
    /// In `kvm_arch_set_irq_inatomic` a falling level is answered with
    /// -EWOULDBLOCK before this is called. From any context.
    ///
    /// # Errors
    ///
    /// Those of [`Msi::injection`].
    pub fn injection(
        self,
        level: bool,
        dmsintc: Option<&Dmsintc>,
    ) -> Result<Option<Injection>, IntcError> {
        match self {
            Self::Pin(pin) => Ok(Some(Injection::Pin(pin))),
            Self::Msi(msi) if level => msi.injection(dmsintc).map(Some),
            Self::Msi(_) => Ok(None),
        }
    }
}

/// The routing table that creating the PCH-PIC installs: GSI n is pin n.
/// Yields (GSI, route) (Linux
/// kvm/intc/pch_pic.c:`kvm_setup_default_irq_routing`).
pub fn default_routes() -> impl Iterator<Item = (u32, Route)> {
    (0..uapi::KVM_IRQCHIP_NUM_PINS).filter_map(|gsi| Some((gsi, Route::Pin(Pin::new(gsi)?))))
}

#[cfg(test)]
mod tests;
