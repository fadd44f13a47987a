//! A LoongArch64 system simulator with the virtualization extension (LVZ).

pub mod cpu;
pub mod fp;
pub mod isa;
pub mod mem;
pub mod platform;
