// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Configuration space of a function (PCI Local Bus Specification 3.0, chapter 6): bytes,
//! and which of their bits can be written. A base address register that says its size is
//! one whose low bits cannot be written.

use crate::platform::field;

/// There are no extended capabilities: above, ECAM reads zero.
const SIZE: usize = 256;

pub(super) const COMMAND: usize = 0x04;
pub(super) const STATUS: usize = 0x06;
const BARS: usize = 0x10;
const CAPABILITIES: usize = 0x34;
const INTERRUPT_PIN: usize = 0x3d;
/// The first capability.
const FIRST: usize = 0x40;

pub(super) const COMMAND_MEMORY: u64 = 1 << 1;
pub(super) const COMMAND_MASTER: u64 = 1 << 2;
pub(super) const COMMAND_INTX_OFF: u64 = 1 << 10;
/// Interrupt Status (6.2.3), whether INTx is disabled or not.
pub(super) const STATUS_INTERRUPT: u64 = 1 << 3;
const STATUS_CAPABILITIES: u8 = 1 << 4;

/// Memory in 64 bits, prefetchable; else in 32 and not.
const BAR_WIDE: u32 = 0b1100;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConfigSpace {
    bytes: Vec<u8>,
    writable: Vec<u8>,
    /// Where the next capability goes, and where the pointer to it is.
    next: (usize, usize),
}

impl ConfigSpace {
    /// The space of a function with vendor and device number, class (24 bits) and revision.
    pub(super) fn new((vendor, device): (u16, u16), class: u32, revision: u8) -> Self {
        let mut space = Self {
            bytes: vec![0; SIZE],
            writable: vec![0; SIZE],
            next: (FIRST, CAPABILITIES),
        };
        space.put(0, &vendor.to_le_bytes());
        space.put(2, &device.to_le_bytes());
        space.put(8, &(class << 8 | u32::from(revision)).to_le_bytes());
        let command = COMMAND_MEMORY | COMMAND_MASTER | COMMAND_INTX_OFF;
        space.allow(COMMAND, &(command as u16).to_le_bytes());
        // Cache line size and interrupt line are the driver's.
        space.allow(0x0c, &[0xff]);
        space.allow(0x3c, &[0xff]);
        space
    }

    /// Sets bytes as the device has them.
    pub(super) fn put(&mut self, at: usize, bytes: &[u8]) {
        for (slot, byte) in self.bytes.iter_mut().skip(at).zip(bytes) {
            *slot = *byte;
        }
    }

    fn allow(&mut self, at: usize, mask: &[u8]) {
        for (slot, bits) in self.writable.iter_mut().skip(at).zip(mask) {
            *slot |= *bits;
        }
    }

    /// The same vendor numbers for the subsystem, and an interrupt at pin A.
    pub(super) fn set_subsystem(&mut self, (vendor, device): (u16, u16)) {
        self.put(0x2c, &vendor.to_le_bytes());
        self.put(0x2e, &device.to_le_bytes());
        self.put(INTERRUPT_PIN, &[1]);
    }

    /// Makes base address register `bar` one for `size` bytes, a power of two.
    pub(super) fn add_bar(&mut self, bar: usize, size: u64, wide: bool) {
        let at = BARS + 4 * bar;
        let mask = !(size - 1);
        if wide {
            self.put(at, &BAR_WIDE.to_le_bytes());
            self.allow(at, &mask.to_le_bytes());
        } else {
            self.allow(at, &(mask as u32).to_le_bytes());
        }
    }

    /// Appends a capability: its kind, and what comes after kind and pointer, with the bits
    /// of that which can be written. Returns where it is.
    pub(super) fn add_capability(&mut self, kind: u8, body: &[u8], writable: &[u8]) -> usize {
        let (at, pointer) = self.next;
        self.put(pointer, &[at as u8]);
        self.put(at, &[kind, 0]);
        self.put(at + 2, body);
        self.allow(at + 2, writable);
        self.put(STATUS, &[STATUS_CAPABILITIES]);
        self.next = ((at + 2 + body.len()).next_multiple_of(4), at + 1);
        at
    }

    /// Reads `size` bytes.
    pub(super) fn read(&self, at: u64, size: u8) -> u64 {
        let mut bytes = [0; 8];
        let from = self.bytes.get(at as usize..).unwrap_or(&[]);
        for (slot, byte) in bytes.iter_mut().zip(from).take(size.into()) {
            *slot = *byte;
        }
        u64::from_le_bytes(bytes) & field::mask(size)
    }

    /// Writes those bits of `size` bytes that can be written.
    pub(super) fn write(&mut self, at: u64, size: u8, value: u64) {
        let at = at as usize;
        let places = self.bytes.iter_mut().zip(&self.writable).skip(at);
        for ((byte, mask), new) in places.zip(value.to_le_bytes()).take(size.into()) {
            *byte = *byte & !mask | new & mask;
        }
    }

    /// Whether a bit of the command register is set.
    pub(super) fn commands(&self, bit: u64) -> bool {
        self.read(COMMAND as u64, 2) & bit != 0
    }

    /// The address in base address register `bar`.
    pub(super) fn bar(&self, bar: usize, wide: bool) -> u64 {
        let value = self.read((BARS + 4 * bar) as u64, if wide { 8 } else { 4 });
        value & !0xf
    }

    /// The bytes, for a snapshot.
    pub(super) fn save(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    /// Takes over saved bytes, in which nothing differs but what can be written.
    pub(super) fn restore(&mut self, bytes: &[u8]) -> bool {
        let same = bytes.len() == SIZE
            && (bytes.iter().zip(&self.bytes).zip(&self.writable))
                .all(|((new, old), mask)| (new ^ old) & !mask == 0);
        if same {
            self.bytes.copy_from_slice(bytes);
        }
        same
    }
}
