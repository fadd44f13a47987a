// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A virtio driver, as small as it can be.

use super::*;
use vm_memory::Bytes;

const QUEUE: u64 = 0x10_0000;
const BUFFERS: u64 = 0x40_0000;
const SIZE: u64 = 16;

/// Driver of one device. Registers are named by their offsets on virtio-mmio.
pub(super) struct Driver {
    base: u64,
    pci: bool,
    sent: Vec<u16>,
}

/// The same register on PCI: offset and size.
fn on_pci(register: u64) -> (u64, u8) {
    match register {
        0x10 => (0x04, 4),
        0x14 => (0x00, 4),
        0x20 => (0x0c, 4),
        0x24 => (0x08, 4),
        0x30 => (0x16, 2),
        0x34 | 0x38 => (0x18, 2),
        0x44 => (0x1c, 2),
        0x60 => (0x1000, 1),
        0x70 => (0x14, 1),
        0x80 | 0x84 => (register - 0x80 + 0x20, 4),
        0x90 | 0x94 => (register - 0x90 + 0x28, 4),
        0xa0 | 0xa4 => (register - 0xa0 + 0x30, 4),
        _ => panic!("{register:#x}"),
    }
}

impl Driver {
    /// Starts the device behind transport `index`.
    pub(super) fn new(rig: &mut Rig, index: u64, queues: u64) -> Self {
        let base = VIRTIO_BASE + index * VIRTIO_STRIDE;
        assert_eq!(rig.read(base, 4), 0x7472_6976);
        assert_eq!(rig.read(base + 4, 4), 2);
        Self::start(rig, base, false, queues, u64::MAX)
    }

    /// The same with no more than these features.
    pub(super) fn with_features(rig: &mut Rig, index: u64, queues: u64, features: u64) -> Self {
        let base = VIRTIO_BASE + index * VIRTIO_STRIDE;
        Self::start(rig, base, false, queues, features)
    }

    /// Starts the device whose registers on PCI are at `base`.
    pub(super) fn on_pci(rig: &mut Rig, base: u64, queues: u64) -> Self {
        Self::start(rig, base, true, queues, u64::MAX)
    }

    fn start(rig: &mut Rig, base: u64, pci: bool, queues: u64, features: u64) -> Self {
        let driver = Self {
            base,
            pci,
            sent: vec![0; queues as usize],
        };
        for status in [0, 1, 3] {
            driver.set(rig, 0x70, status);
        }
        let offered = driver.features(rig);
        assert_ne!(offered & 1 << 32, 0);
        let taken = offered & features;
        driver.set(rig, 0x24, 0);
        driver.set(rig, 0x20, taken & 0xffff_ffff);
        driver.set(rig, 0x24, 1);
        driver.set(rig, 0x20, taken >> 32);
        driver.set(rig, 0x70, 11);
        assert_eq!(driver.get(rig, 0x70), 11);
        for queue in 0..queues {
            let zeros = [0; 0x3000];
            let at = GuestAddress(QUEUE + queue * 0x1_0000);
            rig.ram.write_slice(&zeros, at).unwrap();
            assert!(driver.start_queue(rig, queue, QUEUE + queue * 0x1_0000));
        }
        driver.set(rig, 0x70, 15);
        driver
    }

    pub(super) fn get(&self, rig: &mut Rig, offset: u64) -> u64 {
        let (offset, size) = if self.pci {
            on_pci(offset)
        } else {
            (offset, 4)
        };
        rig.read(self.base + offset, size)
    }

    pub(super) fn set(&self, rig: &mut Rig, offset: u64, value: u64) {
        let (offset, size) = match (self.pci, offset) {
            (false, _) => (offset, 4),
            // A notification is a place for each queue, the interrupt status clears itself.
            (true, 0x50) => (0x3000 + 4 * value, 2),
            (true, 0x64) => return,
            (true, _) => on_pci(offset),
        };
        rig.write(self.base + offset, size, value);
    }

    pub(super) fn features(&self, rig: &mut Rig) -> u64 {
        self.set(rig, 0x14, 0);
        let low = self.get(rig, 0x10);
        self.set(rig, 0x14, 1);
        low | self.get(rig, 0x10) << 32
    }

    /// Puts a queue at `at`; returns whether the device takes it.
    pub(super) fn start_queue(&self, rig: &mut Rig, queue: u64, at: u64) -> bool {
        self.set(rig, 0x30, queue);
        assert!(self.get(rig, 0x34) >= SIZE);
        self.set(rig, 0x44, 0);
        self.set(rig, 0x38, SIZE);
        for (register, offset) in [(0x80, 0), (0x90, 0x1000), (0xa0, 0x2000)] {
            let address = at.wrapping_add(offset);
            self.set(rig, register, address & 0xffff_ffff);
            self.set(rig, register + 4, address >> 32);
        }
        self.set(rig, 0x44, 1);
        self.get(rig, 0x44) == 1
    }

