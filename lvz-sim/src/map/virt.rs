// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The boards after QEMU's LoongArch `virt` (include/hw/loongarch/virt.h): that board with
//! its PCI bus, and one with virtio-mmio in its place.

use super::board::{
    Attachment, Board, ConfigFormat, ConfigWindow, FirmwareDevices, PciHost, Port, PowerControl,
    Slot,
};
use super::bridge;
use super::device::UARTS;
use super::memory::{FIRMWARE_BASE, FIRMWARE_MAX};
use super::place::Place;

/// Functions of the bus, beside the bridge.
const FUNCTIONS: usize = 31;
/// Pins of the bus, and the first one's at the PCH-PIC.
const BUS_PINS: u32 = 4;
const FIRST_PIN: u32 = 16;

/// The virtio devices behind transports of their own, where QEMU has its platform bus.
pub static VIRT_MMIO: Board = Board {
    name: "virt-mmio",
    about: "as QEMU's virt, but with the virtio devices behind virtio-mmio",
    compatible: COMPATIBLE,
    has_liointc: false,
    rtc: RTC,
    power: POWER,
    uarts: PORTS,
    legacy_io: LEGACY_IO,
    virtio: Attachment::Transports {
        first: Place::at(0x1600_0000, 0x200).pin(FIRST_PIN),
        step: 0x1000,
        most: 32,
    },
    // EDK2 has no driver for the transports.
    firmware: None,
};

/// The virtio devices on PCI, as on QEMU's board.
pub static VIRT: Board = Board {
    name: "virt",
    about: "as QEMU's virt, with the virtio devices on PCI; has ACPI and firmware",
    compatible: COMPATIBLE,
    has_liointc: false,
    rtc: RTC,
    power: POWER,
    uarts: PORTS,
    legacy_io: LEGACY_IO,
    virtio: Attachment::Pci(PciHost {
        compatible: "pci-host-ecam-generic",
        // QEMU's PCI_DEVICE_ID_REDHAT_PCIE_HOST.
        id: (0x1b36, 0x0008),
        config: &[ConfigWindow {
            place: Place::at(0x2000_0000, 0x800_0000),
            format: ConfigFormat::Ecam,
        }],
        last_bus: 127,
        io: Place::at(0x1800_4000, 0xc000),
        first_port: 0x4000,
        memory: Place::at(0x4000_0000, 0x4000_0000),
        slots: &SLOTS,
    }),
    firmware: Some(FirmwareDevices {
        flash: Place::at(FIRMWARE_BASE + FIRMWARE_MAX, 0x100_0000),
        fw_cfg: Place::at(0x1e02_0000, 0x18),
    }),
};

const COMPATIBLE: &str = "lvz-sim,virt";
const RTC: Place = bridge::RTC.pin(6);
const POWER: PowerControl = PowerControl::Registers {
    power: Place::at(0x100e_001c, 4),
    events: Place::at(0x100e_0000, 4).pin(7),
};
/// Two of the four that QEMU's board has.
const PORTS: [Port; UARTS] = [port(bridge::CHIP + 0x1e0, 2), port(bridge::CHIP + 0x2e0, 3)];
const LEGACY_IO: Place = Place::at(0x1800_0000, 0x4000);

const fn port(base: u64, pin: u32) -> Port {
    Port {
        place: Place::at(base, 0x100).pin(pin),
        clock: 100_000_000,
    }
}

/// Devices 1 and up. Device n drives pin n % 4 of the bus (QEMU: gpex_swizzle_map_irq_fn).
static SLOTS: [Slot; FUNCTIONS] = {
    let mut slots = [Slot { device: 0, pin: 0 }; FUNCTIONS];
    let mut index = 0;
    while index < FUNCTIONS {
        let device = index as u8 + 1;
        slots[index] = Slot {
            device,
            pin: FIRST_PIN + device as u32 % BUS_PINS,
        };
        index += 1;
    }
    slots
};
