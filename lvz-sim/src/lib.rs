//! A LoongArch64 system simulator with the virtualization extension (LVZ).

pub mod boot;
pub mod cpu;
pub mod isa;
pub mod mem;
pub mod platform;
