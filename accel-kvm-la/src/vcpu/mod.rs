// SPDX-License-Identifier: GPL-2.0-or-later

//! A vCPU's life: its thread, its run loop, its exits, and what QEMU asks of it
//! from outside.

pub mod debug;
pub mod dirty_ring;
pub mod exit;
pub mod features;
pub mod interrupt;
pub mod irqchip;
pub mod kick;
pub mod record;
pub mod reset;
pub mod run_loop;
pub mod run_state;
pub mod step;
pub mod successor;
pub mod synchronise;
pub mod thread;
pub mod vm;
