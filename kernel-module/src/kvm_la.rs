// SPDX-License-Identifier: GPL-2.0

//! KVM for LoongArch: the architecture's half of `kvm.ko`.
//!
//! The generic half is the kernel tree's `virt/kvm`, in C. It calls the
//! functions named `kvm_arch_*` here (`hooks.rs` and the file of each concern)
//! and owns `struct kvm` and `struct kvm_vcpu`; those hold one pointer each to
//! what this crate owns, [`vm::Vm`] and [`vcpu::Vcpu`]. Logic that needs
//! neither the kernel nor the CPU is in the crate `kvm_core`.

use kernel::prelude::*;

mod alarm;
mod any_thread;
mod bindings;
mod calls;
mod capability;
mod context;
mod cpu;
mod csr;
mod doors;
mod error;
mod exit;
mod fault;
mod fpu;
mod from_c;
mod generic_vcpu;
mod generic_vm;
mod guest_state;
mod hooks;
mod host_page;
mod interrupt;
mod ioctl;
mod irqchip;
mod life;
mod load;
mod mmio;
mod mmu;
mod module;
mod next;
mod once;
mod one_reg;
mod owned;
mod pages;
mod pmu;
mod registers;
mod resident;
mod run;
mod run_page;
mod shared;
mod slots;
mod steal;
mod switch;
mod sync;
mod sync_regs;
mod timer;
mod trace;
mod user;
mod vcpu;
mod vcpu_table;
mod vm;
mod vpid;
mod zeroed;

module! {
    type: module::KvmModule,
    name: "kvm",
    description: "KVM for LoongArch",
    license: "GPL",
}
