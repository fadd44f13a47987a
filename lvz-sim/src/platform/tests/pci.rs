// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The PCI bus and virtio devices on it, as a driver finds and uses them.

use super::driver::Driver;
use super::net::{HEADER, net};
use super::virtio::disk;
use super::*;
use crate::map::VIRT;
use crate::platform::virtio::disk::DriveMode;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use tempfile::NamedTempFile;
use vm_memory::Bytes;

const ECAM: u64 = place_on(&VIRT, Device::PciConfig(0)).base;
const WINDOW: u64 = place_on(&VIRT, Device::PciMemory).base;
/// The drive is behind the bridge and the entropy device.
const DRIVE: u64 = 2;
/// Its base address registers 1 and 4.
const MSIX: u64 = WINDOW;
const BAR: u64 = WINDOW + 0x4000;

const COMMAND: u64 = 0x04;
const MEMORY_AND_MASTER: u64 = 0b110;

fn pci_rig(file: &NamedTempFile) -> Rig {
    Rig::with(board(file))
}

fn board(file: &NamedTempFile) -> PlatformConfig {
    PlatformConfig {
        board: &VIRT,
        drives: vec![DriveConfig {
            path: file.path().to_owned(),
            mode: DriveMode::Volatile,
        }],
        ..PlatformConfig::default()
    }
}

fn config(device: u64, register: u64) -> u64 {
    ECAM + (device << 15) + register
}

/// Gives the drive its addresses.
fn place(rig: &mut Rig) {
    rig.write(config(DRIVE, 0x14), 4, MSIX);
    rig.write(config(DRIVE, 0x20), 4, BAR);
    rig.write(config(DRIVE, 0x24), 4, 0);
    rig.write(config(DRIVE, COMMAND), 2, MEMORY_AND_MASTER);
}

/// A drive's capabilities: where each is, and its kind.
fn capabilities(rig: &mut Rig) -> Vec<(u64, u64)> {
    let mut list = Vec::new();
    let mut at = rig.read(config(DRIVE, 0x34), 1);
    while at != 0 {
        assert!(list.len() < 32);
        list.push((at, rig.read(config(DRIVE, at), 1)));
        at = rig.read(config(DRIVE, at + 1), 1);
    }
    list
}

fn msix_capability(rig: &mut Rig) -> u64 {
    let list = capabilities(rig);
    list.iter().find(|(_, kind)| *kind == 0x11).unwrap().0
}

/// The capability by which configuration space is a window to the registers.
fn window_capability(rig: &mut Rig) -> u64 {
    let mut list = capabilities(rig).into_iter();
    list.find(|&(at, kind)| kind == 9 && rig.read(config(DRIVE, at + 3), 1) == 5)
        .unwrap()
        .0
}

/// Reads through that window.
fn look(rig: &mut Rig, window: u64, offset: u64, length: u8) -> u64 {
    rig.write(config(DRIVE, window + 4), 1, 4);
    rig.write(config(DRIVE, window + 8), 4, offset);
    rig.write(config(DRIVE, window + 12), 4, length.into());
    rig.read(config(DRIVE, window + 16), length)
}

/// Has message `number` send `vector` to the interrupt controller.
fn aim(rig: &mut Rig, number: u64, vector: u64) {
    rig.write(MSIX + 16 * number, 4, PCH_MSI_BASE);
    rig.write(MSIX + 16 * number + 4, 4, 0);
    rig.write(MSIX + 16 * number + 8, 4, vector);
    rig.write(MSIX + 16 * number + 12, 4, 0);
}

#[test]
fn the_bus_is_found() {
    let mut rig = pci_rig(&disk());
    assert_eq!(rig.read(config(0, 0), 4), 0x0008_1b36);
    assert_eq!(rig.read(config(0, 8), 4) >> 8, 0x06_0000);
    assert_eq!(rig.read(config(1, 0), 4), 0x1044_1af4);
    assert_eq!(rig.read(config(DRIVE, 0), 4), 0x1042_1af4);
    assert_eq!(rig.read(config(DRIVE, 8), 4), 0x0100_0001);
    assert_eq!(rig.read(config(DRIVE, 0x3d), 1), 1);
    // Nothing behind, in other functions and on other buses.
    for at in [
        config(3, 0),
        config(DRIVE, 1 << 12),
        config(0, 0) + (1 << 20),
    ] {
        assert_eq!(rig.read(at, 4), 0xffff_ffff);
        rig.write(at, 4, 0);
    }
    // No extended capabilities.
    assert_eq!(rig.read(config(DRIVE, 0x100), 4), 0);
    // All ports and all memory without a function read ones.
    assert_eq!(rig.read(place_on(&VIRT, Device::PciIo).base, 2), 0xffff);
    assert_eq!(rig.read(WINDOW + 0x1000, 8), u64::MAX);
    // This board has no virtio-mmio, the other no PCI.
    assert_eq!(rig.platform.mmio_read(0, VIRTIO_BASE, 4), None);
    let mut other = Rig::new(1);
    assert_eq!(other.platform.mmio_read(0, ECAM, 4), None);
}

