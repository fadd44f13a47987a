// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Where a device is: its registers and what it interrupts by.

/// An input of an interrupt controller, active at the high level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A pin of the bridge's PCH-PIC, 0 to 63.
    PchPic(u32),
    /// One of the chip's LIOINTC, 0 to 31.
    Liointc(u32),
}

/// A device's registers and its interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Physical address.
    pub base: u64,
    /// Size in bytes.
    pub size: u64,
    /// What it drives, if it interrupts by a line of its own.
    pub input: Option<Input>,
}

impl Place {
    /// `size` bytes of registers at `base`, without an interrupt.
    pub const fn at(base: u64, size: u64) -> Self {
        Self {
            base,
            size,
            input: None,
        }
    }

    /// The same, at a pin of the PCH-PIC.
    pub(super) const fn pin(self, pin: u32) -> Self {
        Self {
            input: Some(Input::PchPic(pin)),
            ..self
        }
    }

    /// The same, at an input of the LIOINTC.
    pub(super) const fn liointc(self, number: u32) -> Self {
        Self {
            input: Some(Input::Liointc(number)),
            ..self
        }
    }

    /// The last byte's address.
    pub const fn last(self) -> u64 {
        self.base + self.size - 1
    }
}
