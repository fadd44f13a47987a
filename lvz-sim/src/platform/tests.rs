// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Tests of the devices, all through the interface that CPUs use.

mod clock;
mod driver;
mod flash;
mod fw_cfg;
mod hostile;
mod interrupts;
mod lockstep;
mod loongson;
mod net;
mod pci;
mod serial;
mod share;
mod snapshot;
mod virtio;

use super::console::{BufferConsole, NullConsole};
use super::eiointc::CORES_PER_NODE;
use super::net::Net;
use super::virtio::disk::DriveConfig;
use super::*;
use crate::map::{self, Input};
use la_arch::iocsr::{EIOINTC_BASE as EIOINTC, IPI_BASE as IPI};
use la_arch::{eiointc, iocsr, ipi, pch_pic};
use vm_memory::GuestAddress;

const PCH_PIC_BASE: u64 = place(Device::PchPic).base;
const PM_BASE: u64 = place(Device::PowerManagement).base;
const RTC_BASE: u64 = place(Device::Rtc).base;
const POWER_BASE: u64 = place(Device::Power).base;
const VIRTIO_BASE: u64 = place(Device::Virtio(0)).base;
const VIRTIO_STRIDE: u64 = place(Device::Virtio(1)).base - VIRTIO_BASE;
const LEGACY_IO_BASE: u64 = place(Device::LegacyIo).base;
const UART_BASE: u64 = place(Device::Uart(0)).base;
const UART_SIZE: u64 = place(Device::Uart(0)).size;
const PCH_MSI_BASE: u64 = place(Device::PchMsi).base;

/// Where a device of the default board is.
const fn place(device: Device) -> Place {
    place_on(&map::VIRT_MMIO, device)
}

const fn place_on(board: &Board, device: Device) -> Place {
    match board.place(device) {
        Some(place) => place,
        None => panic!("the board does not have it"),
    }
}

/// The PCH-PIC pin of a device of the default board.
fn pin_number(device: Device) -> u32 {
    match place(device).input {
        Some(Input::PchPic(pin)) => pin,
        other => panic!("{device:?} is at {other:?}"),
    }
}

/// The same as a bit.
fn pin(device: Device) -> u64 {
    1 << pin_number(device)
}

/// A machine to test, with 64 MiB of memory.
struct Rig {
    platform: Platform,
    ram: GuestRam,
    serial: BufferConsole,
    serial1: BufferConsole,
}

impl Rig {
    fn new(cpus: usize) -> Self {
        Self::with(PlatformConfig {
            cpus,
            ..PlatformConfig::default()
        })
    }

    fn with(config: PlatformConfig) -> Self {
        let ram = GuestRam::from_ranges(&[(GuestAddress(0), 64 << 20)]).unwrap();
        let serial = BufferConsole::default();
        let serial1 = BufferConsole::default();
        let config = PlatformConfig {
            serial: [Box::new(serial.clone()), Box::new(serial1.clone())],
            ..config
        };
        let platform = Platform::new(config, ram.clone()).unwrap();
        Self {
            platform,
            ram,
            serial,
            serial1,
        }
    }

    fn read(&mut self, pa: u64, size: u8) -> u64 {
        self.platform.mmio_read(0, pa, size).unwrap()
    }

    fn write(&mut self, pa: u64, size: u8, value: u64) {
        assert!(self.platform.mmio_write(0, pa, size, value));
    }

    fn iocsr(&mut self, cpu: usize, addr: u64, size: u8) -> u64 {
        self.platform.iocsr_read(cpu, addr as u32, size)
    }

    fn set_iocsr(&mut self, cpu: usize, addr: u64, size: u8, value: u64) {
        self.platform.iocsr_write(cpu, addr as u32, size, value);
    }

    /// Sets the interrupt controllers up as Linux does: vectors of the
    /// PCH-PIC are its pins, all of them enabled and sent to HWI1 of CPU 0.
    fn set_up_interrupts(&mut self) {
        for cpu in (0..self.platform.cpus()).step_by(CORES_PER_NODE) {
            self.set_iocsr(cpu, iocsr::MISC_FUNC, 8, iocsr::EXT_IOI_EN);
            for i in 0..8 {
                let map = 1 << (i * 2 + 1) << 16 | 1 << (i * 2);
                self.set_iocsr(cpu, EIOINTC + eiointc::NODETYPE + 4 * i, 4, map);
                self.set_iocsr(cpu, EIOINTC + eiointc::ENABLE + 4 * i, 4, 0xffff_ffff);
                self.set_iocsr(cpu, EIOINTC + eiointc::BOUNCE + 4 * i, 4, 0xffff_ffff);
            }
            for i in 0..2 {
                self.set_iocsr(cpu, EIOINTC + eiointc::IPMAP + 4 * i, 4, 0x0202_0202);
            }
            for i in 0..64 {
                self.set_iocsr(cpu, EIOINTC + eiointc::COREMAP + 4 * i, 4, 0x0101_0101);
            }
        }
        for pin in 0..64 {
            self.write(PCH_PIC_BASE + pch_pic::HTMSI_VECTOR + pin, 1, pin);
        }
        self.write(PCH_PIC_BASE + pch_pic::HTMSI_EN, 8, u64::MAX);
        self.write(PCH_PIC_BASE + pch_pic::MASK, 8, 0);
    }
}

