// SPDX-License-Identifier: Apache-2.0 OR MIT

//! 16550A UART. Characters leave at once, so the transmitter is always empty.
//!
//! Not `vm-superio`: its interrupt is an edge and reading IIR drops pending
//! receive data with it, while the PCH-PIC pin of a UART is level-sensitive
//! and software for silicon depends on IIR priorities and FIFO control
//! (National PC16550D data sheet, sections 8.3 to 8.6).

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

const DATA: u64 = 0;
const IER: u64 = 1;
const IIR_FCR: u64 = 2;
const LCR: u64 = 3;
const MCR: u64 = 4;
const LSR: u64 = 5;
const MSR: u64 = 6;
const SCR: u64 = 7;

const IER_RDA: u8 = 1 << 0;
const IER_THRE: u8 = 1 << 1;
const IER_RLS: u8 = 1 << 2;
const IER_MSI: u8 = 1 << 3;

const IIR_NONE: u8 = 0x01;
const IIR_MSI: u8 = 0x00;
const IIR_THRE: u8 = 0x02;
const IIR_RDA: u8 = 0x04;
const IIR_RLS: u8 = 0x06;
const IIR_TIMEOUT: u8 = 0x0c;
const IIR_FIFO: u8 = 0xc0;

const FCR_ENABLE: u8 = 1 << 0;
const FCR_CLEAR_RX: u8 = 1 << 1;

const LCR_DLAB: u8 = 1 << 7;

const MCR_DTR: u8 = 1 << 0;
const MCR_RTS: u8 = 1 << 1;
const MCR_OUT1: u8 = 1 << 2;
const MCR_OUT2: u8 = 1 << 3;
const MCR_LOOP: u8 = 1 << 4;

const LSR_DR: u8 = 1 << 0;
const LSR_OE: u8 = 1 << 1;
const LSR_EMPTY: u8 = 0x60;

const MSR_CTS: u8 = 1 << 4;
const MSR_DSR: u8 = 1 << 5;
const MSR_RI: u8 = 1 << 6;
const MSR_DCD: u8 = 1 << 7;

const FIFO_SIZE: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Uart {
    ier: u8,
    lcr: u8,
    mcr: u8,
    fcr: u8,
    scr: u8,
    divisor: [u8; 2],
    /// Modem inputs (7:4) and their changes since MSR was read (3:0).
    msr: u8,
    overrun: bool,
    /// A THRE interrupt is due.
    empty: bool,
    received: VecDeque<u8>,
    /// A cause has come since [`Self::take_event`].
    #[serde(skip)]
    event: bool,
}

impl Uart {
    /// The state after reset, with a ready peer at the modem inputs.
    pub(crate) fn new() -> Self {
        Self {
            ier: 0,
            lcr: 0,
            mcr: 0,
            fcr: 0,
            scr: 0,
            divisor: [0; 2],
            msr: MSR_CTS | MSR_DSR | MSR_DCD,
            overrun: false,
            empty: false,
            received: VecDeque::new(),
            event: false,
        }
    }

    /// Whether a saved state is one that this model can reach.
    pub(crate) fn valid(&self) -> bool {
        self.received.len() <= FIFO_SIZE
    }

    fn capacity(&self) -> usize {
        if self.fcr & FCR_ENABLE != 0 {
            FIFO_SIZE
        } else {
            1
        }
    }

    /// Characters that can be received now.
    pub(crate) fn room(&self) -> usize {
        if self.mcr & MCR_LOOP != 0 {
            return 0;
        }
        self.capacity().saturating_sub(self.received.len())
    }

    /// Receives a character.
    pub(crate) fn receive(&mut self, byte: u8) {
        self.event = true;
        if self.received.len() < self.capacity() {
            self.received.push_back(byte);
        } else {
            self.overrun = true;
        }
    }

    fn trigger(&self) -> usize {
        if self.fcr & FCR_ENABLE == 0 {
            return 1;
        }
        [1, 4, 8, 14][usize::from(self.fcr >> 6)]
    }

