// SPDX-License-Identifier: GPL-2.0

//! `struct kvm_vcpu`: what any thread may ask of a vCPU's generic half.

use core::ptr::NonNull;

use kernel::sync::atomic::Atomic;

use crate::kvm::any_thread::AnyThread;
use crate::kvm::atomic::{full_barrier, Bits, Word};
use crate::kvm::bindings as b;
use crate::kvm::calls::calls;

/// The generic half of a vCPU, alive as long as this is.
pub(crate) struct KvmVcpu(AnyThread<b::kvm_vcpu>);

/// A word of a vCPU that C accesses atomically.
macro_rules! word {
    ($vcpu:expr, $($field:ident).+) => {{
        let vcpu: &$crate::kvm::generic_vcpu::KvmVcpu = $vcpu;
        // SAFETY: The vCPU is alive.
        unsafe {
            kernel::sync::atomic::Atomic::from_ptr(&raw mut (*vcpu.as_ptr()).$($field).+)
        }
    }};
}
pub(crate) use word;

impl KvmVcpu {
    /// The generic half at `vcpu`.
    ///
    /// # Safety
    ///
    /// It is valid as long as the result.
    pub(crate) unsafe fn new(vcpu: NonNull<b::kvm_vcpu>) -> Self {
        Self(AnyThread::new(vcpu))
    }

    /// For KVM's functions.
    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut b::kvm_vcpu {
        self.0.as_ptr()
    }

    #[inline]
    fn requests(&self) -> &Atomic<u64> {
        word!(self, requests)
    }

    /// kvm_make_request: what was written before is seen by whatever sees it.
    #[inline]
    pub(crate) fn make_request(&self, request: u64) {
        self.requests().set_bits(1 << request);
    }

    /// kvm_check_request: whether it was made, and takes it back.
    #[inline]
    pub(crate) fn check_request(&self, request: u64) -> bool {
        if self.requests().read_once() & 1 << request == 0 {
            return false;
        }
        self.requests().clear_bits(1 << request);
        full_barrier();
        true
    }

    /// Takes a request back unseen.
    pub(crate) fn clear_request(&self, request: u64) {
        if self.requests().read_once() & 1 << request != 0 {
            self.requests().clear_bits(1 << request);
        }
    }

    /// kvm_request_pending.
    #[inline]
    pub(crate) fn request_pending(&self) -> bool {
        self.requests().read_once() != 0
    }

    /// A request was made, and is left.
    #[inline]
    pub(crate) fn is_requested(&self, request: u64) -> bool {
        self.requests().read_once() & 1 << request != 0
    }

    /// It was made, and no other.
    pub(crate) fn is_only_request(&self, request: u64) -> bool {
        self.requests().read_once() == 1 << request
    }

    /// Nanoseconds that kvm_vcpu_halt polls for.
    pub(crate) fn halt_poll_ns(&self) -> u32 {
        word!(self, halt_poll_ns).read_once()
    }

    /// Publishes whether the vCPU is in the guest (smp_store_mb).
    #[inline]
    pub(crate) fn set_mode(&self, mode: u32) {
        word!(self, mode).write_once(mode as i32);
        full_barrier();
    }

    /// The mode is IN_GUEST_MODE: a kick from another CPU sends an interrupt.
    #[inline]
    pub(crate) fn is_in_guest(&self) -> bool {
        word!(self, mode).read_once() == b::IN_GUEST_MODE as i32
    }

    /// Tells the generic half where a kick must go.
    pub(crate) fn set_cpu(&self, cpu: i32) {
        word!(self, cpu).write_once(cpu);
    }

    /// Whether the vCPU's thread is scheduled out although it could run.
    pub(crate) fn is_preempted(&self) -> bool {
        word!(self, preempted).read_once()
    }

    /// Whether the vCPU's thread is scheduled out of KVM_RUN, as opposed to leaving it.
    pub(crate) fn is_scheduled_out(&self) -> bool {
        word!(self, scheduled_out).read_once()
    }

    /// Whether a kick must interrupt the guest.
    pub(crate) fn must_be_interrupted(&self) -> bool {
        self.exiting_guest_mode() == b::IN_GUEST_MODE as i32
    }

    // The vCPU is alive; the functions are for any context.
    calls! {
        /// Makes the vCPU notice a change: out of the guest, or awake.
        pub(crate) fn kick(&self) = kvm_la_vcpu_kick;

        /// Ends the vCPU's sleep, from an interrupt handler.
        pub(crate) fn wake(&self) = kvm_la_wake;

        /// Whether the vCPU's thread is about to sleep in kvm_vcpu_halt.
        pub(crate) fn is_blocking(&self) -> bool = kvm_la_vcpu_is_blocking;

        fn exiting_guest_mode(&self) -> i32 = kvm_la_exiting_guest_mode;
    }
}

/// Adds one to a counter of a [`KvmVcpu`]'s statistics. Counts of two threads at once
/// may fall together, as C's do.
macro_rules! count {
    ($generic:expr, $counter:ident) => {{
        use $crate::kvm::atomic::Word;
        let counter = $crate::kvm::generic_vcpu::word!($generic, stat.$counter);
        counter.write_once(counter.read_once().wrapping_add(1));
    }};
}
pub(crate) use count;
