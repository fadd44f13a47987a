//! Inter-processor interrupts and mailboxes of each core, in IOCSR space at
//! 0x1000 (Loongson 3A5000 manual, "Inter-processor interrupts and
//! communication"; Linux arch/loongarch/include/asm/loongarch.h, LOONGARCH_IOCSR_IPI_*).

use serde::{Deserialize, Serialize};

/// Interrupt status, one bit a message.
pub const STATUS: u32 = 0x1000;
/// Enables status bits to interrupt.
pub const ENABLE: u32 = 0x1004;
/// Sets status bits.
pub const SET: u32 = 0x1008;
/// Clears status bits.
pub const CLEAR: u32 = 0x100c;
/// Mailbox 0; four of 64 bits.
pub const MAILBOX: u32 = 0x1020;
/// End of the mailboxes.
pub const MAILBOX_END: u32 = 0x1040;
/// Sets a status bit of another core.
pub const IPI_SEND: u32 = 0x1040;
/// Writes into a mailbox of another core.
pub const MAIL_SEND: u32 = 0x1048;
/// Writes any IOCSR register of another core.
pub const ANY_SEND: u32 = 0x1158;

/// Decoded value of MAIL_SEND and ANY_SEND.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Send {
    /// Core number.
    pub(crate) cpu: usize,
    /// Data to write.
    pub(crate) data: u32,
    /// Bits of the register that are written.
    pub(crate) mask: u32,
    /// Low 16 bits of the command: mailbox or register address.
    pub(crate) low: u32,
}

impl Send {
    /// Splits a 64-bit send command. Bits 30:27 protect a byte each.
    pub(crate) fn decode(value: u64) -> Self {
        let keep = (value >> 27) as u32 & 0xf;
        let mask = (0..4)
            .filter(|byte| keep & (1 << byte) == 0)
            .fold(0, |mask, byte| mask | 0xff << (8 * byte));
        Self {
            cpu: (value >> 16) as usize & 0x3ff,
            data: (value >> 32) as u32,
            mask,
            low: value as u32 & 0xffff,
        }
    }
}

/// Registers of one core.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ipi {
    status: u32,
    enable: u32,
    mailbox: [u32; 8],
}

impl Ipi {
    /// Reads the 32-bit register at IOCSR address `addr`.
    pub(crate) fn read(&self, addr: u32) -> u32 {
        match addr {
            STATUS => self.status,
            ENABLE => self.enable,
            MAILBOX..MAILBOX_END => self.mailbox[((addr - MAILBOX) / 4) as usize & 7],
            _ => 0,
        }
    }

    /// Writes the bits `mask` of a 32-bit register of this core.
    pub(crate) fn write(&mut self, addr: u32, value: u32, mask: u32) {
        match addr {
            ENABLE => self.enable = self.enable & !mask | value & mask,
            SET => self.status |= value & mask,
            CLEAR => self.status &= !(value & mask),
            MAILBOX..MAILBOX_END => {
                let word = &mut self.mailbox[((addr - MAILBOX) / 4) as usize & 7];
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
