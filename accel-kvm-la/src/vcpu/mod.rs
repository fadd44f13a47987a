// SPDX-License-Identifier: GPL-2.0-or-later

//! A vCPU's life: its thread, its run loop, its exits, and what QEMU asks of it
//! from outside.

pub mod collector;
pub(crate) mod debug;
pub(crate) mod dirty_ring;
pub(crate) mod exit;
pub(crate) mod features;
pub(crate) mod interrupt;
pub(crate) mod irqchip;
pub(crate) mod kick;
pub(crate) mod offered;
pub(crate) mod only_operations;
pub(crate) mod outcome;
pub(crate) mod reset;
pub(crate) mod run_loop;
pub(crate) mod run_state;
pub mod state;
pub(crate) mod step;
mod successor;
pub(crate) mod synchronise;
pub(crate) mod thread;
mod translation;
pub(crate) mod vm;