    /// Writes descriptor `number` of a queue.
    pub(super) fn describe(
        &self,
        rig: &Rig,
        queue: u64,
        number: u64,
        (address, length, flags, next): (u64, u32, u16, u16),
    ) {
        let mut bytes = address.to_le_bytes().to_vec();
        bytes.extend(length.to_le_bytes());
        bytes.extend(flags.to_le_bytes());
        bytes.extend(next.to_le_bytes());
        let at = QUEUE + queue * 0x1_0000 + number * 16;
        rig.ram.write_slice(&bytes, GuestAddress(at)).unwrap();
    }

    /// Makes the chain that begins at descriptor `head` available and
    /// notifies the device.
    pub(super) fn submit(&mut self, rig: &mut Rig, queue: u64, head: u16) {
        let ring = QUEUE + queue * 0x1_0000 + 0x1000;
        let sent = &mut self.sent[queue as usize];
        let slot = ring + 4 + u64::from(*sent) % SIZE * 2;
        rig.ram.write_obj(head, GuestAddress(slot)).unwrap();
        *sent = sent.wrapping_add(1);
        rig.ram.write_obj(*sent, GuestAddress(ring + 2)).unwrap();
        // Wants an interrupt for each.
        let event = ring + 4 + SIZE * 2;
        let last = sent.wrapping_sub(1);
        rig.ram.write_obj(last, GuestAddress(event)).unwrap();
        self.set(rig, 0x50, queue);
    }

    /// Sets the flags of a queue's available ring.
    pub(super) fn set_flags(&self, rig: &Rig, queue: u64, flags: u16) {
        let at = GuestAddress(QUEUE + queue * 0x1_0000 + 0x1000);
        rig.ram.write_obj(flags, at).unwrap();
    }

    /// Entries in the used ring, and the length of the last.
    pub(super) fn used(&self, rig: &Rig, queue: u64) -> (u16, u32) {
        let ring = QUEUE + queue * 0x1_0000 + 0x2000;
        let count: u16 = rig.ram.read_obj(GuestAddress(ring + 2)).unwrap();
        let last = u64::from(count.wrapping_sub(1)) % SIZE;
        let length = rig.ram.read_obj(GuestAddress(ring + 4 + last * 8 + 4));
        (count, length.unwrap())
    }

    /// Queues a request of `input` buffers and of room for `output` bytes.
    pub(super) fn queue(&mut self, rig: &mut Rig, queue: u64, input: &[&[u8]], output: &[u32]) {
        let mut address = BUFFERS;
        let count = (input.len() + output.len()) as u64;
        let lengths = input
            .iter()
            .map(|bytes| (bytes.len() as u32, 0))
            .chain(output.iter().map(|&length| (length, 2)));
        for (number, (length, write)) in lengths.enumerate() {
            let number = number as u64;
            if let Some(bytes) = input.get(number as usize) {
                rig.ram.write_slice(bytes, GuestAddress(address)).unwrap();
            }
            let more = u16::from(number + 1 < count);
            let entry = (address, length, write | more, number as u16 + 1);
            self.describe(rig, queue, number, entry);
            address += u64::from(length).next_multiple_of(64);
        }
        self.submit(rig, queue, 0);
    }

    /// Makes a request and returns what the device wrote.
    pub(super) fn request(
        &mut self,
        rig: &mut Rig,
        queue: u64,
        input: &[&[u8]],
        output: u32,
    ) -> Vec<u8> {
        let (before, _) = self.used(rig, queue);
        self.queue(rig, queue, input, &[output]);
        let (after, length) = self.used(rig, queue);
        assert_eq!(after, before.wrapping_add(1), "the request is not done");
        assert_eq!(self.get(rig, 0x60), 1, "no interrupt");
        self.set(rig, 0x64, 1);
        assert!(length <= output);
        let address = input
            .iter()
            .fold(BUFFERS, |at, b| at + (b.len() as u64).next_multiple_of(64));
        let mut bytes = vec![0; length as usize];
        rig.ram
            .read_slice(&mut bytes, GuestAddress(address))
            .unwrap();
        bytes
    }

    /// Makes a request of the block device and returns data and status.
    pub(super) fn block(
        &mut self,
        rig: &mut Rig,
        kind: u32,
        sector: u64,
        data: &[u8],
        room: u32,
    ) -> (Vec<u8>, u8) {
        let mut header = kind.to_le_bytes().to_vec();
        header.extend(0u32.to_le_bytes());
        header.extend(sector.to_le_bytes());
        let input: &[&[u8]] = if data.is_empty() {
            &[&header]
        } else {
            &[&header, data]
        };
        // The used length tells only what was written: look at all of it.
        let mut bytes = self.request(rig, 0, input, room + 1);
        let status = bytes.pop().unwrap();
        (bytes, status)
    }
}
