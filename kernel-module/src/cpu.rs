// SPDX-License-Identifier: GPL-2.0

//! The physical processors: their registers, what they can do, the world switch.

pub(crate) mod csr;
pub(crate) mod fcsr;
pub(crate) mod guest_state;
pub(crate) mod host;
pub(crate) mod switch;
