// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The host's side of a console: where a UART's or a virtio console's
//! characters go to and come from.

use std::io::{LineWriter, Write};
use std::os::fd::BorrowedFd;

mod buffer;
mod host_output;
#[cfg(test)]
pub(crate) mod leaving;
pub use buffer::BufferConsole;
pub(crate) use host_output::HostOutput;

/// A host console. Nothing here blocks.
pub trait HostConsole: Send {
    /// Takes output. An error of the host's side is not the machine's affair:
    /// the implementation drops what it cannot write.
    fn write(&mut self, bytes: &[u8]);

    /// Passes on output that the implementation holds back.
    fn flush(&mut self) {}

    /// Notices what the user wants of the simulator itself, which may be while the machine
    /// takes no input.
    fn listen(&mut self) {}

    /// Gives input that has arrived; returns how many bytes.
    fn read(&mut self, buffer: &mut [u8]) -> usize;

    /// Whether input can come at any time, so that the machine must look for
    /// it while it has nothing else to do.
    fn interactive(&self) -> bool {
        false
    }

    /// Readable when there is input, if there is something to wait for.
    fn input(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// True once after the user has pressed the machine's power button.
    fn take_button(&mut self) -> bool {
        false
    }

    /// Whether the user asked the simulator to stop.
    fn quit(&self) -> bool {
        false
    }
}

/// A console without a host: output is dropped, no input comes.
#[derive(Debug, Default)]
pub(crate) struct NullConsole;

impl HostConsole for NullConsole {
    fn write(&mut self, _bytes: &[u8]) {}

    fn read(&mut self, _buffer: &mut [u8]) -> usize {
        0
    }
}

/// A line that is longer is passed on in parts.
const LINE_MAX: usize = 1 << 16;

/// A console without input, whose output is passed on by whole lines: it can go
/// where another console's goes.
pub(crate) struct LineConsole(LineWriter<Box<dyn Write + Send>>);

impl LineConsole {
    /// Passes lines on to `output`.
    pub(crate) fn new(output: Box<dyn Write + Send>) -> Self {
        Self(LineWriter::with_capacity(LINE_MAX, output))
    }
}

impl HostConsole for LineConsole {
    fn write(&mut self, bytes: &[u8]) {
        // What is lost is the output's to say.
        let _ = self.0.write_all(bytes);
    }

    fn read(&mut self, _buffer: &mut [u8]) -> usize {
        0
    }
}
