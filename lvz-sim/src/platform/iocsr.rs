// SPDX-License-Identifier: Apache-2.0 OR MIT

//! IOCSR space: identification and function registers of the chip, and the
//! routing to the IPI and extended interrupt controllers (Loongson 3A5000
//! manual; Linux arch/loongarch/include/asm/loongarch.h).

use super::avec::{Avec, Target};
use super::eiointc::{CORES_PER_NODE, Eiointc, Undelivered};
use super::field;
use super::ipi::{Ipi, Send, decode_ipi_send};
use super::liointc::{self, Liointc};
use crate::cpu::Vectors;
use la_arch::eiointc::{BITMAP_SIZE, COREISR};
use la_arch::iocsr::{
    AVEC_EN, CPU_NAME, EIOINTC_BASE, EIOINTC_SIZE, EXT_IOI_EN, FEATURE_AVEC, FEATURE_CSR_IPI,
    FEATURE_EXT_IOI, FEATURE_MSI, FEATURES, INT_ENCODE, IPI_BASE, IPI_SIZE, MISC_FUNC, SOFT_INT,
    TIMER_RESET, VENDOR, VERSION,
};
use la_arch::ipi;
use serde::{Deserialize, Serialize};

/// What the chip has. FEATURE_VM stays zero: this machine is hardware.
const FEATURES_VALUE: u32 = FEATURE_MSI | FEATURE_EXT_IOI | FEATURE_CSR_IPI;
/// Bits of MISC_FUNC that can be written.
const MISC_WRITABLE: u64 = SOFT_INT | TIMER_RESET | EXT_IOI_EN | INT_ENCODE;

/// Upper halves of registers of 64 bits.
const VENDOR_HIGH: u64 = VENDOR + 4;
const CPU_NAME_HIGH: u64 = CPU_NAME + 4;
const MISC_FUNC_HIGH: u64 = MISC_FUNC + 4;

const IPI_END: u64 = IPI_BASE + IPI_SIZE;
const IPI_SEND: u64 = IPI_BASE + ipi::IPI_SEND;
const MAIL_SEND: u64 = IPI_BASE + ipi::MAIL_SEND;
const ANY_SEND: u64 = IPI_BASE + ipi::ANY_SEND;
/// The LIOINTC, where there is one, is in the EIOINTC's block, below its first register.
const LIOINTC_BASE: u64 = liointc::BASE;
const LIOINTC_END: u64 = LIOINTC_BASE + liointc::SIZE;
const EIOINTC_END: u64 = EIOINTC_BASE + EIOINTC_SIZE;

/// The CPU and its IOCSR address that the chip register of `node` at `offset` is. Each core
/// finds its own IPI block and core status at one IOCSR address; among the chip registers
/// they stand one after the other (Loongson 3A5000 manual, the same chapters).
pub(crate) fn of_chip(node: usize, offset: u64) -> (usize, u32) {
    const STRIDE: u64 = 0x100;
    let blocks = [
        (IPI_BASE, ipi::MAILBOX + 8 * ipi::MAILBOXES as u64),
        (EIOINTC_BASE + COREISR, BITMAP_SIZE),
    ];
    let first = node * CORES_PER_NODE;
    for (base, size) in blocks {
        if let Some(inside) = offset.checked_sub(base) {
            let core = (inside / STRIDE) as usize;
            if core < CORES_PER_NODE && inside % STRIDE < size {
                return (first + core, (base + inside % STRIDE) as u32);
            }
        }
    }
    (first, offset as u32)
}

/// Which units a chip has that not all have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Units {
    /// What sends message interrupts.
    pub(crate) avec: bool,
    /// The controller of legacy I/O interrupts.
    pub(crate) liointc: bool,
}

/// IOCSR space of all CPUs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Iocsr {
    /// MISC_FUNC of each node.
    misc: Vec<u64>,
    ipi: Vec<Ipi>,
    pub(crate) eiointc: Eiointc,
    /// What sends message interrupts, if the chip has it.
    avec: Option<Avec>,
    /// The controller of the chip's own devices, if the board uses it.
    liointc: Option<Liointc>,
}

