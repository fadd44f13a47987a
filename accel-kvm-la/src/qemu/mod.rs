// SPDX-License-Identifier: GPL-2.0-or-later

//! The QEMU side: its functions, its structures, its lock, its errors.

pub(crate) mod accelerator;
pub(crate) mod bql;
pub mod cpu;
pub(crate) mod debug;
pub(crate) mod dirty;
pub mod layout;
pub(crate) mod log;
pub mod lookup;
pub(crate) mod machine;
pub(crate) mod memory;
pub mod opaque;
pub(crate) mod report;
pub(crate) mod runstate;
pub mod services;
pub(crate) mod thread;