#[test]
fn base_address_registers_tell_their_size() {
    let mut rig = pci_rig(&disk());
    for bar in 0..6 {
        rig.write(config(DRIVE, 0x10 + 4 * bar), 4, 0xffff_ffff);
    }
    let bars: Vec<u64> = (0..6)
        .map(|bar| rig.read(config(DRIVE, 0x10 + 4 * bar), 4))
        .collect();
    let none = 0;
    assert_eq!(
        bars,
        [none, 0xffff_f000, none, none, 0xffff_c00c, 0xffff_ffff]
    );
    // They answer where they are put, once memory is enabled.
    place(&mut rig);
    assert_eq!(rig.read(BAR + 0x12, 2), 1, "one queue");
    assert_eq!(rig.read(BAR + 0x2000, 8), 128, "sectors");
    rig.write(config(DRIVE, COMMAND), 2, 0);
    assert_eq!(rig.read(BAR + 0x12, 2), 0xffff);
}

#[test]
fn requests_interrupt_by_pin() {
    let mut rig = pci_rig(&disk());
    rig.set_up_interrupts();
    place(&mut rig);
    let mut driver = Driver::on_pci(&mut rig, BAR, 1);
    driver.queue(&mut rig, 0, &[&[0; 16]], &[513]);
    assert_eq!(rig.platform.lines(0).hwi, 2);
    // Vectors are the pins: device 2 is at pin 2 of the bus.
    let pin = 16 + DRIVE;
    assert_eq!(
        rig.iocsr(0, EIOINTC + eiointc::COREISR, 4),
        1 << pin,
        "{pin}"
    );
    assert_eq!(driver.get(&mut rig, 0x60), 1);
    assert_eq!(driver.get(&mut rig, 0x60), 0, "reading acknowledges");
    let (data, status) = driver.block(&mut rig, 0, 5, &[], 512);
    assert_eq!((data.as_slice(), status), (&[5; 512][..], 0));
    // Not if the driver does not want it.
    driver.queue(&mut rig, 0, &[&[0; 16]], &[513]);
    rig.write(config(DRIVE, COMMAND), 2, MEMORY_AND_MASTER | 1 << 10);
    rig.set_iocsr(0, EIOINTC + eiointc::COREISR, 4, u64::MAX);
    assert_eq!(rig.platform.lines(0).hwi, 0);
}

#[test]
fn the_status_register_shows_an_interrupt_for_the_pin() {
    let mut rig = pci_rig(&disk());
    place(&mut rig);
    let mut driver = Driver::on_pci(&mut rig, BAR, 1);
    let status = |rig: &mut Rig| rig.read(config(DRIVE, COMMAND + 2), 2);
    assert_eq!(status(&mut rig), 0x10);
    driver.queue(&mut rig, 0, &[&[0; 16]], &[513]);
    for (command, size) in [(0, 4), (1 << 10, 4), (1 << 10, 8)] {
        rig.write(config(DRIVE, COMMAND), 2, MEMORY_AND_MASTER | command);
        assert_eq!(status(&mut rig), 0x18, "{command:#x}");
        let read = rig.read(config(DRIVE, 8 - size), size as u8);
        let expected = 0x18 << 16 | MEMORY_AND_MASTER | command;
        assert_eq!(read >> (8 * (size - 4)), expected, "{size} bytes");
    }
    assert_eq!(rig.read(config(DRIVE, COMMAND + 2), 1), 0x18);
    assert_eq!(rig.read(config(DRIVE, COMMAND + 3), 1), 0);
    assert_eq!(rig.read(config(DRIVE, COMMAND + 4), 4), 0x0100_0001);
    // It cannot be written, and is no part of what is saved.
    rig.write(config(DRIVE, COMMAND + 2), 2, 0xffff);
    assert_eq!(status(&mut rig), 0x18);
    let state = rig.platform.save().unwrap();
    rig.platform.restore(&state).unwrap();
    assert_eq!(status(&mut rig), 0x18);
    assert_eq!(driver.get(&mut rig, 0x60), 1);
    assert_eq!(status(&mut rig), 0x10);
    // Nor is it there while messages are enabled.
    driver.queue(&mut rig, 0, &[&[0; 16]], &[513]);
    assert_eq!(status(&mut rig), 0x18);
    let at = msix_capability(&mut rig);
    rig.write(config(DRIVE, at + 2), 2, 1 << 15);
    assert_eq!(status(&mut rig), 0x10);
}