impl Iocsr {
    /// IOCSR space of `cpus` CPUs after reset.
    pub(crate) fn new(cpus: usize, units: Units) -> Self {
        Self {
            misc: vec![0; cpus.div_ceil(CORES_PER_NODE)],
            ipi: vec![Ipi::default(); cpus],
            eiointc: Eiointc::new(cpus),
            avec: units.avec.then(|| Avec::new(cpus)),
            liointc: units.liointc.then(Liointc::default),
        }
    }

    /// Leaves the registers as firmware leaves them to a kernel: extended interrupts on
    /// (QEMU's board and KVM's have them on at all times).
    pub(crate) fn hand_over(&mut self) {
        for node in 0..self.misc.len() {
            let cpu = node * CORES_PER_NODE;
            self.write(cpu, MISC_FUNC as u32, 8, EXT_IOI_EN);
        }
    }

    /// Whether a saved state fits this machine.
    pub(crate) fn same_shape(&self, other: &Self) -> bool {
        self.misc.len() == other.misc.len()
            && self.ipi.len() == other.ipi.len()
            && self.eiointc.same_shape(&other.eiointc)
            && match (&self.avec, &other.avec) {
                (Some(avec), Some(other)) => avec.same_shape(other),
                (avec, other) => avec == other,
            }
            && self.liointc.is_some() == other.liointc.is_some()
    }

    /// Sends a message to a CPU.
    ///
    /// # Errors
    /// It is lost.
    pub(crate) fn send_message(&mut self, target: Target) -> Result<(), Undelivered> {
        let misc = self.misc.get(target.cpu / CORES_PER_NODE);
        let misc = misc.ok_or(Undelivered::NoNode)?;
        let avec = self.avec.as_mut().filter(|_| misc & AVEC_EN != 0);
        match avec.ok_or(Undelivered::Off)?.send(target) {
            true => Ok(()),
            false => Err(Undelivered::NoCore),
        }
    }

    /// The messages that have come for CPU `cpu`.
    pub(crate) fn take_messages(&mut self, cpu: usize) -> Option<Vectors> {
        self.avec.as_mut()?.take(cpu)
    }

    /// Interrupt inputs of CPU `cpu`: HWI pins and IPI.
    pub(crate) fn lines(&self, cpu: usize) -> (u8, bool) {
        let ipi = self.ipi.get(cpu).is_some_and(Ipi::line);
        let legacy = self.liointc.as_ref().map_or(0, |liointc| liointc.pins(cpu));
        (self.eiointc.pins(cpu) | legacy, ipi)
    }

    /// Takes the level of an input of the LIOINTC over; whether it is another than before.
    pub(crate) fn set_liointc(&mut self, number: u32, level: bool) -> bool {
        let liointc = self.liointc.as_mut();
        liointc.is_some_and(|liointc| liointc.set(number, level))
    }

    /// Why an input of the LIOINTC that interrupts reaches no CPU.
    pub(crate) fn undelivered_input(&self, number: u32) -> Option<Undelivered> {
        let liointc = self.liointc.as_ref()?;
        liointc.undelivered(number, self.ipi.len())
    }

    /// The LIOINTC that CPU `cpu` finds in IOCSR space.
    fn liointc(&mut self, cpu: usize) -> Option<&mut Liointc> {
        self.liointc.as_mut().filter(|_| cpu < CORES_PER_NODE)
    }