    /// The pending interrupt of highest priority.
    fn interrupt(&self) -> u8 {
        if self.ier & IER_RLS != 0 && self.overrun {
            IIR_RLS
        } else if self.ier & IER_RDA != 0 && self.received.len() >= self.trigger() {
            IIR_RDA
        } else if self.ier & IER_RDA != 0 && !self.received.is_empty() {
            // Below the trigger level the receiver times out; no time passes
            // between characters here.
            IIR_TIMEOUT
        } else if self.ier & IER_THRE != 0 && self.empty {
            IIR_THRE
        } else if self.ier & IER_MSI != 0 && self.msr & 0xf != 0 {
            IIR_MSI
        } else {
            IIR_NONE
        }
    }

    /// The interrupt line. OUT2 gates it on PC cards only.
    pub(crate) fn line(&self) -> bool {
        self.interrupt() != IIR_NONE
    }

    /// True once after a character has come or gone.
    pub(crate) fn take_event(&mut self) -> bool {
        std::mem::take(&mut self.event)
    }

    /// Derives the modem inputs from the loopback mode.
    fn update_modem(&mut self) {
        let inputs = if self.mcr & MCR_LOOP != 0 {
            let wire = |out, input| if self.mcr & out != 0 { input } else { 0 };
            wire(MCR_RTS, MSR_CTS)
                | wire(MCR_DTR, MSR_DSR)
                | wire(MCR_OUT1, MSR_RI)
                | wire(MCR_OUT2, MSR_DCD)
        } else {
            MSR_CTS | MSR_DSR | MSR_DCD
        };
        let mut changed = (self.msr ^ inputs) & 0xf0;
        // The ring indicator reports its trailing edge only.
        if inputs & MSR_RI != 0 {
            changed &= !MSR_RI;
        }
        self.msr = inputs | self.msr & 0xf | changed >> 4;
    }

    /// Reads the register at `offset`.
    pub(crate) fn read(&mut self, offset: u64) -> u8 {
        match offset {
            DATA | IER if self.lcr & LCR_DLAB != 0 => self.divisor[offset as usize & 1],
            DATA => self.received.pop_front().unwrap_or(0),
            IER => self.ier,
            IIR_FCR => {
                let interrupt = self.interrupt();
                if interrupt == IIR_THRE {
                    self.empty = false;
                }
                let fifo = if self.fcr & FCR_ENABLE != 0 {
                    IIR_FIFO
                } else {
                    0
                };
                interrupt | fifo
            }
            LCR => self.lcr,
            MCR => self.mcr,
            LSR => {
                let mut lsr = LSR_EMPTY;
                if !self.received.is_empty() {
                    lsr |= LSR_DR;
                }
                if std::mem::take(&mut self.overrun) {
                    lsr |= LSR_OE;
                }
                lsr
            }
            MSR => {
                let msr = self.msr;
                self.msr &= 0xf0;
                msr
            }
            SCR => self.scr,
            _ => 0,
        }
    }

    /// Writes the register at `offset`; returns a character that was sent.
    pub(crate) fn write(&mut self, offset: u64, value: u8) -> Option<u8> {
        match offset {
            DATA | IER if self.lcr & LCR_DLAB != 0 => {
                self.divisor[offset as usize & 1] = value;
            }
            DATA => {
                self.empty = true;
                self.event = true;
                if self.mcr & MCR_LOOP == 0 {
                    return Some(value);
                }
                self.receive(value);
            }
            IER => {
                // Enabling the interrupt while the transmitter is empty
                // raises it.
                if value & !self.ier & IER_THRE != 0 {
                    self.empty = true;
                }
                self.ier = value & 0xf;
            }
            IIR_FCR => {
                if value & FCR_CLEAR_RX != 0 || (value ^ self.fcr) & FCR_ENABLE != 0 {
                    self.received.clear();
                }
                self.fcr = value & (FCR_ENABLE | IIR_FIFO);
            }
            LCR => self.lcr = value,
            MCR => {
                self.mcr = value & 0x1f;
                self.update_modem();
            }
            SCR => self.scr = value,
            _ => {}
        }
        None
    }
}
