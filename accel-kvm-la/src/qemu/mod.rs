// SPDX-License-Identifier: GPL-2.0-or-later

//! The QEMU side: its functions, its structures, its lock, its errors.

pub mod bql;
pub mod cpu;
pub mod layout;
pub mod log;
pub mod machine;
pub mod memory;
pub mod opaque;
pub mod report;
pub mod runstate;
pub mod services;
pub mod thread;
