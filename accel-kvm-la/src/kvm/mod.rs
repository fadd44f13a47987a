// SPDX-License-Identifier: GPL-2.0-or-later

//! The kernel's interface: one type a file, each call with its request,
//! direction and errors. Calls go through QEMU's `kvm_*ioctl`, or through what these are
//! made of, so that its ioctl blocker holds.

pub mod abi;
mod attribute;
pub(crate) mod error;
pub(crate) mod exit;
pub(crate) mod run;
pub mod run_page;
pub(crate) mod system;
pub(crate) mod vcpu;
pub(crate) mod vm;

pub use error::IoctlError;
