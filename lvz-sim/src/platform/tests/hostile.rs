// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a broken or malicious driver can do: nothing may panic, hang or grow
//! without bound.

use super::driver::Driver;
use super::net::{net, rig_with_net};
use super::virtio::{disk, rig_with};
use super::*;
use crate::platform::virtio::disk::DriveMode;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::time::Instant;
use vm_memory::Bytes;

const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;
const NEEDS_RESET: u64 = 64;

fn block_rig() -> (Rig, Driver) {
    let file = disk();
    let mut rig = rig_with(&file, DriveMode::ReadWrite);
    let driver = Driver::new(&mut rig, 1, 1);
    (rig, driver)
}

#[test]
fn mad_descriptors_complete_with_nothing() {
    let chains: [&[(u64, u32, u16, u16)]; 9] = [
        // No buffer at all, a loop, a link out of the table.
        &[(0x40_0000, 0, 0, 0)],
        &[(0x40_0000, 16, NEXT, 0)],
        &[(0x40_0000, 16, NEXT, 0xffff)],
        // Outside memory, around its end, around the address space.
        &[(0xffff_ffff_ffff_fff0, 16, 0, 0)],
        &[(0x03ff_fff8, 16, NEXT, 1), (0x40_0000, 513, WRITE, 0)],
        &[
            (0x40_0000, 16, NEXT, 1),
            (0xffff_ffff_ffff_ffff, 2, WRITE, 0),
        ],
        // Most that descriptors can say, more than once.
        &[
            (0, u32::MAX, NEXT | WRITE, 1),
            (0, u32::MAX, NEXT | WRITE, 0),
        ],
        // Indirect tables: odd, in a loop.
        &[(0x10_0000, 17, INDIRECT, 0)],
        &[(0x10_0000, 16, INDIRECT, 0)],
    ];
    for chain in chains {
        let (mut rig, mut driver) = block_rig();
        for (number, &entry) in chain.iter().enumerate() {
            driver.describe(&rig, 0, number as u64, entry);
        }
        driver.submit(&mut rig, 0, 0);
        assert_eq!(driver.used(&rig, 0), (1, 0), "{chain:x?}");
        // The device goes on.
        let (data, status) = driver.block(&mut rig, 0, 5, &[], 512);
        assert_eq!((data.as_slice(), status), (&[5; 512][..], 0));
    }
}

/// Chains that no network driver makes: none may stop the device, or get onto the
/// wire as what is not a frame.
#[test]
fn mad_frames_are_lost() {
    let chains: [&[(u64, u32, u16, u16)]; 8] = [
        // Nothing, a part of a header, a header alone, a loop, too long.
        &[(0x40_0000, 0, 0, 0)],
        &[(0x40_0000, 5, 0, 0)],
        &[(0x40_0000, 12, 0, 0)],
        &[(0x40_0000, 0x2000, NEXT, 0)],
        &[(0x40_0000, 0x1_001b, 0, 0)],
        &[(0x40_0000, u32::MAX, 0, 0)],
        // Not to be read, and outside memory.
        &[(0x40_0000, 100, WRITE, 0)],
        &[(0xffff_ffff_ffff_fff0, 100, 0, 0)],
    ];
    for chain in chains {
        let (mut rig, mut peer) = rig_with_net();
        let mut driver = Driver::new(&mut rig, 1, 2);
        for (number, &entry) in chain.iter().enumerate() {
            driver.describe(&rig, 1, number as u64, entry);
        }
        driver.submit(&mut rig, 1, 0);
        assert_eq!(driver.used(&rig, 1), (1, 0), "{chain:x?}");
        // The device goes on, and the next frame is the first.
        driver.queue(&mut rig, 1, &[&[0; 12], b"a frame"], &[]);
        rig.platform.advance(1);
        assert_eq!(peer.frame(), b"a frame");
    }
    // Buffers for what arrives: no memory, nothing to write, too small.
    let (mut rig, mut peer) = rig_with_net();
    let mut driver = Driver::new(&mut rig, 1, 2);
    peer.send(b"a frame");
    for (head, entry) in [
        (0xffff_ffff_ffff_fff0, 100, WRITE, 0),
        (0x40_0000, 100, 0, 0),
        (0x40_0000, 13, WRITE, 0),
    ]
    .into_iter()
    .enumerate()
    {
        driver.describe(&rig, 0, head as u64, entry);
        driver.submit(&mut rig, 0, head as u16);
    }
    rig.platform.advance(1);
    // The first comes back empty; at the second the frame is lost.
    assert_eq!(driver.used(&rig, 0), (1, 0));
    assert_eq!(driver.get(&mut rig, 0x70), 15);
    driver.set(&mut rig, 0x70, 0);
    let mut driver = Driver::new(&mut rig, 1, 2);
    peer.send(b"the next");
    driver.queue(&mut rig, 0, &[], &[100]);
    rig.platform.advance(2);
    assert_eq!(driver.used(&rig, 0), (1, 20));
}

