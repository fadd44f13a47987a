//! A LoongArch64 system simulator with the virtualization extension (LVZ).

pub mod fp;
