// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A virtio driver, which can do anything wrong. Registers are named by their offsets on
//! virtio-mmio.

use super::board::{config_space, msix, registers};
use lvz_sim::engine::Machine;
use lvz_sim::map::{Board, Device};

/// Entries of a queue.
pub(super) const ENTRIES: u16 = 16;
/// Where a queue is: descriptors, then at distances of a page what is available and what is used.
const QUEUE: u64 = 0x10_0000;
const QUEUE_SIZE: u64 = 0x4000;
const AVAILABLE: u64 = 0x1000;
const USED: u64 = 0x2000;

/// Flags of a descriptor.
pub(super) const NEXT: u16 = 1;
pub(super) const WRITE: u16 = 2;
pub(super) const INDIRECT: u16 = 4;

/// A descriptor: address, length, flags, next.
pub(super) type Descriptor = (u64, u32, u16, u16);

/// The register on PCI, and how many bytes it has.
fn on_pci(register: u64) -> (u64, u8) {
    match register {
        0x14 => (0x00, 4),
        0x10 => (0x04, 4),
        0x24 => (0x08, 4),
        0x20 => (0x0c, 4),
        0x70 => (0x14, 1),
        0x30 => (0x16, 2),
        0x38 => (0x18, 2),
        0x44 => (0x1c, 2),
        0x80..0x88 => (0x20 + register - 0x80, 4),
        0x90..0x98 => (0x28 + register - 0x90, 4),
        0xa0..0xa8 => (0x30 + register - 0xa0, 4),
        0x60 => (0x1000, 1),
        // The device's own.
        _ => (0x2000 + (register & 0xff), 4),
    }
}

/// The driver of one device.
pub(super) struct Driver {
    board: &'static Board,
    /// The device, in the order in which the machine has them.
    index: u64,
}

impl Driver {
    pub(super) fn new(board: &'static Board, index: usize) -> Self {
        let index = index as u64;
        Self { board, index }
    }

    pub(super) fn set(&self, machine: &mut Machine, register: u64, value: u64) {
        let transport = self.board.place(Device::Virtio(self.index as usize));
        let (base, (offset, size)) = match (self.board.pci(), transport) {
            (Some(host), _) => (registers(host, self.index), on_pci(register)),
            (None, Some(place)) => (place.base, (register, 4)),
            (None, None) => return,
        };
        machine
            .bus
            .platform
            .mmio_write(0, base + offset, size, value);
    }

    /// Has the device interrupt by messages, which go to these addresses.
    pub(super) fn use_messages(&self, machine: &mut Machine, addresses: &[u64]) {
        const MSIX_CAPABILITY: u64 = 0x11;
        const FIRST_CAPABILITY: u64 = 0x34;
        const ENABLE: u64 = 1 << 15;
        let Some(host) = self.board.pci() else {
            return;
        };
        let platform = &mut machine.bus.platform;
        for (entry, address) in (0..).zip(addresses) {
            for (field, value) in [(0, *address), (8, entry)] {
                let at = msix(host, self.index) + 16 * entry + field;
                platform.mmio_write(0, at, 8, value);
            }
        }
        let slot = host.slots[self.index as usize];
        let Some((space, _)) = config_space(host, slot.device).next() else {
            return;
        };
        let mut byte = |at| platform.mmio_read(0, space + at, 1).unwrap_or(0);
        let mut at = byte(FIRST_CAPABILITY);
        while at != 0 && byte(at) != MSIX_CAPABILITY {
            at = byte(at + 1);
        }
        platform.mmio_write(0, space + at + 2, 2, ENABLE);
        // The vectors of the configuration and of both queues.
        for (register, value) in [(0x10, 0), (0x16, 0), (0x1a, 0), (0x16, 1), (0x1a, 1)] {
            let at = registers(host, self.index) + register;
            platform.mmio_write(0, at, 2, value);
        }
    }

    /// Tells the device of queue `number`.
    pub(super) fn notify(&self, machine: &mut Machine, number: u16) {
        match self.board.pci() {
            None => self.set(machine, 0x50, number.into()),
            Some(host) => {
                let at = registers(host, self.index) + 0x3000 + 4 * u64::from(number);
                machine.bus.platform.mmio_write(0, at, 2, number.into());
            }
        }
    }

    /// Starts the device with two queues and these features of its own.
    pub(super) fn start(&self, machine: &mut Machine, features: u32) {
        const VERSION_1: u64 = 1;
        for status in [0, 1, 3] {
            self.set(machine, 0x70, status);
        }
        for (half, bits) in [(0, features.into()), (1, VERSION_1)] {
            self.set(machine, 0x24, half);
            self.set(machine, 0x20, bits);
        }
        self.set(machine, 0x70, 11);
        for number in 0..2 {
            let at = queue(number);
            fill(machine, at, &[0; QUEUE_SIZE as usize]);
            self.set(machine, 0x30, number.into());
            self.set(machine, 0x38, ENTRIES.into());
            for (register, address) in [(0x80, at), (0x90, at + AVAILABLE), (0xa0, at + USED)] {
                self.set(machine, register, address);
                self.set(machine, register + 4, 0);
            }
            self.set(machine, 0x44, 1);
        }
        self.set(machine, 0x70, 15);
    }
}

/// Where queue `number` is.
pub(super) fn queue(number: u16) -> u64 {
    QUEUE + u64::from(number) * QUEUE_SIZE
}

/// Puts bytes into the machine's low memory.
pub(super) fn fill(machine: &mut Machine, at: u64, bytes: &[u8]) {
    let at = at as usize;
    machine.bus.ram.bytes_mut()[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Writes a descriptor.
pub(super) fn describe(
    machine: &mut Machine,
    table: u64,
    number: u16,
    (address, length, flags, next): Descriptor,
) {
    let mut bytes = address.to_le_bytes().to_vec();
    bytes.extend(length.to_le_bytes());
    bytes.extend(flags.to_le_bytes());
    bytes.extend(next.to_le_bytes());
    fill(machine, table + 16 * u64::from(number), &bytes);
}

/// Makes the chain that begins at descriptor `head` the one that is available as number `slot`,
/// which is the last.
pub(super) fn offer(machine: &mut Machine, number: u16, slot: u16, head: u16) {
    let ring = queue(number) + AVAILABLE;
    let entry = ring + 4 + 2 * u64::from(slot % ENTRIES);
    fill(machine, entry, &head.to_le_bytes());
    fill(machine, ring + 2, &slot.wrapping_add(1).to_le_bytes());
}

/// What is used as number `slot`: the head and how many bytes were written; `None` if it is not.
pub(super) fn used(machine: &Machine, number: u16, slot: u16) -> Option<(u32, u32)> {
    let ring = (queue(number) + USED) as usize;
    let bytes = machine.bus.ram.bytes();
    let count = u16::from_le_bytes([bytes[ring + 2], bytes[ring + 3]]);
    let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| bytes[at + byte]));
    let entry = ring + 4 + 8 * usize::from(slot % ENTRIES);
    let waiting = count.wrapping_sub(slot);
    (1..=ENTRIES)
        .contains(&waiting)
        .then(|| (word(entry), word(entry + 4)))
}
