// SPDX-License-Identifier: GPL-2.0

//! KVM for LoongArch without the hardware: what needs no kernel and no CPU,
//! so that it runs in the kernel module and under test on any computer.
#![cfg_attr(not(test), no_std)]

pub mod cpucfg;
pub mod csr;
pub mod decode;
mod errno;
pub mod exit;
pub mod hypercall;
pub mod intc;
pub mod interrupt;
pub mod mmu;
pub mod one_reg;
pub mod steal_time;
pub mod timer;
pub mod vpid;
