// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A virtio device as a PCI function (virtio 1.2, section 4.1), without the legacy
//! interface. Its common configuration has the registers of virtio-mmio under other
//! offsets, so each access is handed on to the transport as one of those.

use super::common::{
    CONFIG_MSIX_VECTOR, DEVICE_STATUS, NUM_QUEUES, QUEUE_ENABLE, QUEUE_MSIX_VECTOR,
    QUEUE_NOTIFY_OFF, QUEUE_SELECT, QUEUE_SIZE, halves, mmio_register,
};
use super::config::{
    COMMAND_INTX_OFF, COMMAND_MASTER, COMMAND_MEMORY, ConfigSpace, STATUS, STATUS_INTERRUPT,
};
use super::msix::{ENABLE, MASK_ALL, Message, Msix};
use crate::mem::ram::GuestRam;
use crate::platform::error::PlatformError;
use crate::platform::field;
use crate::platform::virtio::mmio::Transport;
use serde::{Deserialize, Serialize};
use virtio_bindings::virtio_ids::{
    VIRTIO_ID_9P, VIRTIO_ID_BLOCK, VIRTIO_ID_CONSOLE, VIRTIO_ID_NET, VIRTIO_ID_RNG,
};
use virtio_bindings::virtio_mmio as reg;

/// Virtio's vendor number, and what its device numbers begin at.
const VENDOR: u16 = 0x1af4;
const DEVICE: u16 = 0x1040;
/// The subsystem as QEMU's devices have it.
const SUBSYSTEM: (u16, u16) = (VENDOR, 0x1100);
const REVISION: u8 = 1;

/// Base address registers, as QEMU uses them: the MSI-X table, and the rest in 64 bits.
const MSIX_BAR: usize = 1;
const MSIX_BAR_SIZE: u64 = 0x1000;
const PENDING: u64 = 0x800;
const BAR: usize = 4;
const BAR_SIZE: u64 = 0x4000;

/// Structures in the larger one: place and size.
const COMMON: (u64, u64) = (0, 0x1000);
const ISR: (u64, u64) = (0x1000, 0x1000);
const SPECIFIC: (u64, u64) = (0x2000, 0x1000);
const NOTIFY: (u64, u64) = (0x3000, 0x1000);
/// Distance of the queues' notification addresses.
const NOTIFY_STEP: u32 = 4;

const CAPABILITY_VENDOR: u8 = 0x09;
const CAPABILITY_MSIX: u8 = 0x11;
/// Kinds of virtio's capabilities (4.1.4).
const COMMON_CAPABILITY: u8 = 1;
const NOTIFY_CAPABILITY: u8 = 2;
const ISR_CAPABILITY: u8 = 3;
const SPECIFIC_CAPABILITY: u8 = 4;
const WINDOW_CAPABILITY: u8 = 5;
/// Fields of the capability through which configuration space reaches the rest.
const WINDOW_BAR: u64 = 4;
const WINDOW_OFFSET: u64 = 8;
const WINDOW_LENGTH: u64 = 12;
const WINDOW_DATA: u64 = 16;

/// No message.
const NO_VECTOR: u16 = 0xffff;

/// The class of a device of virtio type `id`, as QEMU's have it.
fn class(id: u32) -> u32 {
    match id {
        VIRTIO_ID_NET => 0x02_0000,
        VIRTIO_ID_BLOCK => 0x01_0000,
        VIRTIO_ID_CONSOLE => 0x07_8000,
        VIRTIO_ID_9P => 0x00_0200,
        VIRTIO_ID_RNG => 0x00_ff00,
        _ => 0xff_0000,
    }
}

/// The place of `offset` in a structure.
fn inside((start, size): (u64, u64), offset: u64) -> Option<u64> {
    offset.checked_sub(start).filter(|&at| at < size)
}

/// Saved state, apart from the transport's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::platform) struct FunctionState {
    config: Vec<u8>,
    msix: Msix,
    config_vector: u16,
    queue_vectors: Vec<u16>,
}

