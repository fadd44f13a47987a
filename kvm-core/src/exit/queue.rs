// SPDX-License-Identifier: GPL-2.0

//! The one exception that waits to be given to the guest.

use super::Fault;

/// Holds at most one exception until the next entry (Linux: asm/kvm_vcpu.h
/// kvm_queue_exception).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExceptionQueue {
    pending: Option<Fault>,
}

impl ExceptionQueue {
    /// An empty queue.
    pub const fn new() -> Self {
        Self { pending: None }
    }

    /// Queues `fault`; false, and no effect, if one is waiting already.
    pub fn push(&mut self, fault: Fault) -> bool {
        let free = self.pending.is_none();
        if free {
            self.pending = Some(fault);
        }
        free
    }

    /// Takes the waiting exception, to [`super::inject()`] it.
    #[inline]
    pub fn take(&mut self) -> Option<Fault> {
        self.pending.take()
    }

    /// Whether one waits.
    #[inline]
    pub const fn is_pending(&self) -> bool {
        self.pending.is_some()
    }
}
