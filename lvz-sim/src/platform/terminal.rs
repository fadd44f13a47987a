// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A host console on standard input and output. On a terminal, input is raw
//! and Ctrl-A is the escape key as in QEMU: Ctrl-A x stops the simulator, Ctrl-A p
//! presses the power button, Ctrl-A Ctrl-A types Ctrl-A. It is heard whether or not the machine
//! takes what is typed. Input from a file or a pipe is taken as it is.

use super::console::{HostConsole, HostOutput};
use super::wait::ready;
use crate::leaving::Leaving;
use crate::output::standard_output;
use crate::say;
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::termios::{self, OptionalActions, Termios};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

const ESCAPE: u8 = 0x01;
const HELP: &[u8] = b"\r\nC-a h  this help\r\nC-a x  stop the simulator\r\n\
    C-a p  press the power button, which a system with ACPI hears\r\nC-a C-a  type C-a\r\n";
/// Output is held back until a line ends or this much has come, and while there
/// is input, until the next poll.
const OUTPUT_MAX: usize = 4096;
/// Most of what was typed that waits for the machine; what is typed then is lost.
const TYPED_MAX: usize = 4096;

/// Standard input and output. The terminal's mode is restored on drop: drop
/// it before `std::process::exit`.
pub(crate) struct Terminal {
    input: OwnedFd,
    output: Box<dyn Write + Send>,
    /// The terminal's mode before, if input is a terminal.
    saved: Option<Termios>,
    /// Whether it has another mode now.
    raw: bool,
    /// What was typed on it and waits for the machine.
    typed: VecDeque<u8>,
    held: Vec<u8>,
    escaped: bool,
    ended: bool,
    button: bool,
    quit: bool,
}

impl Terminal {
    /// Takes over standard input. A terminal becomes raw when it is first listened to: Ctrl-C
    /// ends a simulator that still waits for files or peers. Output waits for its reader until
    /// the run is to end.
    pub(crate) fn new(leaving: Leaving) -> io::Result<Self> {
        let input = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 0)?;
        let output = HostOutput::new(standard_output()?, "what the machine prints", leaving);
        Self::on(input, Box::new(output))
    }

    fn on(input: OwnedFd, output: Box<dyn Write + Send>) -> io::Result<Self> {
        let saved = match termios::isatty(&input) {
            true => Some(termios::tcgetattr(&input)?),
            false => None,
        };
        Ok(Self {
            input,
            output,
            saved,
            raw: false,
            typed: VecDeque::new(),
            held: Vec::new(),
            escaped: false,
            ended: false,
            button: false,
            quit: false,
        })
    }

    /// Writes what is held back.
    fn pass_on(&mut self) {
        if self.held.is_empty() {
            return;
        }
        // What is lost is the output's to say.
        let _ = self.output.write_all(&self.held);
        self.held.clear();
    }

    fn ready(&self, timeout: Duration) -> bool {
        if self.ended || self.quit {
            return false;
        }
        ready(&mut [PollFd::new(&self.input, PollFlags::IN)], timeout)
    }

    /// Has the terminal pass on keys as they are typed.
    fn make_raw(&mut self) {
        if let Some(saved) = self.saved.as_ref().filter(|_| !self.raw) {
            let mut mode = saved.clone();
            mode.make_raw();
            if let Err(error) = termios::tcsetattr(&self.input, OptionalActions::Now, &mode) {
                say!("lvz-sim: the terminal passes on whole lines alone: {error}");
            }
            self.raw = true;
        }
    }

    /// Reads what is there; an input that cannot be read has ended.
    fn take(&mut self, buffer: &mut [u8]) -> usize {
        if buffer.is_empty() || !self.ready(Duration::ZERO) {
            return 0;
        }
        match rustix::io::read(&self.input, buffer) {
            Ok(count) if count > 0 => return count,
            Err(Errno::INTR | Errno::AGAIN) => {}
            Ok(_) | Err(_) => self.ended = true,
        }
        0
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
            b'p' => self.button = true,
            b'h' | b'?' => self.write(HELP),
            ESCAPE => return Some(byte),
            _ => {}
        }
        None
    }
}

impl HostConsole for Terminal {
    fn write(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
        if self.held.len() >= OUTPUT_MAX || bytes.contains(&b'\n') {
            self.pass_on();
        }
    }

    fn flush(&mut self) {
        // An unfinished line, a prompt for instance, is for a user that types. Whole
        // lines can share a file with those of another console.
        if !self.ended {
            self.pass_on();
        }
    }

