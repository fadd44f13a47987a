// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Physical addresses and interrupt pins of the machine: the memory map of
//! QEMU's LoongArch `virt` board (include/hw/loongarch/virt.h) wherever that
//! board has the device. Memory, devices and the device tree are made from it.

use std::ops::RangeInclusive;

/// Most CPUs: four EIOINTC nodes of four.
pub(crate) const MAX_CPUS: usize = 16;

/// Where a machine has its virtio devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Board {
    /// Behind transports of their own (virtio-mmio).
    #[default]
    VirtMmio,
    /// On PCI, as on QEMU's board.
    Virt,
}

impl Board {
    /// Whether it has flash for firmware, and what firmware finds its devices by.
    pub(crate) const fn has_flash(self) -> bool {
        match self {
            // EDK2 has no driver for the transports.
            Board::VirtMmio => false,
            Board::Virt => true,
        }
    }
}

/// Where the firmware's code is, and where all CPUs begin (VIRT_FLASH0_BASE).
pub(crate) const FIRMWARE_BASE: u64 = 0x1c00_0000;
/// Most of it.
pub(crate) const FIRMWARE_MAX: u64 = 0x100_0000;

/// Least and most memory, in bytes.
pub(crate) const RAM_SIZES: RangeInclusive<u64> = 16 << 20..=1 << 40;
/// Memory below this size is at physical address 0 (VIRT_LOWMEM_SIZE).
pub(crate) const LOW_RAM_SIZE: u64 = 0x1000_0000;
/// The rest of it begins here (VIRT_HIGHMEM_BASE).
pub(crate) const HIGH_RAM_BASE: u64 = 0x8000_0000;

/// The last bus that configuration space has room for.
pub(crate) const PCI_LAST_BUS: u8 = (Device::PciConfig.registers().1 >> 20) as u8 - 1;
/// The first I/O port of PCI: below are the legacy ports.
pub(crate) const FIRST_PCI_PORT: u32 = 0x4000;
/// Interrupt pins of the PCI bus.
pub(crate) const PCI_INTX_PINS: usize = 4;

/// Number of UARTs (QEMU's board has four).
pub(crate) const UARTS: usize = 2;
/// Most virtio devices: one PCH-PIC pin each.
pub(crate) const VIRTIO_MAX: usize = 32;
/// First EIOINTC vector that message-signalled interrupts use.
pub(crate) const MSI_VECTOR: u32 = 64;
/// How many they are.
pub(crate) const MSI_VECTORS: u32 = 256 - MSI_VECTOR;

/// Chip registers of node 0 (Loongson 3A5000 manual, "Chip configuration registers").
const CHIP: u64 = 0x1fe0_0000;
/// Bits of an address that name its node.
const NODE_SHIFT: u32 = 44;
/// Where [`Device::ChipUpper`] begins among the chip registers.
pub(crate) const CHIP_UPPER: u64 = 0x400;

/// What has registers in physical address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// Interrupt controller of the 7A1000 bridge.
    PchPic,
    /// ACPI power-management block of the bridge, directly below the RTC. Linux
    /// reaches its PM1 registers from the RTC's address
    /// (drivers/rtc/rtc-loongson.c: `pm_offset`).
    PowerManagement,
    /// LS7A RTC.
    Rtc,
    /// Events that ACPI tells of.
    Events,
    /// Power-off, reset and exit-code registers.
    Power,
    /// A virtio-mmio transport, by number (QEMU has its platform bus here).
    Virtio(usize),
    /// Legacy I/O ports (LPC). Nothing answers there, so reads give all ones.
    LegacyIo,
    /// Flash with the firmware's variables.
    Flash,
    /// Items that firmware reads.
    FwCfg,
    /// A 16550 UART, by number.
    Uart(usize),
    /// Configuration space of the PCI bus (ECAM).
    PciConfig,
    /// Its I/O ports: no function has any.
    PciIo,
    /// Its memory.
    PciMemory,
    /// One of its interrupt pins, by number; without registers.
    PciIntx(usize),
    /// Chip registers of a node, below its UARTs: what IOCSR space has at the same offset
    /// from 0, as on the 3A5000.
    Chip(usize),
    /// The rest of them, above the UARTs: function, IPI and EIOINTC registers.
    ChipUpper(usize),
    /// Where message interrupts are written to: the address has CPU and vector.
    Avec,
    /// Where message-signalled interrupts are written to.
    PchMsi,
}

