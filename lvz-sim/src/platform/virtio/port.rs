// SPDX-License-Identifier: Apache-2.0 OR MIT

//! virtio console device with one port (virtio 1.2, section 5.3).

use super::device::{Completion, DeviceState, Input, Output, VirtioDevice};
use crate::platform::console::HostConsole;
use crate::platform::error::PlatformError;
use std::io::{Read, Write};
use std::os::fd::BorrowedFd;
use virtio_bindings::virtio_ids::VIRTIO_ID_CONSOLE;

const RECEIVE: u16 = 0;
const TRANSMIT: u16 = 1;
/// Input is taken from the host in portions of this size.
const INPUT_MAX: usize = 256;
/// Most output of one request; what a mad driver sends beyond it is dropped.
const OUTPUT_MAX: usize = 1 << 20;

pub(crate) struct Port {
    host: Box<dyn HostConsole>,
    /// Input that waits for a buffer.
    input: Vec<u8>,
}

impl Port {
    /// A console on `host`.
    pub(crate) fn new(host: Box<dyn HostConsole>) -> Self {
        Self {
            host,
            input: Vec::new(),
        }
    }
}

impl VirtioDevice for Port {
    fn id(&self) -> u32 {
        VIRTIO_ID_CONSOLE
    }

    fn queues(&self) -> &'static [u16] {
        &[64, 64]
    }

    fn config(&self) -> Vec<u8> {
        // Columns, rows, ports, emergency write: none of them offered.
        vec![0; 12]
    }

    fn handle(&mut self, queue: u16, input: &mut Input<'_>, output: &mut Output<'_>) -> Completion {
        match queue {
            RECEIVE => {
                if self.input.is_empty() {
                    return Completion::Later;
                }
                let count = self.input.len().min(output.available_bytes());
                if output.write_all(&self.input[..count]).is_ok() {
                    self.input.drain(..count);
                }
                Completion::Used(output.bytes_written())
            }
            TRANSMIT => {
                let mut buffer = [0; 4096];
                let mut left = OUTPUT_MAX;
                while left > 0 {
                    match input.read(&mut buffer) {
                        Ok(0) | Err(_) => break,
                        Ok(count) => {
                            self.host.write(&buffer[..count]);
                            left = left.saturating_sub(count);
                        }
                    }
                }
                Completion::Used(0)
            }
            _ => Completion::Used(0),
        }
    }

    fn poll(&mut self, _now: u64, _started: bool) {
        if self.input.is_empty() {
            let mut buffer = [0; INPUT_MAX];
            let count = self.host.read(&mut buffer);
            self.input
                .extend_from_slice(&buffer[..count.min(INPUT_MAX)]);
        }
    }

    fn ready(&self, queue: u16) -> bool {
        queue == RECEIVE && !self.input.is_empty()
    }

    fn input(&self) -> Option<BorrowedFd<'_>> {
        self.host.input()
    }

    fn takes_input(&self) -> bool {
        self.input.is_empty()
    }

    fn host(&self) -> Option<&dyn HostConsole> {
        Some(self.host.as_ref())
    }

    fn flush(&mut self) {
        self.host.flush();
    }

    fn save(&self) -> Result<DeviceState, PlatformError> {
        Ok(DeviceState::Console(self.input.clone()))
    }

    fn restore(&mut self, state: &DeviceState) -> Result<(), PlatformError> {
        match state {
            DeviceState::Console(input) => self.input = input.clone(),
            _ => return Err(PlatformError::Mismatch("the virtio console")),
        }
        Ok(())
    }
}
