// SPDX-License-Identifier: GPL-2.0-or-later

//! The QEMU side: its functions, its structures, its lock, its errors.

pub mod cpu;
pub mod layout;
pub mod opaque;
pub mod services;
