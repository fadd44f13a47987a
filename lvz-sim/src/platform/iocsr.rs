//! IOCSR space: identification and function registers of the chip, and the
//! routing to the IPI and extended interrupt controllers (Loongson 3A5000
//! manual; Linux arch/loongarch/include/asm/loongarch.h).

use super::eiointc::{self, CORES_PER_NODE, Eiointc};
use super::field;
use super::ipi::{self, Ipi, Send};
use serde::{Deserialize, Serialize};

/// Chip version.
pub const VERSION: u32 = 0x0;
/// Chip features.
pub const FEATURES: u32 = 0x8;
/// Vendor name, eight characters.
pub const VENDOR: u32 = 0x10;
/// CPU name, eight characters.
pub const CPU_NAME: u32 = 0x20;
/// Function switches of the chip.
pub const MISC_FUNC: u32 = 0x420;

/// FEATURES: message-signalled interrupts, extended interrupts, IPI through
/// IOCSR. VM (bit 11) stays zero: this machine is hardware.
const FEATURES_VALUE: u32 = 1 << 2 | 1 << 3 | 1 << 4;
/// MISC_FUNC: enables the extended interrupt controller.
pub const EXT_IOI_EN: u64 = 1 << 48;
/// MISC_FUNC: IPMAP holds pin numbers.
pub const INT_ENCODE: u64 = 1 << 49;
/// Bits of MISC_FUNC that can be written: SOFT_INT, TIMER_RESET and the above.
const MISC_WRITABLE: u64 = 1 << 10 | 1 << 21 | EXT_IOI_EN | INT_ENCODE;

/// IOCSR space of all CPUs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Iocsr {
    /// MISC_FUNC of each node.
    misc: Vec<u64>,
    ipi: Vec<Ipi>,
    pub(crate) eiointc: Eiointc,
}

impl Iocsr {
    /// IOCSR space of `cpus` CPUs after reset.
    pub(crate) fn new(cpus: usize) -> Self {
        Self {
            misc: vec![0; cpus.div_ceil(CORES_PER_NODE)],
            ipi: vec![Ipi::default(); cpus],
            eiointc: Eiointc::new(cpus),
        }
    }

    /// Whether a saved state fits this machine.
    pub(crate) fn same_shape(&self, other: &Self) -> bool {
        self.misc.len() == other.misc.len()
            && self.ipi.len() == other.ipi.len()
            && self.eiointc.same_shape(&other.eiointc)
    }

    /// Interrupt inputs of CPU `cpu`: HWI pins and IPI.
    pub(crate) fn lines(&self, cpu: usize) -> (u8, bool) {
        let ipi = self.ipi.get(cpu).is_some_and(Ipi::line);
        (self.eiointc.pins(cpu), ipi)
    }

    fn read_word(&mut self, cpu: usize, addr: u32) -> u32 {
        let half = |value: u64| (value >> (8 * (addr & 4))) as u32;
        match addr {
            VERSION => 0x11,
            FEATURES => FEATURES_VALUE,
            VENDOR | 0x14 => half(u64::from_le_bytes(*b"Loongson")),
            CPU_NAME | 0x24 => half(u64::from_le_bytes(*b"3A5000\0\0")),
            MISC_FUNC | 0x424 => half(self.misc.get(cpu / CORES_PER_NODE).copied().unwrap_or(0)),
            ipi::STATUS..0x1400 => self.ipi.get(cpu).map_or(0, |core| core.read(addr)),
            0x1400..eiointc::END => self.eiointc.read(cpu, addr),
            _ => 0,
        }
    }

    fn write_word(&mut self, cpu: usize, addr: u32, value: u32, mask: u32) {
        match addr {
            MISC_FUNC | 0x424 => {
                let shift = 8 * (addr & 4);
                let mask = u64::from(mask) << shift & MISC_WRITABLE;
                let value = u64::from(value) << shift & mask;
                if let Some(misc) = self.misc.get_mut(cpu / CORES_PER_NODE) {
                    *misc = *misc & !mask | value;
                    let (on, encode) = (*misc & EXT_IOI_EN != 0, *misc & INT_ENCODE != 0);
                    self.eiointc.set_mode(cpu, on, encode);
                }
            }
            ipi::IPI_SEND => {
                let value = value & mask;
                if let Some(core) = self.ipi.get_mut((value >> 16) as usize & 0x3ff) {
                    core.write(ipi::SET, 1 << (value & 0x1f), u32::MAX);
                }
            }
            ipi::STATUS..ipi::IPI_SEND => {
                if let Some(core) = self.ipi.get_mut(cpu) {
                    core.write(addr, value, mask);
                }
            }
            0x1400..eiointc::END => self.eiointc.write(cpu, addr, value, mask),
            _ => {}
        }
    }

    /// Reads `size` bytes as CPU `cpu`.
    pub(crate) fn read(&mut self, cpu: usize, addr: u32, size: u8) -> u64 {
        let word = addr & !3;
        let low = u64::from(self.read_word(cpu, word));
        // Only what reaches into the next register reads it.
        let high = if (addr & 3) + u32::from(size) > 4 {
            u64::from(self.read_word(cpu, word.wrapping_add(4)))
        } else {
            0
        };
        field::extract(low | high << 32, u64::from(addr & 3), size)
    }

    /// Writes `size` bytes as CPU `cpu`.
    pub(crate) fn write(&mut self, cpu: usize, addr: u32, size: u8, value: u64) {
        // The send commands are one register of 64 bits, which takes effect
        // as a whole.
        match addr {
            ipi::MAIL_SEND if size == 8 => {
                let send = Send::decode(value);
                let register = ipi::MAILBOX + (send.low & 0x1c);
                return self.write_word(send.cpu, register, send.data, send.mask);
            }
            ipi::ANY_SEND if size == 8 => {
                let send = Send::decode(value);
                return self.write_word(send.cpu, send.low & !3, send.data, send.mask);
            }
            _ => {}
        }
        let word = addr & !3;
        let (value, mask) = field::place(value, u64::from(addr & 3), size);
        if mask as u32 != 0 {
            self.write_word(cpu, word, value as u32, mask as u32);
        }
        if mask >> 32 != 0 {
            let (value, mask) = ((value >> 32) as u32, (mask >> 32) as u32);
            self.write_word(cpu, word.wrapping_add(4), value, mask);
        }
    }
}