    fn read_word(&mut self, cpu: usize, addr: u64) -> u32 {
        let half = |value: u64| (value >> (8 * (addr & 4))) as u32;
        match addr {
            VERSION => 0x11,
            FEATURES => match self.avec {
                Some(_) => FEATURES_VALUE | FEATURE_AVEC,
                None => FEATURES_VALUE,
            },
            VENDOR | VENDOR_HIGH => half(u64::from_le_bytes(*b"Loongson")),
            CPU_NAME | CPU_NAME_HIGH => half(u64::from_le_bytes(*b"3A5000\0\0")),
            MISC_FUNC | MISC_FUNC_HIGH => {
                half(self.misc.get(cpu / CORES_PER_NODE).copied().unwrap_or(0))
            }
            IPI_BASE..IPI_END => self
                .ipi
                .get(cpu)
                .map_or(0, |core| core.read(addr - IPI_BASE)),
            LIOINTC_BASE..LIOINTC_END => self
                .liointc(cpu)
                .map_or(0, |liointc| liointc.read(addr - LIOINTC_BASE)),
            LIOINTC_END..EIOINTC_END => self.eiointc.read(cpu, addr - EIOINTC_BASE),
            _ => 0,
        }
    }

    fn write_word(&mut self, cpu: usize, addr: u64, value: u32, mask: u32) {
        match addr {
            MISC_FUNC | MISC_FUNC_HIGH => {
                let shift = 8 * (addr & 4);
                let avec = if self.avec.is_some() { AVEC_EN } else { 0 };
                let mask = u64::from(mask) << shift & (MISC_WRITABLE | avec);
                let value = u64::from(value) << shift & mask;
                if let Some(misc) = self.misc.get_mut(cpu / CORES_PER_NODE) {
                    *misc = *misc & !mask | value;
                    let (on, encode) = (*misc & EXT_IOI_EN != 0, *misc & INT_ENCODE != 0);
                    self.eiointc.set_mode(cpu, on, encode);
                }
            }
            IPI_SEND => {
                let (target, bit) = decode_ipi_send(value & mask);
                if let Some(core) = self.ipi.get_mut(target) {
                    core.write(ipi::SET, bit, u32::MAX);
                }
            }
            IPI_BASE..IPI_END => {
                if let Some(core) = self.ipi.get_mut(cpu) {
                    core.write(addr - IPI_BASE, value, mask);
                }
            }
            LIOINTC_BASE..LIOINTC_END => {
                if let Some(liointc) = self.liointc(cpu) {
                    liointc.write(addr - LIOINTC_BASE, value, mask);
                }
            }
            LIOINTC_END..EIOINTC_END => {
                self.eiointc.write(cpu, addr - EIOINTC_BASE, value, mask);
            }
            _ => {}
        }
    }

    /// Reads `size` bytes as CPU `cpu`.
    pub(crate) fn read(&mut self, cpu: usize, addr: u32, size: u8) -> u64 {
        let word = addr & !3;
        let low = u64::from(self.read_word(cpu, word.into()));
        // Only what reaches into the next register reads it.
        let high = if (addr & 3) + u32::from(size) > 4 {
            u64::from(self.read_word(cpu, word.wrapping_add(4).into()))
        } else {
            0
        };
        field::extract(low | high << 32, u64::from(addr & 3), size)
    }

    /// Writes `size` bytes as CPU `cpu`.
    pub(crate) fn write(&mut self, cpu: usize, addr: u32, size: u8, value: u64) {
        // The send commands are one register of 64 bits, which takes effect
        // as a whole.
        match u64::from(addr) {
            MAIL_SEND if size == 8 => {
                let send = Send::decode(value);
                return self.write_word(send.cpu, IPI_BASE + send.mailbox, send.data, send.mask);
            }
            ANY_SEND if size == 8 => {
                let send = Send::decode(value);
                return self.write_word(send.cpu, send.address, send.data, send.mask);
            }
            _ => {}
        }
        let word = addr & !3;
        let (value, mask) = field::place(value, u64::from(addr & 3), size);
        if mask as u32 != 0 {
            self.write_word(cpu, word.into(), value as u32, mask as u32);
        }
        if mask >> 32 != 0 {
            let (value, mask) = ((value >> 32) as u32, (mask >> 32) as u32);
            self.write_word(cpu, word.wrapping_add(4).into(), value, mask);
        }
    }
}
