// SPDX-License-Identifier: GPL-2.0

//! KVM_RUN: into the guest, out of it, and what to do about an exit.

pub(crate) mod exit;
pub(crate) mod halt;
pub(crate) mod mmio;
pub(crate) mod run;
