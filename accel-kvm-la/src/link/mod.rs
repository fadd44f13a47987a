// SPDX-License-Identifier: GPL-2.0-or-later

//! How the backend gets into QEMU.

pub mod in_tree;
#[cfg(feature = "load-time")]
pub mod load_time;
