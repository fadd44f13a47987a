// SPDX-License-Identifier: GPL-2.0-or-later

//! The kernel's interface: one type a file, each call with its request,
//! direction and errors. Calls go through QEMU's `kvm_*ioctl`, so that its
//! ioctl blocker holds.

pub mod abi;
pub mod error;
pub mod run_page;
pub mod system;
pub mod vcpu;
pub mod vm;

pub use error::IoctlError;
