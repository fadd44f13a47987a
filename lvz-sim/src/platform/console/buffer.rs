// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A console in memory.

use super::HostConsole;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
struct Buffers {
    input: VecDeque<u8>,
    output: Vec<u8>,
    button: bool,
}

/// Clones share the buffers.
#[derive(Clone, Debug, Default)]
pub struct BufferConsole(Arc<Mutex<Buffers>>);

impl BufferConsole {
    fn buffers(&self) -> MutexGuard<'_, Buffers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds input for the machine.
    pub fn type_in(&self, bytes: &[u8]) {
        self.buffers().input.extend(bytes);
    }

    /// Presses the power button.
    #[cfg(test)]
    pub(crate) fn press(&self) {
        self.buffers().button = true;
    }

    /// Takes the output so far.
    pub fn take_output(&self) -> Vec<u8> {
        std::mem::take(&mut self.buffers().output)
    }
}

impl HostConsole for BufferConsole {
    fn write(&mut self, bytes: &[u8]) {
        self.buffers().output.extend_from_slice(bytes);
    }

    fn read(&mut self, buffer: &mut [u8]) -> usize {
        let mut buffers = self.buffers();
        let count = buffer.len().min(buffers.input.len());
        for (slot, byte) in buffer.iter_mut().zip(buffers.input.drain(..count)) {
            *slot = byte;
        }
        count
    }

    fn take_button(&mut self) -> bool {
        std::mem::take(&mut self.buffers().button)
    }
}