impl Device {
    /// Address and size of its registers, in bytes.
    pub const fn registers(self) -> (u64, u64) {
        match self {
            Device::PchPic => (0x1000_0000, 0x400),
            Device::PowerManagement => (0x100d_0000, 0x100),
            Device::Rtc => (0x100d_0100, 0x100),
            Device::Events => (0x100e_0000, 4),
            Device::Power => (0x100e_001c, 4),
            Device::Virtio(index) => (0x1600_0000 + index as u64 * 0x1000, 0x200),
            Device::LegacyIo => (0x1800_0000, 0x4000),
            Device::Flash => (FIRMWARE_BASE + FIRMWARE_MAX, 0x100_0000),
            Device::FwCfg => (0x1e02_0000, 0x18),
            Device::Uart(index) => (CHIP + 0x1e0 + index as u64 * 0x100, 0x100),
            Device::Chip(node) => (CHIP | (node as u64) << NODE_SHIFT, 0x1e0),
            Device::ChipUpper(node) => (Device::Chip(node).base() + CHIP_UPPER, 0x1a00),
            // Linux: irq-loongson.h AVEC_MSG_OFFSET below the PCH-MSI's.
            Device::Avec => (0x2fe0_0000, 0x10_0000),
            Device::PchMsi => (0x2ff0_0000, 8),
            Device::PciConfig => (0x2000_0000, 0x800_0000),
            Device::PciIo => (0x1800_4000, 0xc000),
            Device::PciMemory => (0x4000_0000, 0x4000_0000),
            Device::PciIntx(_) => (0, 0),
        }
    }

    /// The address of its registers.
    pub const fn base(self) -> u64 {
        self.registers().0
    }

    /// The PCH-PIC pin that it drives, if it is one of those that interrupt.
    pub(crate) const fn pin(self) -> Option<u32> {
        match self {
            Device::Uart(index) => Some(2 + index as u32),
            Device::Rtc => Some(6),
            Device::Events => Some(7),
            Device::Virtio(index) | Device::PciIntx(index) => Some(16 + index as u32),
            _ => None,
        }
    }
}

/// The devices of one machine, by ascending address.
///
/// Not `vm-device`: its bus takes devices as `Arc<dyn DeviceMmio + Sync>`, so each
/// of them would need a lock on a machine that has one thread.
#[derive(Debug)]
pub(crate) struct DeviceMap(Vec<Device>);

impl DeviceMap {
    /// The map of a machine on `board` with so many nodes and virtio devices, with
    /// message interrupts or not, and firmware or not.
    pub(crate) fn new(
        board: Board,
        nodes: usize,
        virtio: usize,
        avec: bool,
        firmware: bool,
    ) -> Self {
        let mut devices = vec![
            Device::PchPic,
            Device::PowerManagement,
            Device::Rtc,
            Device::Events,
            Device::Power,
            Device::LegacyIo,
            Device::PchMsi,
        ];
        devices.extend(match board {
            Board::VirtMmio => (0..virtio).map(Device::Virtio).collect(),
            Board::Virt => vec![Device::PciConfig, Device::PciIo, Device::PciMemory],
        });
        devices.extend((0..UARTS).map(Device::Uart));
        devices.extend((0..nodes).flat_map(|node| [Device::Chip(node), Device::ChipUpper(node)]));
        devices.extend(avec.then_some(Device::Avec));
        if firmware {
            devices.extend([Device::Flash, Device::FwCfg]);
        }
        devices.sort_by_key(|device| device.base());
        DeviceMap(devices)
    }

    /// All of them.
    pub(crate) fn devices(&self) -> &[Device] {
        &self.0
    }

    /// The device that answers at `pa`, and the offset in its registers.
    pub(crate) fn find(&self, pa: u64) -> Option<(Device, u64)> {
        let behind = self.0.partition_point(|device| device.base() <= pa);
        let device = *self.0.get(behind.checked_sub(1)?)?;
        let (base, size) = device.registers();
        (pa - base < size).then_some((device, pa - base))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_overlaps() {
        for board in [Board::VirtMmio, Board::Virt] {
            let map = DeviceMap::new(board, 1, VIRTIO_MAX, true, true);
            let mut end = LOW_RAM_SIZE;
            for device in &map.0 {
                let (base, size) = device.registers();
                assert!(base >= end, "{device:?}");
                end = base + size;
            }
            assert!(end <= HIGH_RAM_BASE);
            assert_eq!(map.find(FIRMWARE_BASE), None);
            assert_eq!(map.find(FIRMWARE_BASE + FIRMWARE_MAX - 1), None);
            let mut pins: Vec<u32> = map.0.iter().filter_map(|device| device.pin()).collect();
            pins.sort_unstable();
            assert!(pins.windows(2).all(|pair| pair[0] < pair[1]), "{pins:?}");
            assert!(pins.iter().all(|&pin| pin < la_arch::pch_pic::PINS as u32));
        }
    }

    #[test]
    fn devices_are_found_from_their_first_byte_to_their_last() {
        let map = DeviceMap::new(Board::VirtMmio, 4, 2, false, true);
        for device in map.0.iter().copied() {
            let (base, size) = device.registers();
            assert_eq!(map.find(base), Some((device, 0)));
            assert_eq!(map.find(base + size - 1), Some((device, size - 1)));
        }
        for pa in [
            0,
            LOW_RAM_SIZE - 1,
            Device::PchPic.base() + 0x400,
            Device::Virtio(0).base() + 0x200,
            Device::Virtio(2).base(),
            Device::Avec.base(),
            HIGH_RAM_BASE,
            Device::ChipUpper(3).base() + 0x1a00,
            u64::MAX,
        ] {
            assert_eq!(map.find(pa), None, "{pa:#x}");
        }
    }
}
