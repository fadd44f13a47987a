// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Waiting for files and sockets of the computer.

use rustix::event::{PollFd, Timespec, poll};
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

/// Waits until one of `fds` is ready, at most for `timeout`; whether one is.
pub(crate) fn ready(fds: &mut [PollFd<'_>], timeout: Duration) -> bool {
    let timeout = Timespec {
        tv_sec: timeout.as_secs().min(1 << 30) as i64,
        tv_nsec: timeout.subsec_nanos().into(),
    };
    poll(fds, Some(&timeout)).is_ok_and(|count| count > 0)
}

/// A socket that waits at a path. A socket file that an earlier process left is replaced.
pub(crate) fn listen_at(path: &Path) -> io::Result<UnixListener> {
    let left = path
        .symlink_metadata()
        .is_ok_and(|found| found.file_type().is_socket());
    if left && UnixStream::connect(path).is_err() {
        std::fs::remove_file(path)?;
    }
    UnixListener::bind(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_socket_without_a_listener_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let first = listen_at(&path).unwrap();
        assert!(listen_at(&path).is_err());
        drop(first);
        assert!(path.exists());
        listen_at(&path).unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "kept").unwrap();
        assert!(listen_at(&file).is_err());
        assert_eq!(std::fs::read(&file).unwrap(), b"kept");
    }
}
