// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What the board with a 3A5000 and its bridge has in other places than the others.

use super::driver::Driver;
use super::virtio::disk;
use super::*;
use crate::map::LOONGSON_3A5000;
use crate::platform::virtio::disk::DriveMode;
use std::path::Path;

const STANDARD: u64 = at(Device::PciConfig(0));
const EXTENDED: u64 = at(Device::PciConfig(1));
const BRIDGE_UART: u64 = at(Device::Uart(1));
/// The chip's registers, of which the LIOINTC's are a part.
const LIOINTC: u64 = at(Device::Chip(0)) + 0x1400;
/// Its input that the chip's UART drives, and the cores' and pins' bits of a route.
const UART_INPUT: u64 = 10;
const CORE_0_INT0: u64 = 0x11;

/// The drive is in the second slot, behind the entropy device.
const DRIVE: u64 = 0xa;
const DRIVE_PIN: u32 = 33;
const BAR: u64 = at(Device::PciMemory) + 0x4000;

const fn at(device: Device) -> u64 {
    place_on(&LOONGSON_3A5000, device).base
}

fn config(path: &Path) -> PlatformConfig {
    PlatformConfig {
        board: &LOONGSON_3A5000,
        drives: vec![DriveConfig {
            path: path.to_owned(),
            mode: DriveMode::Volatile,
        }],
        ..PlatformConfig::default()
    }
}

fn rig() -> Rig {
    Rig::with(PlatformConfig {
        board: &LOONGSON_3A5000,
        cpus: 6,
        ..PlatformConfig::default()
    })
}

/// Register `register` of device `number`, by its address in each window.
fn windows(number: u64, register: u64) -> [u64; 2] {
    let extended = register & 0xff | (register & 0xf00) << 16;
    let number = number << 11;
    [STANDARD + number + register, EXTENDED + number + extended]
}

#[test]
fn both_windows_show_the_same_configuration_space() {
    let file = disk();
    let mut rig = Rig::with(config(file.path()));
    for (number, id) in [(0, 0x7a00_0014), (9, 0x1044_1af4), (DRIVE, 0x1042_1af4)] {
        for address in windows(number, 0) {
            assert_eq!(rig.read(address, 4), id, "{address:#x}");
        }
        for register in (0..0x100).step_by(4) {
            let [standard, extended] = windows(number, register);
            assert_eq!(
                rig.read(standard, 4),
                rig.read(extended, 4),
                "{register:#x}"
            );
        }
    }
    // What is written through one is read through the other.
    let [standard, extended] = windows(DRIVE, 0x20);
    rig.write(standard, 4, 0xffff_ffff);
    assert_eq!(rig.read(extended, 4), 0xffff_c00c);
    rig.write(extended, 4, BAR);
    assert_eq!(rig.read(standard, 4), BAR | 0xc);
    // Above 255 there is nothing, and only one window leads there.
    assert_eq!(rig.read(windows(DRIVE, 0x100)[1], 4), 0);
    // Empty slots, other functions, buses behind bridges.
    let [standard, extended] = windows(DRIVE, 0);
    for address in [
        windows(DRIVE + 1, 0)[0],
        windows(1, 0)[1],
        standard + (1 << 8),
        standard + (1 << 16),
        standard + (1 << 24),
        extended + (1 << 8),
        extended + (1 << 16),
        extended + (1 << 28),
    ] {
        assert_eq!(rig.read(address, 4), 0xffff_ffff, "{address:#x}");
        rig.write(address, 4, 0);
    }
    assert_eq!(rig.read(at(Device::PciIo), 2), 0xffff);
    assert_eq!(rig.read(at(Device::PciIo) - 1, 1), 0xff, "legacy ports");
}

#[test]
fn functions_interrupt_by_the_pin_of_their_port() {
    let file = disk();
    let mut rig = Rig::with(config(file.path()));
    rig.set_up_interrupts();
    let [command, _] = windows(DRIVE, 4);
    rig.write(windows(DRIVE, 0x20)[0], 4, BAR);
    rig.write(command, 2, 0b110);
    let mut driver = Driver::on_pci(&mut rig, BAR, 1);
    driver.queue(&mut rig, 0, &[&[0; 16]], &[513]);
    let irr = PCH_PIC_BASE + pch_pic::IRR;
    assert_eq!(rig.read(irr, 8), 1 << DRIVE_PIN);
    assert_ne!(rig.platform.lines(0).hwi, 0);
    assert_eq!(driver.get(&mut rig, 0x60), 1);
    assert_eq!(rig.read(irr, 8), 0);
}

