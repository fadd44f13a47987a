// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The virtio-mmio transport, version 2 (virtio 1.2, section 4.2).

use super::device::{Completion, DeviceState, VirtioDevice};
use crate::mem::ram::GuestRam;
use crate::platform::error::PlatformError;
use crate::platform::field;
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering;
use virtio_bindings::virtio_config::{
    VIRTIO_CONFIG_S_DRIVER_OK as STATUS_DRIVER_OK,
    VIRTIO_CONFIG_S_FEATURES_OK as STATUS_FEATURES_OK,
    VIRTIO_CONFIG_S_NEEDS_RESET as STATUS_NEEDS_RESET, VIRTIO_F_VERSION_1,
};
use virtio_bindings::virtio_mmio as reg;
use virtio_bindings::virtio_mmio::{
    VIRTIO_MMIO_INT_CONFIG as INTERRUPT_CONFIG, VIRTIO_MMIO_INT_VRING as INTERRUPT_USED,
};
use virtio_bindings::virtio_ring::{
    VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC, VRING_AVAIL_F_NO_INTERRUPT,
};
use virtio_queue::{Queue, QueueOwnedT, QueueState, QueueT, Reader, Writer};
use vm_memory::{Bytes, GuestAddress};

const MAGIC: u32 = u32::from_le_bytes(*b"virt");
const VENDOR: u32 = u32::from_le_bytes(*b"LVZS");
const CONFIG: u64 = reg::VIRTIO_MMIO_CONFIG as u64;

const F_EVENT_IDX: u64 = 1 << VIRTIO_RING_F_EVENT_IDX;
const F_INDIRECT_DESC: u64 = 1 << VIRTIO_RING_F_INDIRECT_DESC;
const F_VERSION_1: u64 = 1 << VIRTIO_F_VERSION_1;

/// The transport's version without legacy devices (section 4.2.2).
const VERSION: u32 = 2;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SavedQueue {
    next_avail: u16,
    next_used: u16,
    event_idx: bool,
    size: u16,
    ready: bool,
    desc_table: u64,
    avail_ring: u64,
    used_ring: u64,
}

/// Registers of the transport, apart from the queues'.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Registers {
    device_features_sel: u32,
    driver_features_sel: u32,
    driver_features: u64,
    queue_sel: u32,
    status: u32,
    interrupt: u32,
}

/// Saved state of a transport and its device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TransportState {
    registers: Registers,
    queues: Vec<SavedQueue>,
    device: DeviceState,
}

/// What the driver is to be told, apart from the interrupt register.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Events {
    /// Queues with used buffers, a bit each.
    pub(crate) queues: u64,
    /// The configuration has changed.
    pub(crate) config: bool,
}

/// One transport with its device.
pub(crate) struct Transport {
    device: Box<dyn VirtioDevice>,
    queues: Vec<Queue>,
    registers: Registers,
    events: Events,
}

fn new_queues(sizes: &[u16]) -> Vec<Queue> {
    // Sizes are constants of the device models: powers of two.
    sizes
        .iter()
        .filter_map(|&size| Queue::new(size).ok())
        .collect()
}

/// The 32 feature bits that a driver selects; beyond 63 there are none.
fn half(features: u64, select: u32) -> u32 {
    match select {
        0 => features as u32,
        1 => (features >> 32) as u32,
        _ => 0,
    }
}

impl Transport {
    /// A transport for `device`.
    pub(crate) fn new(device: Box<dyn VirtioDevice>) -> Self {
        Self {
            queues: new_queues(device.queues()),
            device,
            registers: Registers::default(),
            events: Events::default(),
        }
    }

    /// Resets transport and device.
    pub(crate) fn reset(&mut self) {
        self.registers = Registers::default();
        self.events = Events::default();
        self.queues = new_queues(self.device.queues());
        self.device.reset();
    }

    /// Level of the interrupt line: something is not acknowledged.
    pub(crate) fn line(&self) -> bool {
        self.registers.interrupt != 0
    }

    /// Drops the interrupt line.
    pub(crate) fn acknowledge(&mut self) {
        self.registers.interrupt = 0;
    }

    /// What has happened since the last call.
    pub(crate) fn take_events(&mut self) -> Events {
        std::mem::take(&mut self.events)
    }

    /// Number of queues.
    pub(crate) fn queues(&self) -> usize {
        self.queues.len()
    }

    /// The queue that registers are about; it may not exist.
    pub(crate) fn selected_queue(&self) -> usize {
        self.registers.queue_sel as usize
    }

