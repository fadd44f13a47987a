// SPDX-License-Identifier: GPL-2.0

//! KVM for LoongArch: the architecture's half of `kvm.ko`.
//!
//! The generic half is the kernel tree's `virt/kvm`, in C. It calls the
//! functions named `kvm_arch_*` here (`hooks.rs` and the file of each concern)
//! and owns `struct kvm` and `struct kvm_vcpu`; those hold one pointer each to
//! what this crate owns, [`vm::Vm`] and [`vcpu::Vcpu`]. Logic that needs
//! neither the kernel nor the CPU is in the crate `kvm_core`.

use kernel::prelude::*;

mod bindings;
mod context;
mod cpu;
mod csr;
mod exit;
mod fault;
mod fpu;
mod hooks;
mod interrupt;
mod ioctl;
mod irqchip;
mod mmio;
mod mmu;
mod module;
mod next;
mod one_reg;
mod pmu;
mod run;
mod run_page;
mod slots;
mod steal;
mod switch;
mod sync;
mod sync_regs;
mod timer;
mod trace;
mod vcpu;
mod vm;
mod vpid;

module! {
    type: module::KvmModule,
    name: "kvm",
    description: "KVM for LoongArch",
    license: "GPL",
}