#[test]
fn requests_interrupt_by_message() {
    let mut rig = Rig::with(PlatformConfig {
        avec: true,
        ..board(&disk())
    });
    rig.set_up_interrupts();
    place(&mut rig);
    let at = msix_capability(&mut rig);
    assert_eq!(rig.read(config(DRIVE, at + 2), 2), 1, "two messages");
    assert_eq!(rig.read(config(DRIVE, at + 4), 4), 1, "table in BAR 1");
    aim(&mut rig, 1, 100);
    rig.write(config(DRIVE, at + 2), 2, 1 << 15);
    let mut driver = Driver::on_pci(&mut rig, BAR, 1);
    rig.write(BAR + 0x16, 2, 0);
    for (vector, taken) in [(2, 0xffff), (0xffff, 0xffff), (1, 1)] {
        rig.write(BAR + 0x1a, 2, vector);
        assert_eq!(rig.read(BAR + 0x1a, 2), taken, "{vector}");
    }
    driver.queue(&mut rig, 0, &[&[0; 16]], &[513]);
    assert_eq!(rig.iocsr(0, EIOINTC + eiointc::COREISR + 12, 4), 1 << 4);
    assert_eq!(rig.read(BAR + 0x1000, 1), 0, "no interrupt status");
    rig.set_iocsr(0, EIOINTC + eiointc::COREISR + 12, 4, u64::MAX);

    // A masked message waits.
    rig.write(MSIX + 16 + 12, 4, 1);
    driver.queue(&mut rig, 0, &[&[0; 16]], &[513]);
    assert_eq!(rig.read(MSIX + 0x800, 8), 2);
    assert_eq!(rig.platform.lines(0).hwi, 0);
    rig.write(MSIX + 16 + 12, 4, 0);
    assert_eq!(rig.read(MSIX + 0x800, 8), 0);
    assert_eq!(rig.platform.lines(0).hwi, 2);
    rig.set_iocsr(0, EIOINTC + eiointc::COREISR + 12, 4, u64::MAX);

    // One aimed at memory is a write there; one aimed at nothing is lost.
    rig.write(MSIX + 16, 4, 0x8000);
    driver.queue(&mut rig, 0, &[&[0; 16]], &[513]);
    assert_eq!(rig.ram.read_obj::<u32>(GuestAddress(0x8000)).unwrap(), 100);
    rig.write(MSIX + 16 + 4, 4, 0xffff_ffff);
    driver.queue(&mut rig, 0, &[&[0; 16]], &[513]);
    assert_eq!(rig.platform.lines(0).hwi, 0);

    // One aimed at the window of message interrupts goes to a CPU.
    rig.set_iocsr(0, iocsr::MISC_FUNC, 8, iocsr::EXT_IOI_EN | iocsr::AVEC_EN);
    rig.write(MSIX + 16, 4, place_on(&VIRT, Device::Avec).base + (65 << 4));
    rig.write(MSIX + 16 + 4, 4, 0);
    driver.queue(&mut rig, 0, &[&[0; 16]], &[513]);
    assert_eq!(rig.platform.take_messages(0), Some([0, 2, 0, 0]));
}

#[test]
fn frames_go_both_ways_by_message() {
    let (net, mut peer) = net();
    let mut rig = Rig::with(PlatformConfig {
        board: &VIRT,
        net: Some(net),
        ..PlatformConfig::default()
    });
    rig.set_up_interrupts();
    // It is where the drive is otherwise.
    place(&mut rig);
    assert_eq!(rig.read(config(DRIVE, 0), 4), 0x1041_1af4);
    assert_eq!(rig.read(config(DRIVE, 8), 4) >> 8, 0x02_0000);
    assert_eq!(rig.read(BAR + 0x2004, 2), 0x0900, "the address's end");
    let at = msix_capability(&mut rig);
    assert_eq!(rig.read(config(DRIVE, at + 2), 2), 2, "three messages");
    aim(&mut rig, 1, 100);
    aim(&mut rig, 2, 101);
    rig.write(config(DRIVE, at + 2), 2, 1 << 15);
    let mut driver = Driver::on_pci(&mut rig, BAR, 2);
    for queue in 0..2 {
        rig.write(BAR + 0x16, 2, queue);
        rig.write(BAR + 0x1a, 2, queue + 1);
    }
    driver.queue(&mut rig, 1, &[&HEADER, b"frame"], &[]);
    rig.platform.advance(1);
    assert_eq!(peer.frame(), b"frame");
    assert_eq!(rig.iocsr(0, EIOINTC + eiointc::COREISR + 12, 4), 1 << 5);
    driver.queue(&mut rig, 0, &[], &[100]);
    peer.send(b"answer");
    rig.platform.advance(2);
    assert_eq!(driver.used(&rig, 0), (1, 18));
    assert_eq!(rig.iocsr(0, EIOINTC + eiointc::COREISR + 12, 4), 3 << 4);
}

