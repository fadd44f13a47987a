// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A board with a 3A5000 and its 7A1000 bridge, as far as public sources settle it: Linux's
//! drivers and arch/mips/boot/dts/loongson/ls7a-pch.dtsi, which has the same bridge behind a
//! 3A4000, arch/loongarch/boot/dts/loongson-2k2000.dtsi, and hvisor
//! (platform/loongarch64/ls3a5000).

use super::board::{
    Attachment, Board, ConfigFormat, ConfigWindow, PciHost, Port, PowerControl, Slot,
};
use super::bridge;
use super::place::Place;

/// The board.
pub static LOONGSON_3A5000: Board = Board {
    name: "3a5000",
    about: "a 3A5000 with its 7A1000 bridge: LIOINTC, the bridge's PCI and power control",
    compatible: "lvz-sim,3a5000",
    has_liointc: true,
    rtc: bridge::RTC.pin(52),
    power: PowerControl::Bridge,
    uarts: [
        // The first of the chip's two.
        Port {
            place: Place::at(bridge::CHIP + 0x1e0, 8).liointc(10),
            clock: 100_000_000,
        },
        // The first of the bridge's four.
        Port {
            place: Place::at(0x1008_0000, 0x100).pin(8),
            clock: 50_000_000,
        },
    ],
    legacy_io: Place::at(0x1800_0000, 0x2_0000),
    virtio: Attachment::Pci(PciHost {
        compatible: "loongson,ls7a-pci",
        // Linux arch/loongarch/pci/pci.c: PCI_DEVICE_ID_LOONGSON_HOST.
        id: (0x0014, 0x7a00),
        config: &[
            ConfigWindow {
                place: Place::at(0x1a00_0000, 0x200_0000),
                format: ConfigFormat::Standard,
            },
            ConfigWindow {
                place: Place::at(0xefe_0000_0000, 0x2000_0000),
                format: ConfigFormat::Extended,
            },
        ],
        last_bus: 0xff,
        io: Place::at(0x1802_0000, 0x2_0000),
        first_port: 0x2_0000,
        memory: Place::at(0x4000_0000, 0x4000_0000),
        slots: &SLOTS,
    }),
    firmware: None,
};

/// Where the bridge has its PCI Express ports, with their pins.
static SLOTS: [Slot; 12] = [
    slot(0x9, 32),
    slot(0xa, 33),
    slot(0xb, 34),
    slot(0xc, 35),
    slot(0xd, 36),
    slot(0xe, 37),
    slot(0xf, 40),
    slot(0x10, 41),
    slot(0x11, 42),
    slot(0x12, 43),
    slot(0x13, 38),
    slot(0x14, 39),
];

const fn slot(device: u8, pin: u32) -> Slot {
    Slot { device, pin }
}