    /// Its size; zero if it does not exist.
    pub(crate) fn queue_size(&self) -> u16 {
        let queue = self.queues.get(self.selected_queue());
        queue.map_or(0, QueueT::size)
    }

    /// Passes on what the device holds back.
    pub(crate) fn flush(&mut self) {
        self.device.flush();
    }

    fn features(&self) -> u64 {
        self.device.features() | F_VERSION_1 | F_EVENT_IDX | F_INDIRECT_DESC
    }

    fn queue(&mut self) -> Option<&mut Queue> {
        self.queues.get_mut(self.registers.queue_sel as usize)
    }

    /// One of the selected queue's addresses.
    fn address(&mut self, of: fn(&Queue) -> u64) -> u64 {
        self.queue().map_or(0, |queue| of(queue))
    }

    /// Reads `size` bytes at `offset`.
    pub(crate) fn read(&mut self, offset: u64, size: u8) -> u64 {
        if offset >= CONFIG {
            let config = self.device.config();
            let start = ((offset - CONFIG) as usize).min(config.len());
            let mut bytes = [0; 8];
            for (slot, byte) in bytes.iter_mut().zip(&config[start..]) {
                *slot = *byte;
            }
            return u64::from_le_bytes(bytes) & field::mask(size);
        }
        if size != 4 {
            return 0;
        }
        u64::from(match offset as u32 {
            reg::VIRTIO_MMIO_MAGIC_VALUE => MAGIC,
            reg::VIRTIO_MMIO_VERSION => VERSION,
            reg::VIRTIO_MMIO_DEVICE_ID => self.device.id(),
            reg::VIRTIO_MMIO_VENDOR_ID => VENDOR,
            reg::VIRTIO_MMIO_DEVICE_FEATURES => {
                half(self.features(), self.registers.device_features_sel)
            }
            reg::VIRTIO_MMIO_QUEUE_NUM_MAX => {
                self.queue().map_or(0, |queue| queue.max_size().into())
            }
            // On virtio-mmio drivers only write these; on PCI they read them too (4.1.4.3).
            reg::VIRTIO_MMIO_DEVICE_FEATURES_SEL => self.registers.device_features_sel,
            reg::VIRTIO_MMIO_DRIVER_FEATURES_SEL => self.registers.driver_features_sel,
            reg::VIRTIO_MMIO_DRIVER_FEATURES => half(
                self.registers.driver_features,
                self.registers.driver_features_sel,
            ),
            reg::VIRTIO_MMIO_QUEUE_DESC_LOW => self.address(QueueT::desc_table) as u32,
            reg::VIRTIO_MMIO_QUEUE_DESC_HIGH => (self.address(QueueT::desc_table) >> 32) as u32,
            reg::VIRTIO_MMIO_QUEUE_AVAIL_LOW => self.address(QueueT::avail_ring) as u32,
            reg::VIRTIO_MMIO_QUEUE_AVAIL_HIGH => (self.address(QueueT::avail_ring) >> 32) as u32,
            reg::VIRTIO_MMIO_QUEUE_USED_LOW => self.address(QueueT::used_ring) as u32,
            reg::VIRTIO_MMIO_QUEUE_USED_HIGH => (self.address(QueueT::used_ring) >> 32) as u32,
            reg::VIRTIO_MMIO_QUEUE_READY => self.queue().map_or(0, |queue| queue.ready().into()),
            reg::VIRTIO_MMIO_INTERRUPT_STATUS => self.registers.interrupt,
            reg::VIRTIO_MMIO_STATUS => self.registers.status,
            // There is no shared memory: length and base read as all ones.
            reg::VIRTIO_MMIO_SHM_LEN_LOW..=reg::VIRTIO_MMIO_SHM_BASE_HIGH => u32::MAX,
            _ => 0,
        })
    }

