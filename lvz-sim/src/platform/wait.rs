// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Waiting for files and sockets of the computer.

use rustix::event::{PollFd, Timespec, poll};
use std::time::Duration;

/// Waits until one of `fds` is ready, at most for `timeout`; whether one is.
pub(crate) fn ready(fds: &mut [PollFd<'_>], timeout: Duration) -> bool {
    let timeout = Timespec {
        tv_sec: timeout.as_secs().min(1 << 30) as i64,
        tv_nsec: timeout.subsec_nanos().into(),
    };
    poll(fds, Some(&timeout)).is_ok_and(|count| count > 0)
}
