// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The boards that there are, by name.

use super::board::Board;
use super::loongson::LOONGSON_3A5000;
use super::virt::{VIRT, VIRT_MMIO};

/// All boards, the default first.
pub static BOARDS: [&Board; 3] = [&VIRT_MMIO, &VIRT, &LOONGSON_3A5000];

impl Board {
    /// The board that `--machine` names.
    pub fn named(name: &str) -> Option<&'static Self> {
        BOARDS.into_iter().find(|board| board.name == name)
    }
}
