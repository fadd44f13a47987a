// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What std has no name for: the counter, system calls of Linux.

use std::arch::asm;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

// Of the C library; glibc's declarations.
unsafe extern "C" {
    fn sched_setaffinity(pid: i32, size: usize, mask: *const u64) -> i32;
    fn syscall(number: i64, ...) -> i64;
    fn timerfd_create(clock: i32, flags: i32) -> i32;
    fn timerfd_settime(fd: i32, flags: i32, new: *const [i64; 4], old: *mut [i64; 4]) -> i32;
    fn read(fd: i32, buffer: *mut u64, count: usize) -> isize;
}

/// Numbers of asm-generic/unistd.h.
const SYS_FUTEX: i64 = 98;
const SYS_MEMBARRIER: i64 = 283;

/// Commands of linux/membarrier.h: for the threads of this process, by interrupts.
const MEMBARRIER_PRIVATE_EXPEDITED: i64 = 1 << 3;
const MEMBARRIER_REGISTER_PRIVATE_EXPEDITED: i64 = 1 << 4;

/// Operations of linux/futex.h, for one process.
const FUTEX_WAIT: i64 = 128;
const FUTEX_WAKE: i64 = 129;

const CLOCK_MONOTONIC: i32 = 1;

/// A configuration word of the CPU.
pub(crate) fn cpucfg(word: u64) -> u64 {
    let value: u64;
    // SAFETY: cpucfg reads a configuration word and touches nothing else.
    unsafe { asm!("cpucfg {}, {}", out(reg) value, in(reg) word) };
    value
}

/// The stable counter.
pub(crate) fn counter() -> u64 {
    let value: u64;
    // SAFETY: reads the counter. The barrier keeps the read where it is.
    unsafe { asm!("dbar 0", "rdtime.d {}, $zero", "dbar 0", out(reg) value) };
    value
}

/// The counter's frequency in Hz (CPUCFG words 4 and 5).
pub(crate) fn counter_frequency() -> u64 {
    let (base, factors) = (cpucfg(4) & 0xffff_ffff, cpucfg(5));
    let (multiply, divide) = (factors & 0xffff, factors >> 16 & 0xffff);
    base * multiply / divide.max(1)
}

/// Keeps the calling thread on one CPU; whether that worked.
pub(crate) fn pin(cpu: usize) -> bool {
    let mut mask = [0u64; 16];
    let Some(word) = mask.get_mut(cpu / 64) else {
        return false;
    };
    *word = 1 << (cpu % 64);
    // SAFETY: the mask is as large as is said.
    unsafe { sched_setaffinity(0, size_of_val(&mask), mask.as_ptr()) == 0 }
}

/// Asks the kernel for expedited barriers; whether it has them.
pub(crate) fn register_barrier() -> bool {
    // SAFETY: the call takes numbers.
    unsafe { syscall(SYS_MEMBARRIER, MEMBARRIER_REGISTER_PRIVATE_EXPEDITED, 0i64, 0i64) == 0 }
}

/// A barrier on every CPU that runs a thread of this process.
pub(crate) fn barrier() -> bool {
    // SAFETY: the call takes numbers.
    unsafe { syscall(SYS_MEMBARRIER, MEMBARRIER_PRIVATE_EXPEDITED, 0i64, 0i64) == 0 }
}

/// A number that threads wait for.
pub(crate) struct Futex(AtomicU32);

impl Futex {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Sleeps until the number is one that is wanted.
    pub(crate) fn wait_for(&self, wanted: impl Fn(u32) -> bool) -> u32 {
        loop {
            let value = self.0.load(Ordering::SeqCst);
            if wanted(value) {
                return value;
            }
            // SAFETY: the word lives as long as `self`; no time limit is passed.
            unsafe { syscall(SYS_FUTEX, self.0.as_ptr(), FUTEX_WAIT, i64::from(value), 0i64) };
        }
    }

    /// Sets the number and wakes all threads that wait for it.
    pub(crate) fn set(&self, value: u32) {
        self.0.store(value, Ordering::SeqCst);
        // SAFETY: the word lives as long as `self`.
        unsafe { syscall(SYS_FUTEX, self.0.as_ptr(), FUTEX_WAKE, i64::from(i32::MAX)) };
    }
}

/// A periodic timer (timerfd_create(2)).
pub(crate) struct Timer(i32);

impl Timer {
    pub(crate) fn start(period: Duration) -> Option<Self> {
        let nanos = i64::from(period.subsec_nanos());
        let seconds = i64::try_from(period.as_secs()).ok()?;
        // Interval, then the first expiration.
        let spec = [seconds, nanos, seconds, nanos];
        // SAFETY: takes numbers and gives a descriptor.
        let fd = unsafe { timerfd_create(CLOCK_MONOTONIC, 0) };
        // SAFETY: the two timespec of an itimerspec are four words; the old ones are
        // not asked for.
        let set = unsafe { timerfd_settime(fd, 0, &spec, std::ptr::null_mut()) };
        (fd >= 0 && set == 0).then_some(Self(fd))
    }

    /// Waits for the next expiration; how many there were since the last call.
    pub(crate) fn wait(&self) -> Option<u64> {
        let mut count = 0u64;
        // SAFETY: a timer's descriptor gives eight bytes.
        let got = unsafe { read(self.0, &mut count, 8) };
        (got == 8).then_some(count)
    }
}