#[test]
fn a_function_that_is_no_master_leaves_memory_alone() {
    let mut rig = pci_rig(&disk());
    place(&mut rig);
    let mut driver = Driver::on_pci(&mut rig, BAR, 1);
    rig.write(config(DRIVE, COMMAND), 2, 0b010);
    driver.queue(&mut rig, 0, &[&[0; 16]], &[513]);
    assert_eq!(driver.used(&rig, 0), (0, 0));
    rig.write(config(DRIVE, COMMAND), 2, MEMORY_AND_MASTER);
    driver.set(&mut rig, 0x50, 0);
    assert_eq!(driver.used(&rig, 0).0, 1);
}

#[test]
fn configuration_space_is_a_window_to_the_registers() {
    let mut rig = pci_rig(&disk());
    let list = capabilities(&mut rig);
    let mut kinds = Vec::new();
    for (at, kind) in list {
        if kind == 9 {
            kinds.push((rig.read(config(DRIVE, at + 3), 1), at));
        }
    }
    kinds.sort_unstable();
    let numbers: Vec<u64> = kinds.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    let window = window_capability(&mut rig);
    // Number of queues; sectors in two halves.
    for (offset, length, expected) in [(0x12, 2, 1), (0x2000, 4, 128), (0x2004, 4, 0)] {
        let value = look(&mut rig, window, offset, length);
        assert_eq!(value, expected, "{offset:#x}");
    }
    // Queue size by a write through it.
    rig.write(config(DRIVE, window + 8), 4, 0x18);
    rig.write(config(DRIVE, window + 12), 4, 2);
    rig.write(config(DRIVE, window + 16), 2, 8);
    place(&mut rig);
    assert_eq!(rig.read(BAR + 0x18, 2), 8);
}

#[test]
fn the_interrupt_status_read_through_the_window_drops_the_pin() {
    let mut rig = pci_rig(&disk());
    rig.set_up_interrupts();
    place(&mut rig);
    let window = window_capability(&mut rig);
    let mut driver = Driver::on_pci(&mut rig, BAR, 1);
    driver.queue(&mut rig, 0, &[&[0; 16]], &[513]);
    assert_eq!(rig.platform.lines(0).hwi, 2);
    // Another register leaves it.
    assert_eq!(look(&mut rig, window, 0x12, 2), 1);
    assert_eq!(rig.platform.lines(0).hwi, 2);
    assert_eq!(look(&mut rig, window, 0x1000, 1), 1);
    assert_eq!(rig.platform.lines(0).hwi, 0);
    assert_eq!(look(&mut rig, window, 0x1000, 1), 0);
}

/// Messages are enabled, and number 1, which waits if it is triggered, has a target.
fn with_masked_message(rig: &mut Rig) -> Driver {
    place(rig);
    let at = msix_capability(rig);
    aim(rig, 1, 100);
    rig.write(MSIX + 16 + 12, 4, 1);
    rig.write(config(DRIVE, at + 2), 2, 1 << 15);
    Driver::on_pci(rig, BAR, 1)
}

#[test]
fn a_reset_of_the_device_forgets_messages_that_wait() {
    let mut rig = pci_rig(&disk());
    rig.set_up_interrupts();
    let mut driver = with_masked_message(&mut rig);
    rig.write(BAR + 0x1a, 2, 1);
    driver.queue(&mut rig, 0, &[&[0; 16]], &[513]);
    assert_eq!(rig.read(MSIX + 0x800, 8), 2);
    driver.set(&mut rig, 0x70, 0);
    assert_eq!(rig.read(MSIX + 0x800, 8), 0);
    rig.write(MSIX + 16 + 12, 4, 0);
    assert_eq!(rig.platform.lines(0).hwi, 0);
    // The table is the bus's, and stays.
    assert_eq!(rig.read(MSIX + 16 + 8, 4), 100);
}

