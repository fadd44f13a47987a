// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A console whose input is written down, so that a part of a run can be repeated: then the
//! input comes from the record, and output that was passed on before is not passed on again.

use crate::platform::console::HostConsole;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How far a console has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// How often it was read.
    reads: u64,
    /// Bytes of output.
    written: u64,
}

#[derive(Debug, Default)]
struct Record {
    now: Mark,
    /// Reads that are on record.
    known_reads: u64,
    /// Output that was passed on.
    passed_on: u64,
    /// Input, by the number of the read that got it.
    input: Vec<(u64, Vec<u8>)>,
    /// From which read on input can come at any time, or no longer.
    interactive: Vec<(u64, bool)>,
}

impl Record {
    fn repeats(&self) -> bool {
        self.now.reads < self.known_reads
    }

    fn interactive(&self) -> bool {
        let reads = self.now.reads;
        let until = self.interactive.partition_point(|(from, _)| *from <= reads);
        until
            .checked_sub(1)
            .and_then(|last| self.interactive.get(last))
            .is_some_and(|(_, interactive)| *interactive)
    }
}

/// The record of a console, for the debugger.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tape(Arc<Mutex<Record>>);

impl Tape {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where it is.
    pub(crate) fn mark(&self) -> Mark {
        self.record().now
    }

    /// Goes back to where it was.
    pub(crate) fn rewind(&self, mark: Mark) {
        self.record().now = mark;
    }

    /// What follows is not a repetition: its output is passed on.
    pub(crate) fn diverges(&self) {
        let mut record = self.record();
        record.passed_on = record.passed_on.min(record.now.written);
    }
}

/// A console that is written down.
pub(crate) struct Taped {
    console: Box<dyn HostConsole>,
    tape: Tape,
    /// Readable at any time: nothing waits for input that is on record.
    at_once: Option<File>,
}

impl Taped {
    /// Writes `console` down on `tape`.
    pub(crate) fn new(console: Box<dyn HostConsole>, tape: &Tape) -> Self {
        tape.record().interactive = vec![(0, console.interactive())];
        Self {
            console,
            tape: tape.clone(),
            // Without it repeated idle time passes as slowly as it did.
            at_once: File::open("/dev/null").ok(),
        }
    }
}

impl HostConsole for Taped {
    fn write(&mut self, bytes: &[u8]) {
        let mut record = self.tape.record();
        let known = record.passed_on.saturating_sub(record.now.written);
        record.now.written += bytes.len() as u64;
        record.passed_on = record.passed_on.max(record.now.written);
        drop(record);
        let known = usize::try_from(known).unwrap_or(usize::MAX);
        if let Some(new) = bytes.get(known..).filter(|new| !new.is_empty()) {
            self.console.write(new);
        }
    }

    fn flush(&mut self) {
        if !self.tape.record().repeats() {
            self.console.flush();
        }
    }

    fn listen(&mut self) {
        self.console.listen();
    }

    fn read(&mut self, buffer: &mut [u8]) -> usize {
        let mut record = self.tape.record();
        let repeats = record.repeats();
        record.now.reads += 1;
        let read = record.now.reads;
        if repeats {
            let Ok(at) = record.input.binary_search_by_key(&read, |(read, _)| *read) else {
                return 0;
            };
            let bytes = &record.input[at].1;
            let count = bytes.len().min(buffer.len());
            buffer[..count].copy_from_slice(&bytes[..count]);
            return count;
        }
        let count = self.console.read(buffer).min(buffer.len());
        record.known_reads = read;
        if count > 0 {
            record.input.push((read, buffer[..count].to_vec()));
        }
        let interactive = self.console.interactive();
        if record.interactive() != interactive {
            record.interactive.push((read, interactive));
        }
        count
    }

    fn interactive(&self) -> bool {
        self.tape.record().interactive()
    }

    fn input(&self) -> Option<BorrowedFd<'_>> {
        let record = self.tape.record();
        match record.repeats() {
            true if record.interactive() => self.at_once.as_ref().map(File::as_fd),
            // Its input had ended: time passed without looking for more.
            true => None,
            false => self.console.input(),
        }
    }

    fn quit(&self) -> bool {
        self.console.quit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::console::BufferConsole;

    /// Input that ends with the second read.
    struct Ending {
        file: File,
        reads: u32,
    }

    impl HostConsole for Ending {
        fn write(&mut self, _: &[u8]) {}

        fn read(&mut self, _: &mut [u8]) -> usize {
            self.reads += 1;
            0
        }

        fn interactive(&self) -> bool {
            self.reads < 2
        }

        fn input(&self) -> Option<BorrowedFd<'_>> {
            self.interactive().then(|| self.file.as_fd())
        }
    }

    #[test]
    fn the_end_of_input_repeats() {
        let tape = Tape::default();
        let file = File::open("/dev/null").expect("an empty file");
        let mut console = Taped::new(Box::new(Ending { file, reads: 0 }), &tape);
        let begin = tape.mark();
        let mut looks = || -> Vec<(bool, bool)> {
            let look = |console: &Taped| (console.interactive(), console.input().is_some());
            let mut seen = vec![look(&console)];
            for _ in 0..4 {
                console.read(&mut [0; 8]);
                seen.push(look(&console));
            }
            seen
        };
        let first = looks();
        assert_eq!(first[1..3], [(true, true), (false, false)]);
        tape.rewind(begin);
        assert_eq!(looks(), first);
    }

    #[test]
    fn input_repeats_and_output_does_not() {
        let user = BufferConsole::default();
        let tape = Tape::default();
        let mut console = Taped::new(Box::new(user.clone()), &tape);
        let mut buffer = [0; 8];
        assert_eq!(console.read(&mut buffer), 0);
        let mark = tape.mark();
        user.type_in(b"ab");
        assert_eq!(console.read(&mut buffer), 2);
        console.write(b"one ");
        assert_eq!(user.take_output(), b"one ");
        tape.rewind(mark);
        // What is typed meanwhile comes when the record is at its end.
        user.type_in(b"c");
        assert_eq!(console.read(&mut buffer), 2);
        assert_eq!(&buffer[..2], b"ab");
        console.write(b"one two ");
        assert_eq!(user.take_output(), b"two ");
        assert_eq!(console.read(&mut buffer), 1);
        assert_eq!(buffer[0], b'c');
        tape.rewind(mark);
        tape.diverges();
        console.write(b"other ");
        assert_eq!(user.take_output(), b"other ");
    }
}
