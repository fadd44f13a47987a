// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Interrupt controller of the 7A1000 bridge. Its 64 pins become EIOINTC
//! vectors (7A1000 manual, "Interrupt controller"; Linux
//! drivers/irqchip/irq-loongson-pch-pic.c). The HTMSI_EN, AUTO and ROUTE
//! registers are stored, but every pin goes to the EIOINTC: the machine has no
//! legacy interrupt controller that they could select.

use la_arch::pch_pic::{
    AUTO_CTRL0, AUTO_CTRL1, BYTES_SIZE, CLEAR, EDGE, HTMSI_EN, HTMSI_VECTOR, ID, ID_PINS_SHIFT,
    ID_TYPE, ID_TYPE_SHIFT, ID_VERSION, ID_VERSION_SHIFT, IRR, ISR, MASK, PINS, POLARITY, ROUTE,
};
use serde::{Deserialize, Serialize};

const ID_VALUE: u64 =
    ID_TYPE << ID_TYPE_SHIFT | ID_VERSION << ID_VERSION_SHIFT | (PINS as u64 - 1) << ID_PINS_SHIFT;

const ROUTE_END: u64 = ROUTE + BYTES_SIZE;
const HTMSI_VECTOR_END: u64 = HTMSI_VECTOR + BYTES_SIZE;

/// A vector that the controller raises or drops.
pub(crate) type Change = (u8, bool);

/// The controller's state, one bit a pin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PchPic {
    mask: u64,
    htmsi_en: u64,
    edge: u64,
    auto: [u64; 2],
    polarity: u64,
    route: [u64; 8],
    vector: [u64; 8],
    /// Levels at the pins.
    input: u64,
    /// Requests: the active level, or a latched edge.
    request: u64,
    /// Requests that were sent on.
    sent: u64,
}

impl PchPic {
    /// The state after reset: everything masked.
    pub(crate) fn new() -> Self {
        Self {
            mask: u64::MAX,
            htmsi_en: 0,
            edge: 0,
            auto: [0; 2],
            polarity: 0,
            route: [0; 8],
            vector: [0; 8],
            input: 0,
            request: 0,
            sent: 0,
        }
    }

    fn vector_of(&self, pin: u32) -> u8 {
        self.vector[pin as usize / 8 % 8].to_le_bytes()[pin as usize % 8]
    }

    /// Takes new pin levels over into the requests; returns the edges among them, which
    /// are sent on even if an earlier one was not acknowledged.
    fn sample(&mut self, input: u64, polarity: u64) -> u64 {
        let before = self.input ^ self.polarity;
        let now = input ^ polarity;
        let rising = now & !before;
        self.input = input;
        self.polarity = polarity;
        self.request = self.request & self.edge | rising & self.edge | now & !self.edge;
        rising & self.edge
    }

    /// Sends what changed; the pins `again` are sent even if they were before.
    fn forward(&mut self, again: u64, changes: &mut Vec<Change>) {
        let ended = self.sent & !self.request;
        self.sent &= !ended;
        let begun = self.request & !self.mask & (!self.sent | again);
        self.sent |= begun;
        for (pins, level) in [(ended, false), (begun, true)] {
            let mut rest = pins;
            while rest != 0 {
                changes.push((self.vector_of(rest.trailing_zeros()), level));
                rest &= rest - 1;
            }
        }
    }

    /// A device whose pin is active already has a further event. An edge-triggered pin
    /// sends its vector again, acknowledged or not, as QEMU's and KVM's do
    /// (pch_pic_update_irq): a driver that never clears a UART's causes relies on it.
    pub(crate) fn repeat(&mut self, pin: u32, changes: &mut Vec<Change>) {
        let bit = 1u64.checked_shl(pin).unwrap_or(0);
        let active = (self.input ^ self.polarity) & self.edge & bit;
        self.request |= active;
        self.forward(active, changes);
    }

    /// Drives a pin.
    pub(crate) fn set_pin(&mut self, pin: u32, level: bool, changes: &mut Vec<Change>) {
        let bit = 1u64.checked_shl(pin).unwrap_or(0);
        let input = if level {
            self.input | bit
        } else {
            self.input & !bit
        };
        if input != self.input {
            let edges = self.sample(input, self.polarity);
            self.forward(edges, changes);
        }
    }

    fn word(&self, offset: u64) -> u64 {
        match offset {
            ID => ID_VALUE,
            MASK => self.mask,
            HTMSI_EN => self.htmsi_en,
            EDGE => self.edge,
            AUTO_CTRL0 => self.auto[0],
            AUTO_CTRL1 => self.auto[1],
            ROUTE..ROUTE_END => self.route[((offset - ROUTE) / 8) as usize],
            HTMSI_VECTOR..HTMSI_VECTOR_END => self.vector[((offset - HTMSI_VECTOR) / 8) as usize],
            IRR => self.request,
            ISR => self.sent & !self.mask,
            POLARITY => self.polarity,
            _ => 0,
        }
    }

    /// Reads `size` bytes at `offset`.
    pub(crate) fn read(&self, offset: u64, size: u8) -> u64 {
        super::field::extract(self.word(offset & !7), offset & 7, size)
    }

    /// Writes `size` bytes at `offset`.
    pub(crate) fn write(&mut self, offset: u64, size: u8, value: u64, changes: &mut Vec<Change>) {
        let (value, mask) = super::field::place(value, offset & 7, size);
        let merge = |old: u64| old & !mask | value;
        match offset & !7 {
            MASK => {
                let before = self.mask;
                self.mask = merge(before);
                self.forward(before & !self.mask, changes);
            }
            HTMSI_EN => self.htmsi_en = merge(self.htmsi_en),
            EDGE => {
                self.edge = merge(self.edge);
                let edges = self.sample(self.input, self.polarity);
                self.forward(edges, changes);
            }
            CLEAR => {
                self.request &= !(value & self.edge);
                self.forward(0, changes);
            }
            AUTO_CTRL0 => self.auto[0] = merge(self.auto[0]),
            AUTO_CTRL1 => self.auto[1] = merge(self.auto[1]),
            at @ ROUTE..ROUTE_END => {
                let word = &mut self.route[((at - ROUTE) / 8) as usize];
                *word = merge(*word);
            }
            at @ HTMSI_VECTOR..HTMSI_VECTOR_END => {
                let word = &mut self.vector[((at - HTMSI_VECTOR) / 8) as usize];
                *word = merge(*word);
            }
            POLARITY => {
                let edges = self.sample(self.input, merge(self.polarity));
                self.forward(edges, changes);
            }
            _ => {}
        }
    }
}
