//! The LoongArch64 architecture in one place, without behaviour.
#![no_std]