#[test]
fn as_many_virtio_devices_as_ports() {
    let file = disk();
    let one = config(file.path());
    let drives = |count: usize| PlatformConfig {
        board: &LOONGSON_3A5000,
        drives: one.drives.iter().cycle().take(count).cloned().collect(),
        ..PlatformConfig::default()
    };
    // The entropy device takes a port too.
    let mut rig = Rig::with(drives(11));
    assert_eq!(rig.read(windows(0x14, 0)[0], 4), 0x1042_1af4);
    let error = Platform::new(drives(12), rig.ram.clone()).unwrap_err();
    let error = error.to_string();
    assert!(
        error.starts_with("13 virtio devices: the machine takes at most 12"),
        "{error}"
    );
}

#[test]
fn firmware_is_refused() {
    let config = PlatformConfig {
        board: &LOONGSON_3A5000,
        firmware: true,
        ..PlatformConfig::default()
    };
    let ram = GuestRam::from_ranges(&[(GuestAddress(0), 1 << 20)]).unwrap();
    let error = Platform::new(config, ram).unwrap_err().to_string();
    assert!(
        error.starts_with("firmware: this board has no flash"),
        "{error}"
    );
}

#[test]
fn the_bridge_has_a_uart() {
    let mut rig = rig();
    rig.set_up_interrupts();
    rig.write(BRIDGE_UART, 1, u64::from(b'b'));
    assert_eq!(rig.serial1.take_output(), b"b");
    // Receive interrupts, at pin 8 of the PCH-PIC.
    rig.write(BRIDGE_UART + 1, 1, 1);
    rig.serial1.type_in(b"x");
    rig.platform.advance(1);
    assert_eq!(rig.read(PCH_PIC_BASE + pch_pic::IRR, 8), 1 << 8);
    assert_eq!(rig.read(BRIDGE_UART, 1), u64::from(b'x'));
    assert_eq!(rig.read(PCH_PIC_BASE + pch_pic::IRR, 8), 0);
    // Only the first of four, and of the chip's only the first of two.
    for absent in [BRIDGE_UART + 0x100, at(Device::Uart(0)) + 8] {
        assert_eq!(rig.platform.mmio_read(0, absent, 1), None, "{absent:#x}");
    }
}

#[test]
fn inputs_of_the_liointc_without_a_route_are_a_finding() {
    use crate::finding::Findings;
    use crate::platform::eiointc::Undelivered;
    use crate::platform::lint::Source;

    let mut rig = Rig::with(PlatformConfig {
        cpus: 2,
        board: &LOONGSON_3A5000,
        ..PlatformConfig::default()
    });
    rig.platform.lint(Findings::quiet());
    let uart = at(Device::Uart(0));
    let raise = |rig: &mut Rig| {
        // The line falls, and rises with the next character.
        rig.write(uart + 1, 1, 0);
        rig.serial.type_in(b"x");
        rig.platform.advance(1);
        rig.write(uart + 1, 1, 1);
    };
    // Not enabled: held back on purpose.
    raise(&mut rig);
    assert_eq!(rig.platform.linted(), []);
    rig.write(LIOINTC + 0x28, 4, 1 << UART_INPUT);
    // A core and a pin.
    rig.write(LIOINTC + UART_INPUT, 1, 0x12);
    raise(&mut rig);
    assert_eq!(rig.platform.linted(), []);
    let mut expected = 0;
    for (route, reason) in [
        (0, Undelivered::NoRoute),
        (0x14, Undelivered::NoCore),
        // One of its cores is there.
        (0x16, Undelivered::NoCore),
        (0x20, Undelivered::NoRoute),
        (0x02, Undelivered::NoRoute),
    ] {
        rig.write(LIOINTC + UART_INPUT, 1, route);
        raise(&mut rig);
        if matches!(route, 0 | 0x14) {
            expected += 1;
            let found = rig.platform.linted();
            assert!(found.contains(&(Source::Input(UART_INPUT as u32), reason)));
        }
        // The same reason is reported once.
        assert_eq!(rig.platform.linted().len(), expected, "{route:#x}");
    }
}