#[derive(Debug)]
pub(super) struct Function {
    config: ConfigSpace,
    /// Where the capabilities of MSI-X and of the window are.
    msix_at: u64,
    window_at: u64,
    msix: Msix,
    config_vector: u16,
    queue_vectors: Vec<u16>,
}

impl Function {
    /// The function for a device.
    pub(super) fn new(transport: &Transport) -> Self {
        let id = transport.device().id();
        let queues = transport.queues();
        let mut config = ConfigSpace::new(
            (VENDOR, DEVICE.wrapping_add(id as u16)),
            class(id),
            REVISION,
        );
        config.set_subsystem(SUBSYSTEM);
        config.add_bar(MSIX_BAR, MSIX_BAR_SIZE, false);
        config.add_bar(BAR, BAR_SIZE, true);
        for (kind, (offset, size)) in [
            (COMMON_CAPABILITY, COMMON),
            (ISR_CAPABILITY, ISR),
            (SPECIFIC_CAPABILITY, SPECIFIC),
        ] {
            let body = virtio_capability(kind, BAR as u8, offset, size, &[]);
            config.add_capability(CAPABILITY_VENDOR, &body, &[]);
        }
        let step = NOTIFY_STEP.to_le_bytes();
        let body = virtio_capability(NOTIFY_CAPABILITY, BAR as u8, NOTIFY.0, NOTIFY.1, &step);
        config.add_capability(CAPABILITY_VENDOR, &body, &[]);
        let body = virtio_capability(WINDOW_CAPABILITY, 0, 0, 0, &[0; 4]);
        // BAR, offset and length are the driver's.
        let mask = [
            0, 0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        ];
        let window_at = config.add_capability(CAPABILITY_VENDOR, &body, &mask) as u64;
        // One message a queue and one for changes of the configuration.
        let msix = Msix::new(queues + 1);
        let mut body = (msix.vectors() as u16 - 1).to_le_bytes().to_vec();
        body.extend((MSIX_BAR as u32).to_le_bytes());
        body.extend((PENDING as u32 | MSIX_BAR as u32).to_le_bytes());
        let mask = ((ENABLE | MASK_ALL) as u16).to_le_bytes();
        let msix_at = config.add_capability(CAPABILITY_MSIX, &body, &mask) as u64;
        Self {
            config,
            msix_at,
            window_at,
            msix,
            config_vector: NO_VECTOR,
            queue_vectors: vec![NO_VECTOR; queues],
        }
    }

    pub(super) fn save(&self) -> FunctionState {
        FunctionState {
            config: self.config.save(),
            msix: self.msix.clone(),
            config_vector: self.config_vector,
            queue_vectors: self.queue_vectors.clone(),
        }
    }

    pub(super) fn restore(&mut self, state: &FunctionState) -> Result<(), PlatformError> {
        let fits = state.msix.vectors() == self.msix.vectors()
            && state.queue_vectors.len() == self.queue_vectors.len()
            && self.config.restore(&state.config);
        if !fits {
            return Err(PlatformError::Mismatch("a PCI function"));
        }
        self.msix = state.msix.clone();
        self.config_vector = state.config_vector;
        self.queue_vectors = state.queue_vectors.clone();
        Ok(())
    }

    /// Whether it may access memory, which its messages are accesses to, too.
    pub(super) fn is_master(&self) -> bool {
        self.config.commands(COMMAND_MASTER)
    }

    /// The base address register with `pa` in its range, and the place there.
    pub(super) fn find(&self, pa: u64) -> Option<(usize, u64)> {
        if !self.config.commands(COMMAND_MEMORY) {
            return None;
        }
        [(MSIX_BAR, MSIX_BAR_SIZE, false), (BAR, BAR_SIZE, true)]
            .into_iter()
            .find_map(|(bar, size, wide)| {
                let base = self.config.bar(bar, wide);
                inside((base, size), pa)
                    .filter(|_| base != 0)
                    .map(|at| (bar, at))
            })
    }