    /// Writes `size` bytes at `offset`; returns whether memory was written.
    pub(crate) fn write(&mut self, ram: &GuestRam, offset: u64, size: u8, value: u64) -> bool {
        if size != 4 || offset >= CONFIG {
            return false;
        }
        let value = value as u32;
        let offset = offset as u32;
        match offset {
            reg::VIRTIO_MMIO_DEVICE_FEATURES_SEL => self.registers.device_features_sel = value,
            reg::VIRTIO_MMIO_DRIVER_FEATURES => {
                let (shift, settled) = match self.registers.driver_features_sel {
                    0 => (0, false),
                    1 => (32, false),
                    _ => (0, true),
                };
                if !settled && self.registers.status & STATUS_FEATURES_OK == 0 {
                    let features = &mut self.registers.driver_features;
                    *features = *features & !(0xffff_ffff << shift) | u64::from(value) << shift;
                }
            }
            reg::VIRTIO_MMIO_DRIVER_FEATURES_SEL => self.registers.driver_features_sel = value,
            reg::VIRTIO_MMIO_QUEUE_SEL => self.registers.queue_sel = value,
            reg::VIRTIO_MMIO_QUEUE_NOTIFY => return self.process(ram, value),
            reg::VIRTIO_MMIO_INTERRUPT_ACK => self.registers.interrupt &= !value,
            reg::VIRTIO_MMIO_STATUS => self.set_status(value),
            _ => self.write_queue(ram, offset, value),
        }
        false
    }

    /// Writes a register of the selected queue.
    fn write_queue(&mut self, ram: &GuestRam, offset: u32, value: u32) {
        let Some(queue) = self.queue() else {
            return;
        };
        if offset == reg::VIRTIO_MMIO_QUEUE_READY {
            queue.set_ready(value & 1 != 0);
            if queue.ready() && !queue.is_valid(ram) {
                queue.set_ready(false);
            }
            return;
        }
        if queue.ready() {
            return;
        }
        match offset {
            reg::VIRTIO_MMIO_QUEUE_NUM => queue.set_size(u16::try_from(value).unwrap_or(0)),
            reg::VIRTIO_MMIO_QUEUE_DESC_LOW => queue.set_desc_table_address(Some(value), None),
            reg::VIRTIO_MMIO_QUEUE_DESC_HIGH => queue.set_desc_table_address(None, Some(value)),
            reg::VIRTIO_MMIO_QUEUE_AVAIL_LOW => queue.set_avail_ring_address(Some(value), None),
            reg::VIRTIO_MMIO_QUEUE_AVAIL_HIGH => queue.set_avail_ring_address(None, Some(value)),
            reg::VIRTIO_MMIO_QUEUE_USED_LOW => queue.set_used_ring_address(Some(value), None),
            reg::VIRTIO_MMIO_QUEUE_USED_HIGH => queue.set_used_ring_address(None, Some(value)),
            _ => {}
        }
    }

    fn set_status(&mut self, value: u32) {
        if value == 0 {
            self.reset();
            return;
        }
        let before = self.registers.status;
        let mut status = value & 0xff | before & STATUS_NEEDS_RESET;
        if status & !before & STATUS_FEATURES_OK != 0 {
            let features = self.registers.driver_features;
            if features & !self.features() != 0 || features & F_VERSION_1 == 0 {
                status &= !STATUS_FEATURES_OK;
            }
        }
        if status & STATUS_FEATURES_OK == 0 {
            status &= !STATUS_DRIVER_OK;
        }
        if status & !before & STATUS_DRIVER_OK != 0 {
            let event_idx = self.registers.driver_features & F_EVENT_IDX != 0;
            for queue in &mut self.queues {
                queue.set_event_idx(event_idx);
            }
        }
        self.registers.status = status;
    }

    /// Lets what comes from outside reach the driver, at time `now`; returns
    /// whether memory or the interrupt line may have changed.
    pub(crate) fn poll(&mut self, ram: &GuestRam, now: u64) -> bool {
        let started = self.started();
        self.device.poll(now, started);
        let mut changed = false;
        for queue in 0..self.queues.len() as u16 {
            if self.device.ready(queue) {
                changed |= self.process(ram, queue.into());
            }
        }
        if self.device.take_config_change() && started {
            self.interrupt_config();
            changed = true;
        }
        changed
    }

    /// The device, for what has nothing to do with the driver.
    pub(crate) fn device(&self) -> &dyn VirtioDevice {
        self.device.as_ref()
    }

    /// Waits until the outside has come to time `now`; false if it takes long.
    pub(crate) fn synchronize(&mut self, now: u64) -> bool {
        self.device.synchronize(now)
    }

    fn interrupt_config(&mut self) {
        self.registers.interrupt |= INTERRUPT_CONFIG;
        self.events.config = true;
    }

    /// Whether a driver has started the device.
    fn started(&self) -> bool {
        let working = STATUS_DRIVER_OK | STATUS_NEEDS_RESET;
        self.registers.status & working == STATUS_DRIVER_OK
    }

