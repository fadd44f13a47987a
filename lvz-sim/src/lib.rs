// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A LoongArch64 system simulator with the virtualization extension (LVZ).

#![warn(unreachable_pub)]

pub mod boot;
mod calls;
pub mod cli;
pub mod cpu;
pub mod disassembly;
pub mod engine;
mod fp;
pub mod gdb;
pub mod isa;
pub mod map;
pub mod mem;
mod mmu;
pub mod platform;
mod profile;
mod report;
pub mod run;
mod snapshot;
mod stats;
mod symbols;
pub mod trace;
mod world;