    /// What the driver has set the window to, if configuration space at `register` is its
    /// data.
    fn window(&self, register: u64) -> Option<(u64, u8)> {
        if register != self.window_at + WINDOW_DATA {
            return None;
        }
        let field = |at, size| self.config.read(self.window_at + at, size);
        let (bar, offset, length) = (
            field(WINDOW_BAR, 1),
            field(WINDOW_OFFSET, 4),
            field(WINDOW_LENGTH, 4),
        );
        (bar == BAR as u64 && matches!(length, 1 | 2 | 4)).then_some((offset, length as u8))
    }

    pub(super) fn config_read(&self, transport: &mut Transport, register: u64, size: u8) -> u64 {
        match self.window(register) {
            Some((offset, length)) => self.read(transport, BAR, offset, length) & field::mask(size),
            None => self.config.read(register, size) | self.status(transport, register, size),
        }
    }

    /// What the device adds to the status register, as `size` bytes at `register` have it.
    fn status(&self, transport: &Transport, register: u64, size: u8) -> u64 {
        match self.interrupts(transport) {
            true => field::extract(STATUS_INTERRUPT << (8 * STATUS), register, size),
            false => 0,
        }
    }

    /// Returns whether memory was written.
    pub(super) fn config_write(
        &mut self,
        transport: &mut Transport,
        ram: &GuestRam,
        register: u64,
        (size, value): (u8, u64),
    ) -> bool {
        self.config.write(register, size, value);
        match self.window(register) {
            Some((offset, length)) => {
                let value = value & field::mask(length);
                self.write(transport, ram, (BAR, offset), (length, value))
            }
            None => false,
        }
    }

    /// Reads `size` bytes at `offset` of a base address register's range.
    pub(super) fn read(&self, transport: &mut Transport, bar: usize, offset: u64, size: u8) -> u64 {
        if bar == MSIX_BAR {
            return match offset.checked_sub(PENDING) {
                None => self.msix.read(offset, size),
                Some(at @ 0..8) => field::extract(self.msix.pending(), at, size),
                Some(_) => 0,
            };
        }
        if let Some(at) = inside(COMMON, offset) {
            return self.read_common(transport, at, size);
        }
        if inside(ISR, offset) == Some(0) {
            // Reading it acknowledges.
            let status = transport.read(reg::VIRTIO_MMIO_INTERRUPT_STATUS.into(), 4);
            transport.acknowledge();
            return status & field::mask(size);
        }
        match inside(SPECIFIC, offset) {
            Some(at) => transport.read(u64::from(reg::VIRTIO_MMIO_CONFIG) + at, size),
            None => 0,
        }
    }

    /// Writes there; returns whether memory was written.
    pub(super) fn write(
        &mut self,
        transport: &mut Transport,
        ram: &GuestRam,
        (bar, offset): (usize, u64),
        (size, value): (u8, u64),
    ) -> bool {
        if bar == MSIX_BAR {
            self.msix.write(offset, size, value);
            return false;
        }
        if let Some(at) = inside(COMMON, offset) {
            self.write_common(transport, ram, at, (size, value));
            return false;
        }
        match inside(NOTIFY, offset) {
            Some(at) if self.is_master() => {
                let queue = at / u64::from(NOTIFY_STEP);
                transport.write(ram, reg::VIRTIO_MMIO_QUEUE_NOTIFY.into(), 4, queue)
            }
            _ => false,
        }
    }

