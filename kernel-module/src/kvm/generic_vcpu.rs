// SPDX-License-Identifier: GPL-2.0

//! `struct kvm_vcpu`: what any thread may ask of a vCPU's generic half.

use core::ptr::NonNull;
use core::sync::atomic::{fence, AtomicU64, Ordering};

use crate::kvm::any_thread::AnyThread;
use crate::kvm::bindings as b;
use crate::kvm::calls::calls;

/// The generic half of a vCPU, alive as long as this is.
///
/// C accesses the words that are atomics here by its own atomic operations. The kernel
/// crate's atomics would be a call each, on the way of every exit; the instructions
/// are the same.
pub(crate) struct KvmVcpu(AnyThread<b::kvm_vcpu>);

/// A word of a vCPU that C accesses atomically.
macro_rules! word {
    ($kind:ident, $vcpu:expr, $($field:ident).+) => {{
        let vcpu: &$crate::kvm::generic_vcpu::KvmVcpu = $vcpu;
        // SAFETY: The vCPU is alive.
        unsafe {
            core::sync::atomic::$kind::from_ptr(&raw mut (*vcpu.as_ptr()).$($field).+)
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
    fn requests(&self) -> &AtomicU64 {
        word!(AtomicU64, self, requests)
    }

    /// kvm_make_request: what was written before is seen by whatever sees it.
    #[inline]
    pub(crate) fn make_request(&self, request: u64) {
        self.requests().fetch_or(1 << request, Ordering::Release);
    }

    /// kvm_check_request: whether it was made, and takes it back.
    #[inline]
    pub(crate) fn check_request(&self, request: u64) -> bool {
        if self.requests().load(Ordering::Relaxed) & 1 << request == 0 {
            return false;
        }
        self.requests()
            .fetch_and(!(1 << request), Ordering::Relaxed);
        fence(Ordering::SeqCst);
        true
    }

    /// Takes a request back unseen.
    pub(crate) fn clear_request(&self, request: u64) {
        if self.requests().load(Ordering::Relaxed) & 1 << request != 0 {
            self.requests()
                .fetch_and(!(1 << request), Ordering::Relaxed);
        }
    }

    /// kvm_request_pending.
    #[inline]
    pub(crate) fn request_pending(&self) -> bool {
        self.requests().load(Ordering::Relaxed) != 0
    }

    /// A request was made, and is left.
    #[inline]
    pub(crate) fn is_requested(&self, request: u64) -> bool {
        self.requests().load(Ordering::Relaxed) & 1 << request != 0
    }

    /// Nanoseconds that kvm_vcpu_halt polls for.
    pub(crate) fn halt_poll_ns(&self) -> u32 {
        word!(AtomicU32, self, halt_poll_ns).load(Ordering::Relaxed)
    }

    /// Publishes whether the vCPU is in the guest (smp_store_mb).
    #[inline]
    pub(crate) fn set_mode(&self, mode: u32) {
        word!(AtomicI32, self, mode).store(mode as i32, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Tells the generic half where a kick must go.
    pub(crate) fn set_cpu(&self, cpu: i32) {
        word!(AtomicI32, self, cpu).store(cpu, Ordering::Relaxed);
    }

    /// Whether the vCPU's thread is scheduled out although it could run.
    pub(crate) fn is_preempted(&self) -> bool {
        word!(AtomicBool, self, preempted).load(Ordering::Relaxed)
    }

    /// Whether the vCPU's thread is scheduled out of KVM_RUN, as opposed to leaving it.
    pub(crate) fn is_scheduled_out(&self) -> bool {
        word!(AtomicBool, self, scheduled_out).load(Ordering::Relaxed)
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
        let counter = $crate::kvm::generic_vcpu::word!(AtomicU64, $generic, stat.$counter);
        let relaxed = core::sync::atomic::Ordering::Relaxed;
        counter.store(counter.load(relaxed).wrapping_add(1), relaxed);
    }};
}
pub(crate) use count;
