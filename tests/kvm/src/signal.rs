// SPDX-License-Identifier: GPL-2.0-or-later

//! Interrupting a thread in KVM_RUN from another one: a signal that does nothing
//! else.

use std::thread::JoinHandle;
use std::time::Duration;

use crate::error::Result;
use crate::sys;

/// From now on a kick makes calls of the kernel fail with EINTR.
pub fn prepare() -> Result<()> {
    sys::ignore_alarm_signal()
}

/// As [`prepare`], and the handler uses all vector registers.
pub fn prepare_scrambling() -> Result<()> {
    sys::scramble_on_alarm_signal()
}

/// Interrupts what a thread waits for. Nothing happens if it has ended.
pub fn kick<T>(thread: &JoinHandle<T>) {
    sys::signal_thread(thread);
}

/// Interrupts the thread that made it, once, when its time has come: KVM_RUN then
/// fails with EINTR. Dropping it waits for that.
#[derive(Debug)]
pub struct Alarm(Option<JoinHandle<Result<()>>>);

impl Alarm {
    /// Interrupts the current thread after this long.
    pub fn after(delay: Duration) -> Result<Self> {
        prepare()?;
        Self::prepared(delay)
    }

    /// The same with the handler that is there.
    pub fn prepared(delay: Duration) -> Result<Self> {
        let thread = sys::ThreadId::current();
        Ok(Self(Some(std::thread::spawn(move || {
            std::thread::sleep(delay);
            thread.signal()
        }))))
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            // That it could not signal shows as a thread that was not interrupted.
            let _ = thread.join();
        }
    }
}
