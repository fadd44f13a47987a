// SPDX-License-Identifier: GPL-2.0

//! The kernel's interfaces and generic KVM's, behind types: bindings, calls of C and what C
//! passes, error numbers, guards, locks, memory, slots, the page shared with user space.
//! Most of the crate's `unsafe` is here, and nothing of what a vCPU is.

pub(crate) mod alarm;
pub(crate) mod any_thread;
pub(crate) mod atomic;
pub(crate) mod bindings;
pub(crate) mod calls;
pub(crate) mod context;
pub(crate) mod error;
pub(crate) mod from_c;
pub(crate) mod generic_vcpu;
pub(crate) mod generic_vm;
pub(crate) mod next;
pub(crate) mod once;
pub(crate) mod pages;
pub(crate) mod run_page;
pub(crate) mod slots;
pub(crate) mod sync;
pub(crate) mod user;
pub(crate) mod zeroed;
