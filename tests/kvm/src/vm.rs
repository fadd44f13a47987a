// SPDX-License-Identifier: GPL-2.0-or-later

//! VMs.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};

use crate::device::{self, Device};
use crate::error::Result;
use crate::event::Event;
use crate::memory::Memory;
use crate::request;
use crate::sys;
use crate::uapi::{self as u, Capability};
use crate::vcpu::Vcpu;

/// A VM. It lives as long as this, a clone of it or one of its vCPUs, and so
/// does the memory that it has as RAM.
#[derive(Clone, Debug)]
pub struct Vm(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    file: File,
    run_size: usize,
    /// By slot. Never let go of before the VM: the kernel may still look.
    memory: Mutex<BTreeMap<u32, Slot>>,
}

/// What a slot has and had.
#[derive(Debug, Default)]
struct Slot {
    length: usize,
    memory: Vec<Arc<Memory>>,
}

impl Vm {
    pub(crate) fn new(fd: i32, run_size: usize) -> Self {
        Self(Arc::new(Shared {
            // SAFETY: the caller has just got it from KVM_CREATE_VM.
            file: unsafe { sys::new_file(fd) },
            run_size,
            memory: Mutex::default(),
        }))
    }

    /// What KVM says of a capability for this VM.
    pub fn capability(&self, capability: Capability) -> Result<i32> {
        request::CHECK_EXTENSION.call(self, capability.number.into())
    }

    /// Gives the guest memory as RAM at an address, in a slot of its own.
    pub fn map(&self, slot: u32, guest: u64, memory: &Arc<Memory>, flags: u32) -> Result<()> {
        self.map_part(slot, guest, memory, (0, memory.length()), flags)
    }

    /// Gives the guest a part (offset and length) of memory as RAM; or changes
    /// flags or address of what the slot has.
    pub fn map_part(
        &self,
        slot: u32,
        guest: u64,
        memory: &Arc<Memory>,
        part: (usize, usize),
        flags: u32,
    ) -> Result<()> {
        let (offset, length) = part;
        let within = offset
            .checked_add(length)
            .is_some_and(|end| end <= memory.length());
        assert!(within, "a part that the memory does not have");
        let region = u::MemoryRegion {
            slot,
            flags,
            guest,
            size: length as u64,
            user: memory.address() + offset as u64,
        };
        // SAFETY: the guest's RAM is inside `memory`, which lives as long as the
        // VM (below) and to which there are no references.
        unsafe { request::SET_USER_MEMORY_REGION.call_at(self, &raw const region as u64) }?;
        let mut slots = self.0.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.entry(slot).or_default();
        slot.length = slot.length.max(length);
        slot.memory.push(Arc::clone(memory));
        Ok(())
    }

    /// Takes a slot away.
    pub fn unmap(&self, slot: u32) -> Result<()> {
        let region = u::MemoryRegion {
            slot,
            flags: 0,
            guest: 0,
            size: 0,
            user: 0,
        };
        // SAFETY: KVM only reads the structure.
        unsafe { request::SET_USER_MEMORY_REGION.call_at(self, &raw const region as u64) }?;
        Ok(())
    }

    /// Which of a slot's pages were written since the last time: a bit each.
    pub fn dirty_log(&self, slot: u32) -> Result<Vec<u64>> {
        let slots = self.0.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let length = slots.get(&slot).map_or(0, |slot| slot.length);
        drop(slots);
        let pages = length.div_ceil(Memory::page_size());
        let mut bitmap = vec![0u64; pages.div_ceil(64)];
        let log = u::DirtyLog {
            slot,
            pad: 0,
            bitmap: bitmap.as_mut_ptr() as u64,
        };
        // SAFETY: both live, and the bitmap has a bit for each page of the slot.
        unsafe { request::GET_DIRTY_LOG.call_at(self, &raw const log as u64) }?;
        Ok(bitmap)
    }

    /// Forgets that pages were written, and has the next writes noted: those whose
    /// bits are set, from page `first`, a multiple of 64.
    pub fn clear_dirty_log(&self, slot: u32, first: u64, bits: &[u64]) -> Result<()> {
        let log = u::ClearDirtyLog {
            slot,
            pages: 64 * bits.len() as u32,
            first,
            bitmap: bits.as_ptr() as u64,
        };
        // SAFETY: both live, and KVM only reads the bitmap, of which it is told the
        // length.
        unsafe { request::CLEAR_DIRTY_LOG.call_at(self, &raw const log as u64) }?;
        Ok(())
    }

    /// A new vCPU.
    pub fn create_vcpu(&self, id: u32) -> Result<Vcpu> {
        let fd = request::CREATE_VCPU.call(self, id.into())?;
        Vcpu::new(self.clone(), fd, self.0.run_size)
    }

