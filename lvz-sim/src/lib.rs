// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A LoongArch64 system simulator with the virtualization extension (LVZ).

pub mod boot;
pub mod calls;
pub mod cli;
pub mod cpu;
pub mod engine;
pub mod fp;
pub mod isa;
mod map;
pub mod mem;
pub mod mmu;
pub mod platform;
pub mod report;
pub mod run;
pub mod snapshot;
pub mod stats;
pub mod trace;
pub mod world;