#[test]
fn a_message_that_nothing_uses_any_longer_does_not_wait() {
    let mut rig = pci_rig(&disk());
    let mut driver = with_masked_message(&mut rig);
    // Of changes of the configuration, and of the queue.
    let users = [BAR + 0x10, BAR + 0x1a];
    for user in users {
        rig.write(user, 2, 1);
    }
    driver.queue(&mut rig, 0, &[&[0; 16]], &[513]);
    for (user, waits) in users.into_iter().zip([2, 0]) {
        rig.write(user, 2, 0xffff);
        assert_eq!(rig.read(MSIX + 0x800, 8), waits);
    }
}

#[test]
fn a_driver_reads_back_what_it_has_selected_and_taken() {
    let mut rig = pci_rig(&disk());
    place(&mut rig);
    let driver = Driver::on_pci(&mut rig, BAR, 1);
    let taken = driver.features(&mut rig);
    for (select, expected) in [(0, taken & 0xffff_ffff), (1, taken >> 32), (2, 0)] {
        driver.set(&mut rig, 0x14, select);
        driver.set(&mut rig, 0x24, select);
        assert_eq!(rig.read(BAR, 4), select, "device_feature_select");
        assert_eq!(rig.read(BAR + 0x8, 4), select, "driver_feature_select");
        assert_eq!(rig.read(BAR + 0xc, 4), expected, "driver_feature");
    }
    driver.set(&mut rig, 0x70, 0);
    driver.set(&mut rig, 0x20, 1 << 9);
    assert_eq!(rig.read(BAR + 0xc, 4), 1 << 9);
}

#[test]
fn a_restored_bus_goes_on() {
    let file = disk();
    let mut rig = pci_rig(&file);
    rig.set_up_interrupts();
    place(&mut rig);
    let at = msix_capability(&mut rig);
    aim(&mut rig, 1, 100);
    rig.write(config(DRIVE, at + 2), 2, 1 << 15);
    let mut driver = Driver::on_pci(&mut rig, BAR, 1);
    rig.write(BAR + 0x1a, 2, 1);
    // Firmware leaves the interrupt line of the bridge too.
    rig.write(config(0, 0x3c), 1, 0xff);
    let state = rig.platform.save().unwrap();

    let mut other = pci_rig(&file);
    let mut memory = vec![0; 64 << 20];
    rig.ram.read_slice(&mut memory, GuestAddress(0)).unwrap();
    other.ram.write_slice(&memory, GuestAddress(0)).unwrap();
    other.platform.restore(&state).unwrap();
    assert_eq!(other.platform.save().unwrap(), state);
    assert_eq!(other.read(config(0, 0x3c), 1), 0xff);
    driver.queue(&mut other, 0, &[&[0; 16]], &[513]);
    assert_eq!(other.iocsr(0, EIOINTC + eiointc::COREISR + 12, 4), 1 << 4);

    let mut flat = super::virtio::rig_with(&file, DriveMode::Volatile);
    let error = flat.platform.restore(&state).unwrap_err().to_string();
    assert!(error.contains("--machine"), "{error}");
    // A reset forgets all of it.
    other.platform.reset();
    assert_eq!(other.read(config(DRIVE, COMMAND), 2), 0);
    assert_eq!(other.read(config(DRIVE, 0x14), 4), 0);
}

/// What a guest can do to configuration space and to the functions' memory.
#[test]
fn wrong_use_of_the_bus_does_no_harm() {
    let file = disk();
    for seed in 0..8 {
        let mut rig = pci_rig(&file);
        let mut random = SplitMix64::seed_from_u64(seed);
        place(&mut rig);
        for _ in 0..100_000 {
            let word = random.next_u64();
            let size = 1 << (word & 3);
            let align = !(size - 1);
            let register = word >> 8 & 0xfff & align;
            let at = match word >> 2 & 7 {
                0 | 1 => config(word >> 20 & 3, register & 0xff),
                2 => ECAM + (word >> 20 & 0x7ff_ffff & align),
                3 => MSIX + register,
                4 | 5 => BAR + (register & 0x3f),
                6 => BAR + (word >> 20 & 0x3fff & align),
                _ => WINDOW + (word >> 20 & 0x3fff_ffff & align),
            };
            match word >> 63 {
                0 => {
                    rig.platform.mmio_read(0, at, size as u8);
                }
                _ => {
                    let value = random.next_u64() >> (random.next_u64() & 63);
                    rig.platform.mmio_write(0, at, size as u8, value);
                }
            }
        }
        // The machine is as good as new after a reset.
        rig.platform.reset();
        place(&mut rig);
        let mut driver = Driver::on_pci(&mut rig, BAR, 1);
        let (data, status) = driver.block(&mut rig, 0, 5, &[], 512);
        assert_eq!((data.as_slice(), status), (&[5; 512][..], 0));
    }
}
