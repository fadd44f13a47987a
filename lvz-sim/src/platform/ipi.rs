// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Inter-processor interrupts and mailboxes of each core, in IOCSR space at
//! 0x1000 (Loongson 3A5000 manual, "Inter-processor interrupts and
//! communication"; Linux arch/loongarch/include/asm/loongarch.h, LOONGARCH_IOCSR_IPI_*).

use la_arch::ipi::{
    CLEAR, ENABLE, MAILBOX, MAILBOXES, SEND_ADDRESS_MASK, SEND_CPU_MASK, SEND_CPU_SHIFT,
    SEND_DATA_SHIFT, SEND_KEEP_SHIFT, SEND_MAILBOX_MASK, SEND_MAILBOX_SHIFT, SEND_VECTOR_MASK, SET,
    STATUS,
};
use serde::{Deserialize, Serialize};

/// End of the mailboxes.
const MAILBOX_END: u64 = MAILBOX + 8 * MAILBOXES as u64;

/// Decoded value of MAIL_SEND and ANY_SEND.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Send {
    /// Number of the core that receives it.
    pub(crate) cpu: usize,
    /// Data to write.
    pub(crate) data: u32,
    /// Bits of the register that are written.
    pub(crate) mask: u32,
    /// MAIL_SEND: the mailbox half, as offset into the block.
    pub(crate) mailbox: u64,
    /// ANY_SEND: the IOCSR address of a 32-bit register.
    pub(crate) address: u64,
}

/// The core number in a send command.
fn target(command: u32) -> usize {
    (command >> SEND_CPU_SHIFT & SEND_CPU_MASK) as usize
}

impl Send {
    /// Splits a 64-bit send command. Its keep bits protect a byte each.
    pub(crate) fn decode(value: u64) -> Self {
        let command = value as u32;
        let mask = (0..4)
            .filter(|byte| command >> (SEND_KEEP_SHIFT + byte) & 1 == 0)
            .fold(0, |mask, byte| mask | 0xff << (8 * byte));
        let half = command >> SEND_MAILBOX_SHIFT & SEND_MAILBOX_MASK;
        Self {
            cpu: target(command),
            data: (value >> SEND_DATA_SHIFT) as u32,
            mask,
            mailbox: MAILBOX + 4 * u64::from(half),
            address: u64::from(command & SEND_ADDRESS_MASK & !3),
        }
    }
}

/// Splits an IPI_SEND command into core and status bit.
pub(crate) fn decode_ipi_send(command: u32) -> (usize, u32) {
    (target(command), 1 << (command & SEND_VECTOR_MASK))
}

/// Registers of one core.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ipi {
    status: u32,
    enable: u32,
    mailbox: [u32; 8],
}

impl Ipi {
    /// Reads the 32-bit register at `offset` in the block.
    pub(crate) fn read(&self, offset: u64) -> u32 {
        match offset {
            STATUS => self.status,
            ENABLE => self.enable,
            MAILBOX..MAILBOX_END => self.mailbox[((offset - MAILBOX) / 4) as usize & 7],
            _ => 0,
        }
    }

    /// Writes the bits `mask` of the 32-bit register at `offset`. The send
    /// registers are not the core's own.
    pub(crate) fn write(&mut self, offset: u64, value: u32, mask: u32) {
        match offset {
            ENABLE => self.enable = self.enable & !mask | value & mask,
            SET => self.status |= value & mask,
            CLEAR => self.status &= !(value & mask),
            MAILBOX..MAILBOX_END => {
                let word = &mut self.mailbox[((offset - MAILBOX) / 4) as usize & 7];
                *word = *word & !mask | value & mask;
            }
            _ => {}
        }
    }

    /// The interrupt line to the core.
    pub(crate) fn line(&self) -> bool {
        self.status & self.enable != 0
    }
}
