//! A host console on standard input and output. On a terminal, input is raw
//! and Ctrl-A is the escape key as in QEMU: Ctrl-A x stops the simulator,
//! Ctrl-A Ctrl-A types Ctrl-A. Input from a file or a pipe is taken as it is.

use super::console::HostConsole;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{self, OptionalActions, Termios};
use std::io::Write as _;
use std::time::Duration;

const ESCAPE: u8 = 0x01;
const HELP: &[u8] = b"\r\nC-a h  this help\r\nC-a x  stop the simulator\r\nC-a C-a  type C-a\r\n";
/// Output is held back until this much has come, or until the next poll.
const OUTPUT_MAX: usize = 4096;

/// Standard input and output. The terminal's mode is restored on drop: drop
/// it before `std::process::exit`.
pub struct Terminal {
    /// The terminal's mode before, if input is a terminal.
    saved: Option<Termios>,
    output: Vec<u8>,
    escaped: bool,
    ended: bool,
    quit: bool,
}

impl Terminal {
    /// Takes over standard input; a terminal becomes raw.
    pub fn new() -> std::io::Result<Self> {
        let stdin = rustix::stdio::stdin();
        let saved = if termios::isatty(stdin) {
            let mode = termios::tcgetattr(stdin)?;
            let mut raw = mode.clone();
            raw.make_raw();
            termios::tcsetattr(stdin, OptionalActions::Now, &raw)?;
            Some(mode)
        } else {
            None
        };
        Ok(Self {
            saved,
            output: Vec::new(),
            escaped: false,
            ended: false,
            quit: false,
        })
    }

    fn ready(&self, timeout: Duration) -> bool {
        if self.ended || self.quit {
            return false;
        }
        let stdin = rustix::stdio::stdin();
        let mut fds = [PollFd::from_borrowed_fd(stdin, PollFlags::IN)];
        let timeout = Timespec {
            tv_sec: timeout.as_secs().min(1 << 30) as i64,
            tv_nsec: timeout.subsec_nanos().into(),
        };
        poll(&mut fds, Some(&timeout)).is_ok_and(|count| count > 0)
    }

    /// Handles the escape key; returns what goes to the machine.
    fn key(&mut self, byte: u8) -> Option<u8> {
        if !std::mem::take(&mut self.escaped) {
            if byte == ESCAPE {
                self.escaped = true;
                return None;
            }
            return Some(byte);
        }
        match byte {
            b'x' => self.quit = true,
            b'h' | b'?' => self.write(HELP),
            ESCAPE => return Some(byte),
            _ => {}
        }
        None
    }
}

impl HostConsole for Terminal {
    fn write(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
        if self.output.len() >= OUTPUT_MAX || bytes.contains(&b'\n') {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.output.is_empty() {
            return;
        }
        let mut stdout = std::io::stdout().lock();
        // A closed output must not stop the machine.
        let _ = stdout.write_all(&self.output).and_then(|()| stdout.flush());
        self.output.clear();
    }

    fn read(&mut self, buffer: &mut [u8]) -> usize {
        if buffer.is_empty() || !self.ready(Duration::ZERO) {
            return 0;
        }
        let count = match rustix::io::read(rustix::stdio::stdin(), &mut *buffer) {
            Ok(0) => {
                self.ended = true;
                return 0;
            }
            Ok(count) => count,
            Err(_) => return 0,
        };
        if self.saved.is_none() {
            return count;
        }
        let mut kept = 0;
        for index in 0..count {
            if let Some(byte) = self.key(buffer[index]) {
                buffer[kept] = byte;
                kept += 1;
            }
        }
        kept
    }

    fn interactive(&self) -> bool {
        !self.ended
    }

    fn wait(&mut self, timeout: Duration) {
        self.flush();
        if self.ended {
            std::thread::sleep(timeout);
        } else {
            self.ready(timeout);
        }
    }

    fn quit(&self) -> bool {
        self.quit
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.flush();
        if let Some(mode) = &self.saved {
            // Nothing is left to do if the terminal is gone.
            let _ = termios::tcsetattr(rustix::stdio::stdin(), OptionalActions::Drain, mode);
        }
    }
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminal").finish_non_exhaustive()
    }
}