#[test]
fn addresses_without_a_device_do_not_answer() {
    let mut rig = Rig::new(1);
    let count = rig.platform.virtio_devices() as u64;
    for pa in [
        0,
        map::LOW_RAM_SIZE - 1,
        PCH_PIC_BASE + place(Device::PchPic).size,
        POWER_BASE + place(Device::Power).size,
        VIRTIO_BASE - 1,
        VIRTIO_BASE + place(Device::Virtio(0)).size,
        VIRTIO_BASE + count * VIRTIO_STRIDE,
        u64::MAX,
    ] {
        assert_eq!(rig.platform.mmio_read(0, pa, 4), None, "{pa:#x}");
        assert!(!rig.platform.mmio_write(0, pa, 4, 0), "{pa:#x}");
    }
    // Nothing is behind the legacy ports, but the bridge answers.
    assert_eq!(rig.read(LEGACY_IO_BASE + 0x64, 1), 0xff);
}

#[test]
fn configurations_out_of_range_are_refused() {
    let ram = GuestRam::from_ranges(&[(GuestAddress(0), 1 << 20)]).unwrap();
    for cpus in [0, 17] {
        let config = PlatformConfig {
            cpus,
            ..PlatformConfig::default()
        };
        assert!(matches!(
            Platform::new(config, ram.clone()),
            Err(PlatformError::Cpus(_))
        ));
    }
    let drive = DriveConfig {
        path: "/no/such/disk".into(),
        mode: Default::default(),
    };
    let config = PlatformConfig {
        drives: vec![drive],
        ..PlatformConfig::default()
    };
    let error = Platform::new(config, ram.clone()).unwrap_err().to_string();
    assert!(
        error.starts_with("drive /no/such/disk: cannot open it"),
        "{error}"
    );
    let directory = DriveConfig {
        path: "/".into(),
        mode: DriveMode::ReadOnly,
    };
    let config = PlatformConfig {
        drives: vec![directory],
        ..PlatformConfig::default()
    };
    let error = Platform::new(config, ram.clone()).unwrap_err().to_string();
    assert!(error.starts_with("drive /: cannot open it"), "{error}");
    let config = PlatformConfig {
        share: Some("/no/such/directory".into()),
        ..PlatformConfig::default()
    };
    let error = Platform::new(config, ram).unwrap_err().to_string();
    assert!(
        error.starts_with("shared directory /no/such/directory"),
        "{error}"
    );
}

#[test]
fn the_power_button_interrupts_until_its_event_is_read() {
    let mut rig = Rig::new(1);
    rig.set_up_interrupts();
    let events = place(Device::Events).base;
    assert_eq!(rig.read(events, 4), 0);
    rig.serial.press();
    rig.platform.advance(1);
    assert_eq!(
        rig.read(PCH_PIC_BASE + pch_pic::IRR, 8),
        pin(Device::Events)
    );
    assert_ne!(rig.platform.lines(0).hwi, 0);
    assert_eq!(rig.read(events, 4), u64::from(power::BUTTON));
    assert_eq!(rig.read(events, 4), 0);
    assert_eq!(rig.read(PCH_PIC_BASE + pch_pic::IRR, 8), 0);
    rig.serial.press();
    rig.platform.advance(2);
    rig.platform.reset();
    assert_eq!(rig.read(events, 4), 0);
}

#[test]
fn power_registers_power_off_with_a_code_and_reset() {
    let mut rig = Rig::new(1);
    assert_eq!(rig.platform.power_event(), None);
    rig.write(POWER_BASE + power::RESET, 1, 0x41);
    // SLP_EN with the other types, and the type without it.
    for kind in (0..8).filter(|&kind| kind != 5) {
        rig.write(POWER_BASE, 1, 0x20 | kind << 2);
        assert_eq!(rig.platform.power_event(), None, "type {kind}");
    }
    rig.write(POWER_BASE, 1, 0x14);
    assert_eq!(rig.platform.power_event(), None);
    rig.write(POWER_BASE + power::EXIT_CODE, 1, 42);
    assert_eq!(rig.read(POWER_BASE + power::EXIT_CODE, 1), 42);
    rig.write(POWER_BASE, 1, 0x34);
    assert_eq!(rig.platform.power_event(), Some(PowerEvent::Off(42)));
    rig.platform.reset();
    assert_eq!(rig.platform.power_event(), None);
    rig.write(POWER_BASE + power::RESET, 1, 0x42);
    assert_eq!(rig.platform.power_event(), Some(PowerEvent::Reset));
}