    fn read_common(&self, transport: &mut Transport, at: u64, size: u8) -> u64 {
        let selected = transport.selected_queue();
        let value = match at {
            CONFIG_MSIX_VECTOR => self.config_vector.into(),
            NUM_QUEUES => transport.queues() as u64,
            QUEUE_SIZE => transport.queue_size().into(),
            QUEUE_MSIX_VECTOR => {
                let vector = self.queue_vectors.get(selected);
                vector.copied().unwrap_or(NO_VECTOR).into()
            }
            QUEUE_SELECT | QUEUE_NOTIFY_OFF => selected as u64,
            _ => halves(at, size).fold(0, |value, half| {
                let register = mmio_register(at + 4 * half);
                let word = register.map_or(0, |register| transport.read(register.into(), 4));
                value | word << (32 * half)
            }),
        };
        value & field::mask(size)
    }

    fn write_common(
        &mut self,
        transport: &mut Transport,
        ram: &GuestRam,
        at: u64,
        (size, value): (u8, u64),
    ) {
        let selected = transport.selected_queue();
        match at {
            CONFIG_MSIX_VECTOR => {
                self.release(self.config_vector);
                self.config_vector = self.existing(value);
            }
            QUEUE_MSIX_VECTOR => {
                if let Some(&before) = self.queue_vectors.get(selected) {
                    self.release(before);
                    self.queue_vectors[selected] = self.existing(value);
                }
            }
            // A driver may only enable a queue.
            QUEUE_ENABLE if value != 1 => {}
            DEVICE_STATUS if value & 0xff == 0 => {
                transport.reset();
                self.config_vector = NO_VECTOR;
                self.queue_vectors.fill(NO_VECTOR);
                self.msix.forget_all();
            }
            _ => {
                for half in halves(at, size) {
                    if let Some(register) = mmio_register(at + 4 * half) {
                        let word = value >> (32 * half) & field::mask(4);
                        transport.write(ram, register.into(), 4, word);
                    }
                }
            }
        }
    }

    /// Takes message `vector` from one of those that use it. One that no other uses does not
    /// wait any longer (QEMU: hw/pci/msix.c, `msix_vector_unuse`).
    fn release(&mut self, vector: u16) {
        let vectors = self.queue_vectors.iter().chain([&self.config_vector]);
        if vectors.filter(|used| **used == vector).count() == 1 {
            self.msix.forget(vector);
        }
    }

    /// A message number, or none if the table has no such.
    fn existing(&self, value: u64) -> u16 {
        match u16::try_from(value) {
            Ok(vector) if usize::from(vector) < self.msix.vectors() => vector,
            _ => NO_VECTOR,
        }
    }

    /// The capability's message control.
    fn control(&self) -> u64 {
        self.config.read(self.msix_at + 2, 2)
    }

    /// Takes what the device has to say: messages to be sent now.
    pub(super) fn signal(&mut self, transport: &mut Transport) -> Vec<Message> {
        let control = self.control();
        if control & ENABLE == 0 {
            transport.take_events();
            return self.msix.take(control);
        }
        let events = transport.take_events();
        transport.acknowledge();
        if events.config {
            self.msix.trigger(self.config_vector);
        }
        for (queue, vector) in self.queue_vectors.iter().enumerate() {
            if events.queues >> queue & 1 != 0 {
                self.msix.trigger(*vector);
            }
        }
        match self.is_master() {
            true => self.msix.take(control),
            false => Vec::new(),
        }
    }

    /// Whether there is an interrupt for the pin: not while messages are enabled.
    fn interrupts(&self, transport: &Transport) -> bool {
        transport.line() && self.control() & ENABLE == 0
    }

    /// Level of the interrupt pin.
    pub(super) fn line(&self, transport: &Transport) -> bool {
        self.interrupts(transport) && !self.config.commands(COMMAND_INTX_OFF)
    }
}

/// The body of one of virtio's capabilities: length, kind, place, and what follows.
fn virtio_capability(kind: u8, bar: u8, offset: u64, size: u64, more: &[u8]) -> Vec<u8> {
    let length = 16 + more.len() as u8;
    let mut body = vec![length, kind, bar, 0, 0, 0];
    body.extend((offset as u32).to_le_bytes());
    body.extend((size as u32).to_le_bytes());
    body.extend(more);
    body
}
