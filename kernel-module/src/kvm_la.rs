// SPDX-License-Identifier: GPL-2.0

//! KVM for LoongArch: the architecture's half of `kvm.ko`.
//!
//! The generic half is the kernel tree's `virt/kvm`, in C. It calls the
//! functions named `kvm_arch_*` here (the table in `doors/hooks.rs`)
//! and owns `struct kvm` and `struct kvm_vcpu`; those hold one pointer each to
//! what this crate owns, [`vm::Vm`] and [`vcpu::Vcpu`]. Logic that needs
//! neither the kernel nor the CPU is in the crate `kvm_core`.

use kernel::prelude::*;

mod cpu;
mod doors;
mod exits;
mod irqchip;
mod kvm;
mod mmu;
mod module;
mod vcpu;
mod vm;

module! {
    type: module::KvmModule,
    name: "kvm",
    description: "KVM for LoongArch",
    license: "GPL",
}
