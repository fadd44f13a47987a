// SPDX-License-Identifier: GPL-2.0

//! Steal time: how long a vCPU was ready but did not run, in a record in guest
//! memory (Linux arch/loongarch/include/asm/kvm_para.h `struct
//! kvm_steal_time`; kvm/vcpu.c kvm_update_stolen_time).

use crate::errno::EINVAL;
use la_arch::kvm::para::{STEAL_PHYS_MASK as ADDRESS, STEAL_PHYS_VALID as VALID};

/// Bytes of the record, which is aligned to as much and so never crosses a page.
pub const RECORD_SIZE: usize = 64;
/// Offset of `steal`, u64, nanoseconds.
pub const STEAL: usize = 0;
/// Offset of `version`, u32, odd while the record is being written.
pub const VERSION: usize = 8;
/// Offset of `preempted`, u8.
pub const PREEMPTED: usize = 16;

/// `preempted`: the vCPU was scheduled out while runnable (KVM_VCPU_PREEMPTED).
pub const VCPU_PREEMPTED: u8 = 1;

/// An address with bits set that have no meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadAddress;

impl BadAddress {
    /// Positive errno: EINVAL.
    pub fn errno(self) -> i32 {
        EINVAL
    }
}

/// Where the record is and how much of the thread's waiting it accounts for.
/// The vCPU's mutex protects it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StealTime {
    guest_addr: u64,
    last: u64,
    preempted: bool,
    /// Nothing was written since the record was set.
    new: bool,
}

/// The values of one update, in the order in which they are written, each store
/// ordered before the next (smp_wmb).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update {
    /// For `version` first: odd, the guest waits or retries.
    pub version_begin: u32,
    /// For `steal`.
    pub steal: u64,
    /// For `version` last: even.
    pub version_end: u32,
    run_delay: u64,
}

impl StealTime {
    /// No record.
    pub const fn new() -> Self {
        Self {
            guest_addr: 0,
            last: 0,
            preempted: false,
            new: false,
        }
    }

    /// Checks an address as KVM_LOONGARCH_VCPU_PVTIME_GPA or the hypercall give
    /// it: bits 63:6 and the valid bit. The address of the record, None to turn
    /// it off. The caller then checks that a memory slot holds it and calls
    /// [`enable`](Self::enable) or [`disable`](Self::disable).
    ///
    /// # Errors
    ///
    /// [`BadAddress`] if bits 5:1 are set.
    pub const fn parse(guest_addr: u64) -> Result<Option<u64>, BadAddress> {
        if guest_addr & !(ADDRESS | VALID) != 0 {
            return Err(BadAddress);
        }
        if guest_addr & VALID == 0 {
            return Ok(None);
        }
        Ok(Some(guest_addr & ADDRESS))
    }

    /// Starts accounting in the record at `address`; `run_delay` is the
    /// thread's waiting time so far, nanoseconds
    /// (`current->sched_info.run_delay`). An update [is due](Self::is_due) then.
    pub fn enable(&mut self, address: u64, run_delay: u64) {
        self.guest_addr = address & ADDRESS | VALID;
        self.last = run_delay;
        self.preempted = false;
        self.new = true;
    }

    /// Stops (also at KVM_REG_LOONGARCH_VCPU_RESET).
    pub fn disable(&mut self) {
        self.guest_addr = 0;
        self.preempted = false;
    }

    /// Address and valid bit, as the attribute reads back.
    pub const fn guest_addr(&self) -> u64 {
        self.guest_addr
    }

    /// Guest physical address of the record.
    pub const fn address(&self) -> Option<u64> {
        if self.guest_addr & VALID == 0 {
            return None;
        }
        Some(self.guest_addr & ADDRESS)
    }

    /// Whether the record does not say what it should while the vCPU runs in a thread that
    /// has waited for `run_delay`, which is asked if nothing else decides.
    ///
    /// Between two updates the host alone has something to write there. A state that is
    /// loaded into guest memory comes with a reset of the vCPU, which ends the record, and
    /// its address is set again. (Linux writes the record whenever the vCPU is loaded.)
    #[inline]
    pub fn is_due(&self, run_delay: impl FnOnce() -> u64) -> bool {
        self.address().is_some() && (self.new || self.preempted || run_delay() != self.last)
    }