    /// Serves the requests of queue `index`; returns whether memory was
    /// written.
    fn process(&mut self, ram: &GuestRam, index: u32) -> bool {
        let Ok(number) = u16::try_from(index) else {
            return false;
        };
        if !self.started() {
            return false;
        }
        let Some(queue) = self.queues.get_mut(usize::from(number)) else {
            return false;
        };
        if !queue.ready() {
            return false;
        }
        match serve(self.device.as_mut(), queue, number, ram) {
            Ok(notify) => {
                if notify {
                    self.registers.interrupt |= INTERRUPT_USED;
                    self.events.queues |= 1u64.checked_shl(index).unwrap_or(0);
                }
            }
            Err(_) => {
                // The rings make no sense (virtio 1.2, section 2.1.2).
                self.registers.status |= STATUS_NEEDS_RESET;
                self.interrupt_config();
            }
        }
        true
    }

    pub(crate) fn save(&self) -> Result<TransportState, PlatformError> {
        let queues = self.queues.iter().map(|queue| {
            let state = queue.state();
            SavedQueue {
                next_avail: state.next_avail,
                next_used: state.next_used,
                event_idx: state.event_idx_enabled,
                size: state.size,
                ready: state.ready,
                desc_table: state.desc_table,
                avail_ring: state.avail_ring,
                used_ring: state.used_ring,
            }
        });
        Ok(TransportState {
            registers: self.registers.clone(),
            queues: queues.collect(),
            device: self.device.save()?,
        })
    }

    /// Takes over a saved state.
    pub(crate) fn restore(&mut self, state: &TransportState) -> Result<(), PlatformError> {
        let sizes = self.device.queues();
        if state.queues.len() != sizes.len() {
            return Err(PlatformError::Mismatch("a virtio device"));
        }
        let mut queues = Vec::new();
        for (saved, &max_size) in state.queues.iter().zip(sizes) {
            let queue = Queue::try_from(QueueState {
                max_size,
                next_avail: saved.next_avail,
                next_used: saved.next_used,
                event_idx_enabled: saved.event_idx,
                size: saved.size,
                ready: saved.ready,
                desc_table: saved.desc_table,
                avail_ring: saved.avail_ring,
                used_ring: saved.used_ring,
            });
            queues.push(queue.map_err(|_| PlatformError::Mismatch("a virtio queue"))?);
        }
        self.device.restore(&state.device)?;
        self.queues = queues;
        self.registers = state.registers.clone();
        Ok(())
    }
}

/// Serves what is available in `queue`; returns whether the driver wants an
/// interrupt.
///
/// No more requests than the queue has entries are served for one
/// notification: a driver that lets a device write into the rings could keep
/// it busy for ever.
fn serve(
    device: &mut dyn VirtioDevice,
    queue: &mut Queue,
    number: u16,
    ram: &GuestRam,
) -> Result<bool, virtio_queue::Error> {
    let mut used = false;
    for _ in 0..queue.size() {
        let Some(chain) = queue.iter(ram)?.next() else {
            break;
        };
        let head = chain.head_index();
        let input = Reader::new(ram, chain.clone());
        let output = Writer::new(ram, chain);
        let completion = match (input, output) {
            (Ok(mut input), Ok(mut output)) => device.handle(number, &mut input, &mut output),
            // A buffer that is not memory: nothing can be transferred.
            _ => Completion::Used(0),
        };
        match completion {
            Completion::Used(bytes) => {
                queue.add_used(ram, head, u32::try_from(bytes).unwrap_or(u32::MAX))?;
                used = true;
            }
            Completion::Later => {
                queue.go_to_previous_position();
                break;
            }
        }
    }
    // Asks to be told about what comes next. What came meanwhile can only be
    // the work of the device itself, see above.
    queue.enable_notification(ram)?;
    Ok(used && wants_interrupt(queue, ram)?)
}

/// Whether the driver wants an interrupt for used buffers (virtio 1.2, section 2.7.7.2). Of
/// the two ways to say so `needs_notification` knows EVENT_IDX alone.
fn wants_interrupt(queue: &mut Queue, ram: &GuestRam) -> Result<bool, virtio_queue::Error> {
    if queue.event_idx_enabled() {
        return queue.needs_notification(ram);
    }
    let flags: u16 = ram
        .load(GuestAddress(queue.avail_ring()), Ordering::Acquire)
        .map_err(virtio_queue::Error::GuestMemory)?;
    Ok(u32::from(u16::from_le(flags)) & VRING_AVAIL_F_NO_INTERRUPT == 0)
}
