// SPDX-License-Identifier: GPL-2.0-or-later

//! Keeps QEMU's copy of a vCPU's registers and KVM's the same, with as few
//! calls as can be.

mod by_page;
pub mod cache;
pub mod list;
pub mod sync;
pub mod sync_regs;
pub mod table;

pub use cache::Cache;
pub use sync::{Kernel, Level, Synchroniser};
