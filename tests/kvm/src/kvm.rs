// SPDX-License-Identifier: GPL-2.0-or-later

//! Typed access to /dev/kvm on LoongArch, and what test programs share.
//!
//! Layouts and numbers: Linux include/uapi/linux/kvm.h and
//! arch/loongarch/include/uapi/asm/kvm.h; meaning: Linux
//! Documentation/virt/kvm/api.rst. Every call can fail with the request's name
//! and the errno, so that a test can ask for the one that it expects.

pub mod affinity;
pub mod aio;
pub mod checksum;
pub mod device;
pub mod error;
pub mod event;
pub mod fixture;
pub mod guest;
pub mod harness;
pub mod hostile;
pub mod memory;
pub mod process;
pub mod ram;
pub mod random;
pub mod request;
pub mod run;
pub mod signal;
mod sys;
pub mod system;
pub mod uapi;
pub mod units;
pub mod userfault;
pub mod vcpu;
pub mod vectors;
pub mod vm;

pub use device::Device;
pub use error::{Error, Result};
pub use event::Event;
pub use fixture::Guest;
pub use memory::Memory;
pub use run::Exit;
pub use sys::descriptor_of;
pub use system::Kvm;
pub use vcpu::Vcpu;
pub use vm::Vm;
