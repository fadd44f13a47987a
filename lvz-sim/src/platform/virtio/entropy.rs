// SPDX-License-Identifier: Apache-2.0 OR MIT

//! virtio entropy device (virtio 1.2, section 5.4). Its bytes come from a
//! seeded generator, so that a run can be repeated: they are not secret.

use super::{Completion, DeviceState, Input, Output, VirtioDevice};
use crate::platform::PlatformError;
use std::io::Write;

/// Most bytes that one request gets; a driver asks again for more.
const REQUEST_MAX: usize = 1 << 16;

/// The device.
#[derive(Debug)]
pub(crate) struct Entropy {
    state: u64,
}

/// The next value of the generator SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = *state;
    let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

impl Entropy {
    /// A source that starts from `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }
}

impl VirtioDevice for Entropy {
    fn id(&self) -> u32 {
        4
    }

    fn queues(&self) -> &'static [u16] {
        &[64]
    }

    fn config(&self) -> Vec<u8> {
        Vec::new()
    }

    fn handle(
        &mut self,
        _queue: u16,
        _input: &mut Input<'_>,
        output: &mut Output<'_>,
    ) -> Completion {
        let mut left = output.available_bytes().min(REQUEST_MAX);
        while left > 0 {
            let bytes = splitmix64(&mut self.state).to_le_bytes();
            let count = left.min(bytes.len());
            if output.write_all(&bytes[..count]).is_err() {
                break;
            }
            left -= count;
        }
        Completion::Used(output.bytes_written())
    }

    fn save(&self) -> Result<DeviceState, PlatformError> {
        Ok(DeviceState::Entropy(self.state))
    }

    fn restore(&mut self, state: &DeviceState) -> Result<(), PlatformError> {
        match state {
            DeviceState::Entropy(state) => self.state = *state,
            _ => return Err(PlatformError::Mismatch("the entropy device")),
        }
        Ok(())
    }
}
