// SPDX-License-Identifier: Apache-2.0 OR MIT

//! virtio entropy device (virtio 1.2, section 5.4). Its bytes come from a
//! seeded generator, so that a run can be repeated: they are not secret.

use super::device::{Completion, DeviceState, Input, Output, VirtioDevice};
use crate::platform::error::PlatformError;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::io::Write;
use virtio_bindings::virtio_ids::VIRTIO_ID_RNG;

/// Most bytes that one request gets; a driver asks again for more.
const REQUEST_MAX: usize = 1 << 16;

#[derive(Debug)]
pub(crate) struct Entropy {
    random: SplitMix64,
}

impl Entropy {
    /// A source that starts from `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: SplitMix64::seed_from_u64(seed),
        }
    }
}

impl VirtioDevice for Entropy {
    fn id(&self) -> u32 {
        VIRTIO_ID_RNG
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
            let bytes = self.random.next_u64().to_le_bytes();
            let count = left.min(bytes.len());
            if output.write_all(&bytes[..count]).is_err() {
                break;
            }
            left -= count;
        }
        Completion::Used(output.bytes_written())
    }

    fn save(&self) -> Result<DeviceState, PlatformError> {
        Ok(DeviceState::Entropy(self.random.clone()))
    }

    fn restore(&mut self, state: &DeviceState) -> Result<(), PlatformError> {
        match state {
            DeviceState::Entropy(random) => self.random = random.clone(),
            _ => return Err(PlatformError::Mismatch("the entropy device")),
        }
        Ok(())
    }
}
