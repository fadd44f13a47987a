// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The wish that a run ends, which a stream that nothing reads must not hold up.

use crate::platform::ready;
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// As much as a pipe that is ready takes without waiting (PIPE_BUF).
const PART: usize = 4096;
/// How long a stream is waited for until the wish is looked at.
const GLANCE: Duration = Duration::from_millis(50);
/// How long all streams together are waited for once the wish is there.
const GRACE: Duration = Duration::from_millis(300);

#[derive(Debug, Default)]
struct Wish {
    asked: Arc<AtomicBool>,
    /// When the first writer has met it.
    met: OnceLock<Instant>,
}

/// Whether a run is to end. Clones are the same wish.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leaving(Arc<Wish>);

impl Leaving {
    /// What is true once it is to end.
    pub(crate) fn asked(&self) -> Arc<AtomicBool> {
        self.0.asked.clone()
    }

    fn is_overdue(&self) -> bool {
        self.0.asked.load(Ordering::Relaxed)
            && self.0.met.get_or_init(Instant::now).elapsed() >= GRACE
    }

    /// Writes `bytes`, and waits for a stream that is not ready until the run is to end.
    ///
    /// # Errors
    /// I/O errors; [`io::ErrorKind::TimedOut`] if the run is to end.
    pub(crate) fn write_all(&self, to: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let (overdue, mut stream) = (self.is_overdue(), [PollFd::new(&to, PollFlags::OUT)]);
            let timeout = if overdue { Duration::ZERO } else { GLANCE };
            match ready(&mut stream, timeout) {
                true => {}
                false if overdue => return Err(io::ErrorKind::TimedOut.into()),
                false => continue,
            }
            let part = bytes.get(..PART).unwrap_or(bytes);
            match rustix::io::write(&to, part) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    /// More than a pipe holds.
    const MUCH: usize = 4 << 20;

    #[test]
    fn a_pipe_that_nothing_reads_is_left() {
        let (_reader, writer) = io::pipe().unwrap();
        let leaving = Leaving::default();
        leaving.asked().store(true, Ordering::Relaxed);
        let began = Instant::now();
        let error = leaving.write_all(&writer, &vec![b'x'; MUCH]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        // Then nothing waits any more.
        for _ in 0..1000 {
            assert!(leaving.write_all(&writer, b"x").is_err());
        }
        assert!(began.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn all_of_it_comes_to_a_slow_reader() {
        let (mut reader, writer) = io::pipe().unwrap();
        let written = std::thread::spawn(move || {
            Leaving::default()
                .write_all(&writer, &vec![b'x'; MUCH])
                .is_ok()
        });
        // Longer than a writer waits at a time.
        std::thread::sleep(3 * GLANCE);
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        assert!(written.join().unwrap());
        assert_eq!(bytes.len(), MUCH);
    }
}
