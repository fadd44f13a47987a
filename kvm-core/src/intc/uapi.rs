// SPDX-License-Identifier: GPL-2.0

//! Numbers of Linux 7.2's user interface that the controllers know: device
//! attributes, which are the architecture's (`la_arch::kvm`), and routing
//! (include/uapi/linux/kvm.h).

pub use la_arch::kvm::device::*;

/// Pins of the one in-kernel irqchip.
pub use la_arch::kvm::IRQCHIP_NUM_PINS as KVM_IRQCHIP_NUM_PINS;
/// Number of in-kernel irqchips that routes can name.
pub const KVM_NR_IRQCHIPS: u32 = 1;
/// Route type: pin of an irqchip.
pub const KVM_IRQ_ROUTING_IRQCHIP: u32 = 1;
/// Route type: message.
pub const KVM_IRQ_ROUTING_MSI: u32 = 2;