    fn listen(&mut self) {
        if self.saved.is_none() {
            return;
        }
        self.make_raw();
        let mut keys = [0; 256];
        let count = self.take(&mut keys);
        for &key in keys.iter().take(count) {
            if let Some(byte) = self.key(key)
                && self.typed.len() < TYPED_MAX
            {
                self.typed.push_back(byte);
            }
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> usize {
        if self.saved.is_none() {
            return self.take(buffer);
        }
        let count = self.typed.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(self.typed.drain(..count)) {
            *to = from;
        }
        count
    }

    fn interactive(&self) -> bool {
        !self.ended
    }

    fn input(&self) -> Option<BorrowedFd<'_>> {
        (!self.ended).then(|| self.input.as_fd())
    }

    fn take_button(&mut self) -> bool {
        std::mem::take(&mut self.button)
    }

    fn quit(&self) -> bool {
        self.quit
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.pass_on();
        if let Some(mode) = self.saved.as_ref().filter(|_| self.raw) {
            // Nothing is left to do if the terminal is gone.
            let _ = termios::tcsetattr(&self.input, OptionalActions::Drain, mode);
        }
    }
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminal").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::console::BufferConsole;
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::LocalModes;
    use std::fs::{File, OpenOptions};

    impl Write for BufferConsole {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            HostConsole::write(self, bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn read(terminal: &mut Terminal) -> Vec<u8> {
        terminal.ready(Duration::from_secs(5));
        let mut buffer = [0; 64];
        terminal.listen();
        let count = terminal.read(&mut buffer);
        buffer[..count].to_vec()
    }

    /// The user's end of a terminal, and its name.
    fn terminal() -> (File, String) {
        let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&user).unwrap();
        unlockpt(&user).unwrap();
        let name = ptsname(&user, Vec::new()).unwrap();
        (user.into(), name.into_string().unwrap())
    }

    fn open(name: &str) -> File {
        let mut options = OpenOptions::new();
        options.read(true).write(true).open(name).unwrap()
    }

    #[test]
    fn a_terminal_is_raw_with_an_escape_key() {
        let (mut user, name) = terminal();
        let watch = open(&name);
        let canonical = |file: &File| {
            let modes = termios::tcgetattr(file).unwrap().local_modes;
            modes.contains(LocalModes::ICANON)
        };
        assert!(canonical(&watch));
        let output = BufferConsole::default();
        let mut terminal = Terminal::on(open(&name).into(), Box::new(output.clone())).unwrap();
        // Nothing runs yet.
        assert!(canonical(&watch));
        terminal.listen();
        assert!(!canonical(&watch));
        user.write_all(b"a\x03b\x01\x01c").unwrap();
        assert_eq!(read(&mut terminal), b"a\x03b\x01c");
        // The escape key alone is held until the next key.
        user.write_all(b"\x01").unwrap();
        assert!(read(&mut terminal).is_empty());
        user.write_all(b"hd").unwrap();
        assert_eq!(read(&mut terminal), b"d");
        assert_eq!(output.take_output(), HELP);
        assert!(!terminal.quit());
        assert!(!terminal.take_button());
        user.write_all(b"\x01p").unwrap();
        assert!(read(&mut terminal).is_empty());
        assert!(terminal.take_button());
        assert!(!terminal.take_button());
        user.write_all(b"\x01x").unwrap();
        assert!(read(&mut terminal).is_empty());
        assert!(terminal.quit());
        HostConsole::write(&mut terminal, b"last words");
        drop(terminal);
        assert!(canonical(&watch));
        assert_eq!(output.take_output(), b"last words");
    }

    #[test]
    fn the_escape_key_is_heard_while_the_machine_takes_nothing() {
        let (mut user, name) = terminal();
        let output = BufferConsole::default();
        let mut terminal = Terminal::on(open(&name).into(), Box::new(output)).unwrap();
        terminal.listen();
        for _ in 0..2 * TYPED_MAX / 64 {
            user.write_all(&[b'a'; 64]).unwrap();
            assert!(terminal.ready(Duration::from_secs(5)));
            terminal.listen();
        }
        user.write_all(b"\x01x").unwrap();
        while !terminal.quit() {
            assert!(terminal.ready(Duration::from_secs(5)));
            terminal.listen();
        }
        let mut buffer = [0; 2 * TYPED_MAX];
        assert_eq!(terminal.read(&mut buffer), TYPED_MAX);
    }

    #[test]
    fn an_input_that_cannot_be_read_has_ended() {
        let directory = File::open("/").unwrap();
        let output = Box::new(BufferConsole::default());
        let mut terminal = Terminal::on(directory.into(), output).unwrap();
        assert!(read(&mut terminal).is_empty());
        assert!(!terminal.interactive());
    }

    #[test]
    fn a_file_is_taken_as_it_is() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"x\x01x").unwrap();
        io::Seek::rewind(&mut file).unwrap();
        let output = BufferConsole::default();
        let mut terminal = Terminal::on(file.into(), Box::new(output.clone())).unwrap();
        assert!(terminal.interactive());
        assert_eq!(read(&mut terminal), b"x\x01x");
        HostConsole::write(&mut terminal, b"> ");
        HostConsole::flush(&mut terminal);
        assert_eq!(output.take_output(), b"> ");
        assert!(read(&mut terminal).is_empty());
        assert!(!terminal.interactive());
        assert!(!terminal.quit());
        // From here on only whole lines are of use.
        HostConsole::write(&mut terminal, b"line\r\nres");
        HostConsole::flush(&mut terminal);
        HostConsole::write(&mut terminal, b"t");
        assert_eq!(output.take_output(), b"line\r\nres");
        drop(terminal);
        assert_eq!(output.take_output(), b"t");
    }
}
