// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a board is described by. Each board is a constant in a file beside this one; memory
//! map, devices, device tree and ACPI tables are made from it.

use super::bridge;
use super::device::{Device, UARTS};
use super::place::{Input, Place};

/// A board: which devices it has beside CPUs and memory, and where.
#[derive(Debug)]
pub struct Board {
    /// As `--machine` has it.
    pub name: &'static str,
    /// What its user is to know of it, in one line.
    pub about: &'static str,
    /// As the device tree has it.
    pub(crate) compatible: &'static str,
    /// Whether devices interrupt by the chip's LIOINTC too.
    pub(crate) has_liointc: bool,
    /// LS7A RTC.
    pub rtc: Place,
    /// What powers off and resets.
    pub power: PowerControl,
    /// The first has the machine's console.
    pub uarts: [Port; UARTS],
    /// Legacy I/O ports (LPC).
    pub legacy_io: Place,
    /// How the virtio devices are attached.
    pub virtio: Attachment,
    /// What firmware works with, if the board can start any.
    pub firmware: Option<FirmwareDevices>,
}

/// A serial port.
#[derive(Clone, Copy, Debug)]
pub struct Port {
    /// Where it is.
    pub place: Place,
    /// The clock of its divisor, in Hz.
    pub(crate) clock: u32,
}

/// What powers off and resets.
#[derive(Clone, Copy, Debug)]
pub enum PowerControl {
    /// Registers of an ACPI generic event device.
    Registers {
        /// Sleep, reset and exit code.
        power: Place,
        /// Events that ACPI tells of.
        events: Place,
    },
    /// The bridge's PM1 control and reset registers, in its power-management block.
    Bridge,
}

/// How the virtio devices are attached.
#[derive(Debug)]
pub enum Attachment {
    /// Behind transports of their own (virtio-mmio).
    Transports {
        /// The first one; the others' pins follow its pin.
        first: Place,
        /// From one to the next, in bytes.
        step: u64,
        /// Most of them.
        most: usize,
    },
    /// As functions of a PCI bus.
    Pci(PciHost),
}

/// A PCI host bridge with one bus.
#[derive(Debug)]
pub struct PciHost {
    /// The device tree's binding.
    pub(crate) compatible: &'static str,
    /// Vendor and device number of the bridge, which is device 0 of the bus.
    pub(crate) id: (u16, u16),
    /// Ways to configuration space, in the binding's order.
    pub config: &'static [ConfigWindow],
    /// The last bus that configuration space has room for.
    pub(crate) last_bus: u8,
    /// I/O ports: no function has any.
    pub io: Place,
    /// The number of the first of them.
    pub(crate) first_port: u32,
    /// Memory.
    pub memory: Place,
    /// Where the virtio devices are, in their order.
    pub slots: &'static [Slot],
}

/// A window to configuration space.
#[derive(Clone, Copy, Debug)]
pub struct ConfigWindow {
    /// Where it is.
    pub place: Place,
    /// What its addresses mean.
    pub format: ConfigFormat,
}

/// What the address in a window to configuration space means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigFormat {
    /// PCI Express's own: bus in bits 27:20, device and function in 19:12, register in 11:0.
    Ecam,
    /// The 7A bridge's (Linux drivers/pci/controller/pci-loongson.c: `cfg0_map`): bit 24 for
    /// buses behind bridges, bus in 23:16, device and function in 15:8, register in 7:0.
    Standard,
    /// Its other one (`cfg1_map`): bit 28 for buses behind bridges, bits 11:8 of the register
    /// in 27:24, the rest as in the other.
    Extended,
}

/// A place on a PCI bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Device number.
    pub device: u8,
    /// The PCH-PIC pin that interrupts without messages are at.
    pub pin: u32,
}

/// What firmware works with.
#[derive(Clone, Copy, Debug)]
pub struct FirmwareDevices {
    /// Flash with its variables.
    pub flash: Place,
    /// Items that it reads.
    pub fw_cfg: Place,
}

impl Board {
    /// Its PCI bus, if it has one.
    pub const fn pci(&self) -> Option<&PciHost> {
        match &self.virtio {
            Attachment::Transports { .. } => None,
            Attachment::Pci(host) => Some(host),
        }
    }

    /// Most virtio devices.
    pub(crate) const fn virtio_most(&self) -> usize {
        match &self.virtio {
            Attachment::Transports { most, .. } => *most,
            Attachment::Pci(host) => host.slots.len(),
        }
    }

    /// Where a device is, if the board has it.
    pub const fn place(&self, device: Device) -> Option<Place> {
        match device {
            Device::PchPic => Some(bridge::PCH_PIC),
            Device::PchMsi => Some(bridge::PCH_MSI),
            Device::Avec => Some(bridge::AVEC),
            Device::PowerManagement => Some(bridge::POWER_MANAGEMENT),
            Device::Rtc => Some(self.rtc),
            Device::LegacyIo => Some(self.legacy_io),
            Device::Uart(index) if index < UARTS => Some(self.uarts[index].place),
            Device::Uart(_) => None,
            Device::Chip(node) => Some(bridge::chip(node)),
            Device::ChipUpper(node) => Some(bridge::chip_upper(node)),
            Device::Power => match self.power {
                PowerControl::Registers { power, .. } => Some(power),
                PowerControl::Bridge => None,
            },
            Device::Events => match self.power {
                PowerControl::Registers { events, .. } => Some(events),
                PowerControl::Bridge => None,
            },
            Device::Virtio(index) => match self.virtio {
                Attachment::Transports { first, step, most } if index < most => {
                    Some(nth(first, step, index))
                }
                _ => None,
            },
            Device::Flash => match self.firmware {
                Some(devices) => Some(devices.flash),
                None => None,
            },
            Device::FwCfg => match self.firmware {
                Some(devices) => Some(devices.fw_cfg),
                None => None,
            },
            Device::PciConfig(window) => match self.pci() {
                Some(host) if window < host.config.len() => Some(host.config[window].place),
                _ => None,
            },
            Device::PciIo => match self.pci() {
                Some(host) => Some(host.io),
                None => None,
            },
            Device::PciMemory => match self.pci() {
                Some(host) => Some(host.memory),
                None => None,
            },
        }
    }
}

/// The `index`th of devices that follow `first` at steps of `step` bytes and a pin.
const fn nth(first: Place, step: u64, index: usize) -> Place {
    let place = Place::at(first.base + step * index as u64, first.size);
    match first.input {
        Some(Input::PchPic(pin)) => place.pin(pin + index as u32),
        Some(Input::Liointc(_)) | None => place,
    }
}
