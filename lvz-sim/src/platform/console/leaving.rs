// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A console for tests, at which a user wants the end of the simulation.

use super::HostConsole;

/// The wish is known once it is listened to.
#[derive(Default)]
pub(crate) struct LeavingConsole {
    noticed: bool,
}

impl HostConsole for LeavingConsole {
    fn write(&mut self, _bytes: &[u8]) {}

    fn listen(&mut self) {
        self.noticed = true;
    }

    fn read(&mut self, _buffer: &mut [u8]) -> usize {
        0
    }

    fn quit(&self) -> bool {
        self.noticed
    }
}
