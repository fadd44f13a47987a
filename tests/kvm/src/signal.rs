//! Calling a thread out of KVM_RUN: a signal that does nothing else.

use std::ffi::c_int;
use std::os::unix::thread::JoinHandleExt as _;
use std::thread::JoinHandle;

/// SIGUSR1 (Linux include/uapi/asm-generic/signal.h).
const SIGUSR1: c_int = 10;

unsafe extern "C" {
    fn signal(number: c_int, handler: extern "C" fn(c_int)) -> usize;
    fn siginterrupt(number: c_int, interrupt: c_int) -> c_int;
    fn pthread_kill(thread: std::os::unix::thread::RawPthread, number: c_int) -> c_int;
}

extern "C" fn ignore(_: c_int) {}

/// From now on a kick makes calls of the kernel fail with EINTR.
pub fn prepare() {
    // SAFETY: the handler does nothing, so it may run at any point.
    unsafe { signal(SIGUSR1, ignore) };
    // SAFETY: takes two numbers.
    unsafe { siginterrupt(SIGUSR1, 1) };
}

/// Interrupts what a thread waits for. Nothing happens if it has ended.
pub fn kick<T>(thread: &JoinHandle<T>) {
    if !thread.is_finished() {
        // SAFETY: the handle is not joined, so the thread's id is still its own.
        unsafe { pthread_kill(thread.as_pthread_t(), SIGUSR1) };
    }
}
