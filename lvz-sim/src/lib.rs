// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A LoongArch64 system simulator with the virtualization extension (LVZ).

#![warn(unreachable_pub)]

pub mod boot;
mod calls;
pub mod cli;
pub mod cpu;
pub mod engine;
mod fp;
pub mod isa;
pub mod map;
pub mod mem;
mod mmu;
pub mod platform;
mod report;
pub mod run;
mod snapshot;
mod stats;
mod trace;
mod world;