    /// A new device of this type (`uapi::DEVICE_*`).
    pub fn create_device(&self, kind: u32) -> Result<Device> {
        let mut create = u::CreateDevice {
            kind,
            fd: 0,
            flags: 0,
        };
        request::CREATE_DEVICE.call(self, &mut create)?;
        Ok(Device::new(create.fd))
    }

    /// Whether KVM has devices of this type.
    pub fn has_device(&self, kind: u32) -> bool {
        let mut create = u::CreateDevice {
            kind,
            fd: 0,
            flags: u::CREATE_DEVICE_TEST,
        };
        request::CREATE_DEVICE.call(self, &mut create).is_ok()
    }

    /// The in-kernel interrupt controllers as QEMU makes them: IPI, EIOINTC for
    /// this many CPUs with these features, PCH-PIC at an address.
    pub fn create_irqchip(
        &self,
        cpus: u32,
        features: u32,
        pch_pic: u64,
    ) -> Result<device::Irqchip> {
        device::Irqchip::new(self, cpus, features, pch_pic)
    }

    /// KVM_HAS_DEVICE_ATTR of the VM's own descriptor.
    pub fn has_attr(&self, group: u32, attribute: u64) -> Result<()> {
        device::has_attr(self, group, attribute)
    }

    /// Sets the level of a GSI.
    pub fn irq_line(&self, gsi: u32, level: bool) -> Result<()> {
        let level = level.into();
        request::IRQ_LINE.call(self, &mut u::IrqLevel { irq: gsi, level })?;
        Ok(())
    }

    /// Sends a message.
    pub fn signal_msi(&self, address: u64, data: u32) -> Result<()> {
        let mut msi = u::Msi {
            address_lo: address as u32,
            address_hi: (address >> 32) as u32,
            data,
            flags: 0,
            device: 0,
            pad: [0; 3],
        };
        // A count of deliveries elsewhere; KVM on LoongArch answers 0.
        request::SIGNAL_MSI.call(self, &mut msi)?;
        Ok(())
    }

    /// Replaces the routes of all GSIs.
    pub fn set_routing(&self, entries: &[u::RoutingEntry]) -> Result<()> {
        let mut words = vec![entries.len() as u32, 0];
        for entry in entries {
            words.extend([entry.gsi, entry.kind, entry.flags, entry.pad]);
            words.extend(entry.of);
        }
        // SAFETY: KVM only reads header and entries, which are there.
        unsafe { request::SET_GSI_ROUTING.call_at(self, words.as_ptr() as u64) }?;
        Ok(())
    }

    /// Ties an eventfd to a GSI; with `resample`, that one is told of the end
    /// of interrupt.
    pub fn irqfd(&self, gsi: u32, event: &Event, resample: Option<&Event>) -> Result<()> {
        let mut irqfd = u::Irqfd {
            fd: event.fd(),
            gsi,
            flags: if resample.is_some() {
                u::IRQFD_RESAMPLE
            } else {
                0
            },
            resample_fd: resample.map_or(0, Event::fd),
            pad: [0; 2],
        };
        request::IRQFD.call(self, &mut irqfd)?;
        Ok(())
    }

    /// Unties it.
    pub fn remove_irqfd(&self, gsi: u32, event: &Event) -> Result<()> {
        let mut irqfd = u::Irqfd {
            fd: event.fd(),
            gsi,
            flags: u::IRQFD_DEASSIGN,
            resample_fd: 0,
            pad: [0; 2],
        };
        request::IRQFD.call(self, &mut irqfd)?;
        Ok(())
    }

    /// Ties guest writes of `length` bytes at an address to an eventfd.
    pub fn ioeventfd(&self, address: u64, length: u32, event: &Event) -> Result<()> {
        self.tie(address, length, None, event)
    }

    /// The same of one value alone.
    pub fn ioeventfd_of(&self, address: u64, length: u32, value: u64, event: &Event) -> Result<()> {
        self.tie(address, length, Some(value), event)
    }

    fn tie(&self, address: u64, length: u32, value: Option<u64>, event: &Event) -> Result<()> {
        let mut ioeventfd = u::Ioeventfd {
            datamatch: value.unwrap_or(0),
            address,
            length,
            fd: event.fd() as i32,
            flags: value.map_or(0, |_| u::IOEVENTFD_DATAMATCH),
            pad: [0; 9],
        };
        request::IOEVENTFD.call(self, &mut ioeventfd)?;
        Ok(())
    }

    /// Turns on a capability with its first arguments.
    pub fn enable(&self, capability: Capability, arguments: [u64; 2]) -> Result<()> {
        let [first, second] = arguments;
        let mut enable = u::EnableCap {
            capability: capability.number,
            flags: 0,
            arguments: [first, second, 0, 0],
            pad: [0; 8],
        };
        request::ENABLE_CAP.call(self, &mut enable)?;
        Ok(())
    }
}

impl AsFd for Vm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.file.as_fd()
    }
}
