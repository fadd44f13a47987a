// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Handles by which nodes refer to each other.

pub(super) const CPU_INTC: u32 = 1;
pub(super) const EIOINTC: u32 = 2;
pub(super) const PCH_PIC: u32 = 3;
pub(super) const PCH_MSI: u32 = 4;
pub(super) const POWER: u32 = 5;
pub(super) const CLOCK: u32 = 6;
pub(super) const LIOINTC: u32 = 7;
/// The first CPU; the others follow.
pub(super) const CPU: u32 = 16;
