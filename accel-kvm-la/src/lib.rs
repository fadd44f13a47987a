// SPDX-License-Identifier: GPL-2.0-or-later

//! QEMU's KVM accelerator backend for LoongArch: what QEMU's
//! target/loongarch/kvm, its accelerator operations for KVM and the vCPU's run
//! loop do.
//!
//! From top to bottom, and nothing points upwards: [`hooks`] are the functions
//! that QEMU calls, [`vcpu`] is a vCPU's life, [`regs`] keeps QEMU's copy of the
//! registers and KVM's the same, [`kvm`] is the kernel's interface and [`qemu`]
//! QEMU's. How the hooks get into QEMU is the business of `link`.

pub(crate) mod error;
pub mod hooks;
pub mod kvm;
pub(crate) mod link;
pub mod qemu;
pub mod regs;
pub mod vcpu;
