//! Interrupting a thread in KVM_RUN from another one.

use std::time::Duration;

use crate::error::Result;
use crate::sys;

/// Interrupts the thread that made it, once, when its time has come: KVM_RUN then
/// fails with EINTR. Dropping it waits for that.
#[derive(Debug)]
pub struct Alarm(Option<std::thread::JoinHandle<Result<()>>>);

impl Alarm {
    /// Interrupts the current thread after this long.
    pub fn after(delay: Duration) -> Result<Self> {
        sys::ignore_alarm_signal()?;
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