#[test]
fn the_chips_uart_interrupts_by_the_liointc() {
    let mut rig = rig();
    let uart = at(Device::Uart(0));
    rig.write(uart + 1, 1, 1);
    rig.serial.type_in(b"x");
    rig.platform.advance(1);
    let bit = 1 << UART_INPUT;
    // Neither enabled nor routed, enabled, then routed too.
    assert_eq!(rig.read(LIOINTC + 0x20, 4), 0);
    rig.write(LIOINTC + 0x28, 4, bit);
    assert_eq!(rig.read(LIOINTC + 0x24, 4), bit);
    assert_eq!(rig.read(LIOINTC + 0x20, 4), bit);
    assert_eq!(rig.platform.lines(0).hwi, 0);
    rig.write(LIOINTC + UART_INPUT, 1, CORE_0_INT0);
    assert_eq!(rig.platform.lines(0).hwi, 1);
    assert_eq!(rig.read(LIOINTC + 0x40, 4), bit);
    // Core 2, pins 1 and 3; IOCSR space has the same registers.
    rig.set_iocsr(1, 0x1400 + UART_INPUT, 1, 0xa4);
    let hwi: Vec<u8> = (0..6).map(|cpu| rig.platform.lines(cpu).hwi).collect();
    assert_eq!(hwi, [0, 0, 0b1010, 0, 0, 0]);
    let status: Vec<u64> = (0..4)
        .map(|core| rig.read(LIOINTC + 0x40 + 8 * core, 4))
        .collect();
    assert_eq!(status, [0, 0, bit, 0]);
    // The routes beside it are as they were.
    assert_eq!(rig.read(LIOINTC + 8, 4), 0xa4 << 16);
    // A CPU of the other node has no such controller.
    assert_eq!(rig.iocsr(4, 0x1424, 4), 0);
    rig.set_iocsr(4, 0x142c, 4, u64::MAX);
    // Reading the character drops the line, and disabling does.
    rig.write(LIOINTC + 0x2c, 4, bit);
    assert_eq!(rig.platform.lines(2).hwi, 0);
    assert_eq!(rig.read(LIOINTC + 0x24, 4), 0);
    rig.write(LIOINTC + 0x28, 4, bit);
    assert_eq!(rig.platform.lines(2).hwi, 0b1010);
    assert_eq!(rig.read(uart, 1), u64::from(b'x'));
    assert_eq!(rig.platform.lines(2).hwi, 0);
    // The other boards have none.
    let mut other = Rig::new(1);
    other.write(LIOINTC + 0x28, 4, bit);
    assert_eq!(other.read(LIOINTC + 0x24, 4), 0);
}

#[test]
fn the_rtc_interrupts_at_its_pin() {
    let mut rig = rig();
    // A match register of the RTC counter, one tick on.
    rig.write(RTC_BASE + 0x6c, 4, 1);
    rig.platform.advance(1_000_000);
    assert_eq!(rig.read(PCH_PIC_BASE + pch_pic::IRR, 8), 1 << 52);
}

#[test]
fn the_bridge_powers_off_and_resets() {
    const CONTROL: u64 = PM_BASE + 0x14;
    const RESET: u64 = PM_BASE + 0x30;
    const SLP_EN: u64 = 1 << 13;
    let mut rig = rig();
    // The type alone, and other types.
    for value in [
        7 << 10,
        SLP_EN,
        SLP_EN | 3 << 10,
        SLP_EN | 5 << 10,
        SLP_EN | 6 << 10,
    ] {
        rig.write(CONTROL, 4, value);
        assert_eq!(rig.read(CONTROL, 4), value);
        assert_eq!(rig.platform.power_event(), None, "{value:#x}");
    }
    // A byte of it has neither.
    rig.write(CONTROL, 1, SLP_EN | 7 << 10);
    assert_eq!(rig.platform.power_event(), None);
    rig.write(CONTROL, 4, SLP_EN | 7 << 10);
    assert_eq!(rig.platform.power_event(), Some(PowerEvent::Off(0)));
    rig.platform.reset();
    assert_eq!(rig.platform.power_event(), None);
    rig.write(RESET, 4, 2);
    assert_eq!(rig.platform.power_event(), None);
    rig.write(RESET, 1, 1);
    assert_eq!(rig.platform.power_event(), Some(PowerEvent::Reset));
    // These registers are not there; a press of the button is lost.
    for absent in [POWER_BASE, place(Device::Events).base] {
        assert_eq!(rig.platform.mmio_read(0, absent, 1), None, "{absent:#x}");
    }
    rig.serial.press();
    rig.platform.advance(1);
    assert_eq!(rig.read(PCH_PIC_BASE + pch_pic::IRR, 8), 0);
    // The other boards power off by those alone.
    let mut other = Rig::new(1);
    other.write(CONTROL, 4, SLP_EN | 7 << 10);
    other.write(RESET, 4, 1);
    assert_eq!(other.platform.power_event(), None);
}

#[test]
fn a_snapshot_is_of_its_board() {
    let mut rig = rig();
    rig.write(LIOINTC + 0x28, 4, 1 << UART_INPUT);
    rig.write(LIOINTC + UART_INPUT, 1, CORE_0_INT0);
    rig.write(at(Device::Uart(0)) + 1, 1, 2);
    assert_eq!(rig.platform.lines(0).hwi, 1);
    let state = rig.platform.save().unwrap();
    let mut twin = self::rig();
    twin.platform.restore(&state).unwrap();
    assert_eq!(twin.platform.lines(0).hwi, 1);
    assert_eq!(twin.platform.save().unwrap(), state);
    let mut other = Rig::with(PlatformConfig {
        board: &map::VIRT,
        cpus: 6,
        ..PlatformConfig::default()
    });
    let error = other.platform.restore(&state).unwrap_err().to_string();
    assert!(error.contains("--machine"), "{error}");
}