#[test]
fn mad_rings_need_a_reset() {
    let (mut rig, mut driver) = block_rig();
    // More requests than the ring has room for.
    rig.ram.write_obj(1000u16, GuestAddress(0x10_1002)).unwrap();
    driver.set(&mut rig, 0x50, 0);
    assert_eq!(driver.get(&mut rig, 0x70), 15 | NEEDS_RESET);
    assert_eq!(driver.get(&mut rig, 0x60), 2);
    driver.set(&mut rig, 0x50, 0);
    driver.set(&mut rig, 0x70, 0);
    assert_eq!(driver.get(&mut rig, 0x70), 0);

    // A head out of the table.
    let (mut rig, mut second) = block_rig();
    second.submit(&mut rig, 0, 16);
    assert_eq!(second.get(&mut rig, 0x70), 15 | NEEDS_RESET);

    // Queues outside memory are not taken.
    driver = second;
    driver.set(&mut rig, 0x70, 0);
    for at in [0x0400_0000, 0xffff_ffff_ffff_f000, 0x03ff_f000] {
        assert!(!driver.start_queue(&mut rig, 0, at), "{at:#x}");
    }
    // Registers of queues that do not exist, notifications for them.
    driver.set(&mut rig, 0x30, 7);
    assert_eq!(driver.get(&mut rig, 0x34), 0);
    driver.set(&mut rig, 0x44, 1);
    driver.set(&mut rig, 0x50, 0xffff_ffff);
}

/// Requests whose answers are written into the ring that feeds the device.
#[test]
fn a_device_that_feeds_itself_stops() {
    let mut rig = Rig::new(1);
    let mut driver = Driver::new(&mut rig, 0, 1);
    let start = Instant::now();
    for _ in 0..100 {
        driver.describe(&rig, 0, 0, (0x10_1000, 0x1000, WRITE, 0));
        driver.submit(&mut rig, 0, 0);
        if driver.get(&mut rig, 0x70) & NEEDS_RESET != 0 {
            driver = Driver::new(&mut rig, 0, 1);
        }
    }
    assert!(start.elapsed().as_secs() < 10);
}

/// The largest request that there is, in every entry of the queue.
#[test]
fn the_largest_requests_end() {
    let (mut rig, mut driver) = block_rig();
    let start = Instant::now();
    let table = 0x20_0000;
    for number in 0..0xffffu64 {
        let mut bytes = (0x100_0000u64).to_le_bytes().to_vec();
        bytes.extend(0xffffu32.to_le_bytes());
        bytes.extend((if number == 0 { NEXT } else { NEXT | WRITE }).to_le_bytes());
        bytes.extend((number as u16 + 1).to_le_bytes());
        let at = GuestAddress(table + number * 16);
        rig.ram.write_slice(&bytes, at).unwrap();
    }
    driver.describe(&rig, 0, 0, (table, 0xf_fff0, INDIRECT, 0));
    for _ in 0..16 {
        driver.submit(&mut rig, 0, 0);
    }
    assert_eq!(driver.used(&rig, 0).0, 16);
    assert!(start.elapsed().as_secs() < 20);
}

/// Random accesses of all sizes to all devices and all of IOCSR space.
#[test]
fn random_accesses() {
    let share = tempfile::tempdir().unwrap();
    let file = disk();
    let (net, _peer) = net();
    let ram = GuestRam::from_ranges(&[(GuestAddress(0), 4 << 20)]).unwrap();
    let config = PlatformConfig {
        cpus: 7,
        console: Some(Box::new(BufferConsole::default())),
        drives: vec![DriveConfig {
            path: file.path().to_owned(),
            mode: DriveMode::Volatile,
        }],
        share: Some(share.path().to_owned()),
        net: Some(net),
        ..PlatformConfig::default()
    };
    let mut platform = Platform::new(config, ram.clone()).unwrap();
    let blocks = [
        (PCH_PIC_BASE, place(Device::PchPic).size),
        (PM_BASE, 2 * place(Device::Rtc).size),
        (POWER_BASE - 4, 12),
        (VIRTIO_BASE, 7 * VIRTIO_STRIDE),
        (UART_BASE - 8, UARTS as u64 * UART_SIZE + 16),
        (PCH_MSI_BASE - 8, 24),
        (LEGACY_IO_BASE, place(Device::LegacyIo).size + 8),
        (0, u64::MAX),
    ];
    let mut generator = SplitMix64::seed_from_u64(7);
    let mut random = || generator.next_u64();
    for step in 0..300_000u64 {
        let now = step * 1_000_003;
        let (base, size) = blocks[random() as usize % blocks.len()];
        let pa = base.wrapping_add(random() % size);
        let size = [1, 2, 4, 8, 4, 4, 4, 0, 255][random() as usize % 9];
        let cpu = random() as usize % 9;
        // Often small values, which mean something.
        let value = random() >> (random() % 64);
        match random() % 8 {
            0 | 1 => {
                platform.mmio_read(now, pa, size);
            }
            2..=4 => {
                platform.mmio_write(now, pa, size, value);
            }
            5 => {
                platform.iocsr_read(cpu, random() as u32 >> (random() % 32), size);
            }
            6 => {
                let addr = [0x400, 0x1000, 0x1400, 0x1c00][random() as usize % 4];
                let addr = addr + random() as u32 % 0x400;
                platform.iocsr_write(cpu, addr, size, value);
            }
            _ => {
                let at = GuestAddress(random() % (4 << 20));
                let _ = ram.write_obj(value, at);
                platform.advance(now);
                platform.next_event();
                platform.lines(cpu);
            }
        }
    }
    platform.save().unwrap();
}
