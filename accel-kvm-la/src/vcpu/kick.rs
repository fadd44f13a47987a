// SPDX-License-Identifier: GPL-2.0-or-later

//! How a vCPU's thread leaves the kernel.
//!
//! A thread that wants something of a vCPU sets `exit_request` and sends SIG_IPI, whose
//! handler (QEMU: kvm_ipi_signal) sets `immediate_exit` in the run page of
//! `current_cpu`. A signal that comes between the look at `exit_request` and
//! KVM_RUN makes KVM_RUN return at once; no moment is left in which a kick
//! could be lost. KVM_CAP_IMMEDIATE_EXIT is there in every LoongArch kernel.

use crate::kvm::run_page::RunPage;
use crate::qemu::cpu::ExitRequest;

/// Before KVM_RUN: with an exit request the kernel only completes what is
/// pending (the data of a load that QEMU has just answered) and returns.
#[inline]
pub fn honour_exit_request(request: ExitRequest<'_>, page: &RunPage) {
    if request.is_set() {
        page.set_immediate_exit(true);
    }
}

/// After an interrupted KVM_RUN: the kick has had its effect, and what was pending is completed.
/// Linux's module completes a read of an IOCSR as often as it finds that exit in the page
/// (kvm_arch_vcpu_ioctl_run), and would overwrite what QEMU writes into the register meanwhile.
#[inline]
pub fn eat(page: &RunPage) {
    page.set_immediate_exit(false);
    page.forget_exit();
}

/// The idle slot: a vCPU waits in its thread only if it cannot wait in the
/// kernel (QEMU: kvm_vcpu_thread_is_idle).
pub fn thread_waits_outside_kernel() -> bool {
    !crate::qemu::machine::halt_in_kernel()
}
