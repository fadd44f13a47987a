// SPDX-License-Identifier: GPL-2.0

//! The interrupt controllers that KVM keeps in the kernel, as state machines.
//!
//! ```text
//! KVM_IRQ_LINE -+                     +- guest MMIO        +- guest IOCSR
//! irqfd --------+- routing - pin --> PchPic -- vector --> Eiointc -- HWI0-7 --> vCPU
//!                     +----- message -----------------------^                    ^
//!                     +----- message --> Dmsintc -- vector ---- AVEC ------------+
//!                           guest IOCSR --> ipi::Core --------- IPI -------------+
//! ```
//!
//! # How a controller is used
//!
//! A guest access is `read(offset, size)` or `write(offset, size, value, fx)`.
//! Every offset, size and value is answered: what no register covers, what is
//! not 1, 2, 4 or 8 bytes long and what is not aligned to its size reads as
//! zero and writes nothing. Data is zero-extended; `iocsrrd` sign-extends it in
//! the CPU.
//!
//! What a call does to the rest of the machine goes to a sink that the caller
//! passes: [`Effects`] changes an interrupt line of a vCPU, [`Vectors`]
//! changes a vector of the EIOINTC. The number of effects of a call is bounded
//! by the number of lines (8 a vCPU) and vectors (256).
//!
//! # Locking
//!
//! The controllers have no locks; `&mut self` says what excludes what. The
//! rules for the caller:
//!
//! * One lock each for [`Eiointc`](eiointc::Eiointc) and
//!   [`PchPic`](pch_pic::PchPic) of a VM and for the [`ipi::Core`] of each
//!   vCPU. Order: `PchPic` before `Eiointc` (the [`Vectors`] sink of the first
//!   takes the lock of the second). An [`ipi::Core`] is never locked together
//!   with another: a write that concerns another vCPU is handed back as
//!   [`ipi::Forward`], to be carried out after unlocking.
//! * [`Effects::set_line`] is called under these locks and must stay under
//!   them: it is how a line never falls behind the state it shows (upstream
//!   raises the IPI line after unlocking, where it can overtake a
//!   concurrent clear). So a sink only sets atomic bits and kicks.
//! * `kvm_arch_set_irq_inatomic` comes from hard interrupt context (irqfd).
//!   It may call [`PchPic::set_pin`](pch_pic::PchPic::set_pin),
//!   [`Eiointc::set_vector`](eiointc::Eiointc::set_vector),
//!   [`Dmsintc::target`](dmsintc::Dmsintc::target),
//!   [`Pending::post`](dmsintc::Pending::post) and everything in [`routing`].
//!   So the locks of `PchPic` and `Eiointc` are taken with interrupts off
//!   *everywhere*. The lock of [`ipi::Core`] is never taken there and needs no
//!   more than preemption off.
//! * Everything else is called from process context. Nothing here sleeps,
//!   allocates or panics.
//!
//! # User space
//!
//! A device attribute is `attr_size` (how many bytes to copy), then `get_attr`
//! or `set_attr`; the copy itself is the caller's (-EFAULT when it fails).

mod access;
pub mod dmsintc;
pub mod eiointc;
mod error;
pub mod ipi;
pub mod pch_pic;
pub mod routing;
#[cfg(test)]
mod testing;
pub mod uapi;
mod vcpu;

pub use access::Access;
pub use error::IntcError;
pub use vcpu::{Effects, VcpuId, Vcpus, Vectors};
