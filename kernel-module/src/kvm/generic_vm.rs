// SPDX-License-Identifier: GPL-2.0

//! `struct kvm`: what any thread may ask of a VM's generic half.

use core::ptr::NonNull;

use kernel::error::to_result;
use kernel::prelude::*;

use crate::kvm::any_thread::AnyThread;
use crate::kvm::bindings as b;
use crate::kvm::calls::calls;

/// The generic half of a VM, alive as long as this is.
pub(crate) struct KvmVm(AnyThread<b::kvm>);

impl KvmVm {
    /// The generic half at `kvm`.
    ///
    /// # Safety
    ///
    /// It is valid as long as the result.
    pub(crate) unsafe fn new(kvm: NonNull<b::kvm>) -> Self {
        Self(AnyThread::new(kvm))
    }

    /// For KVM's functions.
    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut b::kvm {
        self.0.as_ptr()
    }

    // The VM is alive; the functions are for any thread. Those that take locks or sleep
    // say so.
    calls! {
        /// Every vCPU gets a new GID before it enters the guest again, and leaves it if
        /// it is there.
        pub(crate) fn flush_remote_tlbs(&self) = kvm_flush_remote_tlbs;

        /// `mmu_invalidate_seq`, read before the host's page tables are.
        pub(crate) fn invalidate_seq(&self) -> usize = kvm_la_mmu_seq;

        /// Whether the log of a new slot's dirty pages begins with all of them.
        pub(crate) fn dirty_log_initially_set(&self) -> bool = kvm_la_dirty_log_init_set;

        /// Whether this is a thread of the VMM whose memory still exists.
        pub(crate) fn is_current(&self) -> bool = kvm_la_current_mm_is;

        /// The page table of the VMM, which lives as long as the VM.
        pub(crate) fn vmm_pgd(&self) -> u64 = kvm_la_mm_pgd;

        fn has_notifier(&self, irqchip: u32, pin: u32) -> bool = kvm_irq_has_notifier;

        fn notify(&self, irqchip: u32, pin: u32) = kvm_notify_acked_irq;

        fn set(&self, source: i32, irq: u32, level: i32, status: bool) -> i32 = kvm_set_irq;

        /// Begins a section of `slots::Srcu`.
        pub(super) fn srcu_read_lock(&self) -> i32 = kvm_la_srcu_read_lock;

        /// Ends it.
        pub(super) fn srcu_read_unlock(&self, index: i32) = kvm_la_srcu_read_unlock;

        fn lock_slots(&self) = kvm_la_slots_lock;

        fn unlock_slots(&self) = kvm_la_slots_unlock;
    }

    /// Runs `f` with `slots_lock`, which protects the buses too.
    pub(crate) fn with_slots_lock<R>(&self, f: impl FnOnce() -> R) -> R {
        self.lock_slots();
        let result = f();
        self.unlock_slots();
        result
    }

    /// Whether [`Self::notify_acked`] of a pin has something to notify: a resampling irqfd. In any
    /// context.
    pub(crate) fn is_resampled(&self, pin: u32) -> bool {
        self.has_notifier(0, pin)
    }

    /// The guest has handled a level interrupt: resampling irqfds look again. No lock
    /// of a controller is held, as that sets the pin.
    pub(crate) fn notify_acked(&self, pin: u32) {
        self.notify(0, pin);
    }

    /// Replaces the routing table.
    pub(crate) fn set_routing(&self, entries: &[b::kvm_irq_routing_entry]) -> Result {
        // SAFETY: The VM is alive; the entries are copied.
        to_result(unsafe {
            b::kvm_set_irq_routing(self.as_ptr(), entries.as_ptr(), entries.len() as u32, 0)
        })
    }

    /// KVM_IRQ_LINE: what KVM's routes answer for GSI `irq`.
    pub(crate) fn set_irq(&self, irq: u32, level: i32, status: bool) -> i32 {
        self.set(b::KVM_USERSPACE_IRQ_SOURCE_ID as i32, irq, level, status)
    }
}