    /// Computes an update from the record's `version` and `steal` as read.
    ///
    /// An odd version is what the guest left in the record or a broken-off
    /// update: it is skipped. `run_delay` smaller than before means that
    /// another thread runs the vCPU now; its time counts from here (Linux adds
    /// the difference, some 584 years).
    #[must_use]
    pub const fn update(&self, version: u32, steal: u64, run_delay: u64) -> Update {
        let begin = (version | 1).wrapping_add((version & 1) << 1);
        Update {
            version_begin: begin,
            steal: steal.wrapping_add(run_delay.saturating_sub(self.last)),
            version_end: begin.wrapping_add(1),
            run_delay,
        }
    }

    /// The update was written. Not called when guest memory faulted, so that
    /// the time is accounted for by the next one.
    pub fn commit(&mut self, update: &Update) {
        self.last = update.run_delay;
        self.new = false;
    }

    /// The vCPU is scheduled out; true if `preempted` must be written, then
    /// confirm by [`preempted_written`](Self::preempted_written).
    /// (Linux kvm_vcpu_set_pv_preempted.)
    pub const fn needs_preempted(&self) -> bool {
        self.address().is_some() && !self.preempted
    }

    /// `preempted` was written as [`VCPU_PREEMPTED`] (true) or 0 (false).
    pub fn preempted_written(&mut self, preempted: bool) {
        self.preempted = preempted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        assert_eq!(StealTime::parse(0x1000), Ok(None));
        assert_eq!(StealTime::parse(0x1001), Ok(Some(0x1000)));
        assert_eq!(StealTime::parse(0x1041), Ok(Some(0x1040)));
        for bit in 1..6 {
            assert_eq!(StealTime::parse(0x1001 | 1 << bit), Err(BadAddress));
        }
        assert_eq!(BadAddress.errno(), 22);
    }

    #[test]
    fn the_version_is_odd_inside_and_even_after() {
        let st = StealTime::new();
        for version in [0, 1, 2, 7, u32::MAX - 1, u32::MAX] {
            let update = st.update(version, 0, 0);
            assert_eq!(update.version_begin & 1, 1, "{version}");
            assert_ne!(update.version_begin, version);
            assert_eq!(update.version_end, update.version_begin.wrapping_add(1));
        }
        assert_eq!(st.update(4, 0, 0).version_begin, 5);
        assert_eq!(st.update(5, 0, 0).version_begin, 7);
    }

    #[test]
    fn waiting_is_added_once() {
        let mut st = StealTime::new();
        assert_eq!(st.address(), None);
        st.enable(0x4000, 100);
        assert_eq!((st.address(), st.guest_addr()), (Some(0x4000), 0x4001));
        let update = st.update(0, 7, 150);
        assert_eq!(update.steal, 57);
        // The write failed: the next update accounts for it.
        assert_eq!(st.update(0, 7, 160).steal, 67);
        st.commit(&st.update(0, 7, 160));
        assert_eq!(st.update(2, 67, 160).steal, 67);
        // Another thread with less waiting.
        let update = st.update(2, 67, 5);
        assert_eq!(update.steal, 67);
        st.commit(&update);
        assert_eq!(st.update(2, 67, 9).steal, 71);
        st.disable();
        assert_eq!(st.address(), None);
    }

    #[test]
    fn an_update_is_due_when_there_is_something_to_write() {
        let mut st = StealTime::new();
        assert!(!st.is_due(|| 1));
        st.enable(0x4000, 100);
        assert!(st.is_due(|| 100));
        st.commit(&st.update(0, 0, 100));
        assert!(!st.is_due(|| 100));
        for other_waiting in [99, 101] {
            assert!(st.is_due(|| other_waiting));
        }
        st.preempted_written(true);
        assert!(st.is_due(|| 100));
        st.preempted_written(false);
        assert!(!st.is_due(|| 100));
        st.enable(0x4000, 100);
        assert!(st.is_due(|| 100));
        st.disable();
        assert!(!st.is_due(|| 101));
    }

    #[test]
    fn preemption_is_written_once() {
        let mut st = StealTime::new();
        assert!(!st.needs_preempted());
        st.enable(0x4000, 0);
        assert!(st.needs_preempted());
        st.preempted_written(true);
        assert!(!st.needs_preempted());
        st.preempted_written(false);
        assert!(st.needs_preempted());
    }
}
