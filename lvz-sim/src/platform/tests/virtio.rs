// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Block, console and entropy devices, with a driver.

use super::driver::Driver;
use super::*;
use crate::platform::virtio::disk::DriveMode;
use std::io::Write as _;
use tempfile::NamedTempFile;

const IN: u32 = 0;
const OUT: u32 = 1;
const FLUSH: u32 = 4;
const GET_ID: u32 = 8;
const DISCARD: u32 = 11;
const WRITE_ZEROES: u32 = 13;

/// A drive of 64 KiB whose bytes are the numbers of their sectors.
pub(super) fn disk() -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    for sector in 0..128u8 {
        file.write_all(&[sector; 512]).unwrap();
    }
    file
}

pub(super) fn rig_with(file: &NamedTempFile, mode: DriveMode) -> Rig {
    Rig::with(PlatformConfig {
        drives: vec![DriveConfig {
            path: file.path().to_owned(),
            mode,
        }],
        ..PlatformConfig::default()
    })
}

fn zero_segment(sector: u64, count: u32, flags: u32) -> Vec<u8> {
    let mut segment = sector.to_le_bytes().to_vec();
    segment.extend(count.to_le_bytes());
    segment.extend(flags.to_le_bytes());
    segment
}

#[test]
fn block_reads_and_writes_the_file() {
    let file = disk();
    let mut rig = rig_with(&file, DriveMode::ReadWrite);
    rig.set_up_interrupts();
    let base = VIRTIO_BASE + VIRTIO_STRIDE;
    assert_eq!(rig.read(base + 8, 4), 2);
    assert_eq!(rig.read(base + 0x100, 8), 128);
    assert_eq!(rig.read(base + 0x114, 4), 512);
    let mut driver = Driver::new(&mut rig, 1, 1);
    let (data, status) = driver.block(&mut rig, IN, 5, &[], 1024);
    assert_eq!(status, 0);
    assert_eq!(data, [[5; 512], [6; 512]].concat());
    assert!(rig.platform.take_dma());
    assert!(!rig.platform.take_dma());
    let (_, status) = driver.block(&mut rig, OUT, 126, &[0xee; 1024], 0);
    assert_eq!(status, 0);
    let (_, status) = driver.block(&mut rig, FLUSH, 0, &[], 0);
    assert_eq!(status, 0);
    let contents = std::fs::read(file.path()).unwrap();
    assert_eq!(contents[125 * 512], 125);
    assert!(contents[126 * 512..].iter().all(|&byte| byte == 0xee));
    let (id, status) = driver.block(&mut rig, GET_ID, 0, &[], 20);
    assert_eq!(
        (id.as_slice(), status),
        (&b"lvz-drive-0\0\0\0\0\0\0\0\0\0"[..], 0)
    );
    // The interrupt goes up to the CPU and falls at its acknowledgement.
    driver.queue(&mut rig, 0, &[&[0; 16]], &[513]);
    assert_eq!(rig.platform.lines(0).hwi, 2);
    let pending = rig.iocsr(0, EIOINTC + eiointc::COREISR, 8);
    assert_eq!(pending, pin(Device::Virtio(1)));
    driver.set(&mut rig, 0x64, 1);
    assert_eq!(rig.platform.lines(0).hwi, 0);
}

#[test]
fn block_refuses_what_is_not_on_the_medium() {
    let file = disk();
    let mut rig = rig_with(&file, DriveMode::ReadWrite);
    let mut driver = Driver::new(&mut rig, 1, 1);
    for (kind, sector, data, room, expected) in [
        (IN, 127, &[][..], 1024, 1),
        (IN, u64::MAX, &[], 512, 1),
        (IN, u64::MAX / 512, &[], 512, 1),
        (IN, 0, &[], 100, 1),
        (OUT, 128, &[0; 512], 0, 1),
        (OUT, 0, &[0; 100], 0, 1),
        (99, 0, &[], 0, 2),
        (DISCARD, 0, &zero_segment(127, 2, 0), 0, 1),
        (DISCARD, 0, &zero_segment(0, 1, 1), 0, 2),
        (WRITE_ZEROES, 0, &zero_segment(0, u32::MAX, 0), 0, 2),
        (WRITE_ZEROES, 0, &[0; 15], 0, 2),
    ] {
        let mut header = kind.to_le_bytes().to_vec();
        header.extend([0; 4]);
        header.extend(sector.to_le_bytes());
        let input: &[&[u8]] = if data.is_empty() {
            &[&header]
        } else {
            &[&header, data]
        };
        driver.queue(&mut rig, 0, input, &[room + 1]);
        let at = input.iter().fold(0x40_0000, |at, b| {
            at + (b.len() as u64).next_multiple_of(64)
        });
        use vm_memory::Bytes;
        let status: u8 = rig
            .ram
            .read_obj(GuestAddress(at + u64::from(room)))
            .unwrap();
        assert_eq!(status, expected, "{kind} at {sector}");
    }
    assert_eq!(std::fs::read(file.path()).unwrap().len(), 65_536);
}

#[test]
fn block_zeroes_and_discards() {
    for mode in [DriveMode::ReadWrite, DriveMode::Volatile] {
        let file = disk();
        let mut rig = rig_with(&file, mode);
        let mut driver = Driver::new(&mut rig, 1, 1);
        // Not on the blocks in which changes are kept.
        for (kind, first, count) in [(WRITE_ZEROES, 3, 30), (DISCARD, 50, 2)] {
            let segment = zero_segment(first, count, 0);
            let (_, status) = driver.block(&mut rig, kind, 0, &segment, 0);
            assert_eq!(status, 0);
        }
        let (data, _) = driver.block(&mut rig, IN, 0, &[], 65_536);
        for (sector, bytes) in data.chunks(512).enumerate() {
            let zero = (3..33).contains(&sector) || (50..52).contains(&sector);
            let expected = if zero { 0 } else { sector as u8 };
            assert!(bytes.iter().all(|&b| b == expected), "{mode:?} {sector}");
        }
        let unchanged = std::fs::read(file.path()).unwrap()[3 * 512] == 3;
        assert_eq!(unchanged, mode == DriveMode::Volatile);
    }
}

#[test]
fn block_modes() {
    let file = disk();
    let mut rig = rig_with(&file, DriveMode::ReadOnly);
    let mut driver = Driver::new(&mut rig, 1, 1);
    assert_ne!(driver.features(&mut rig) & 1 << 5, 0);
    let (_, status) = driver.block(&mut rig, OUT, 0, &[1; 512], 0);
    assert_eq!(status, 1);
    let segment = zero_segment(0, 1, 0);
    let (_, status) = driver.block(&mut rig, WRITE_ZEROES, 0, &segment, 0);
    assert_eq!(status, 1);

    let mut rig = rig_with(&file, DriveMode::Volatile);
    let mut driver = Driver::new(&mut rig, 1, 1);
    let (_, status) = driver.block(&mut rig, OUT, 7, &[0xcc; 1536], 0);
    assert_eq!(status, 0);
    let (data, _) = driver.block(&mut rig, IN, 6, &[], 2560);
    assert_eq!(
        data,
        [[6; 512], [0xcc; 512], [0xcc; 512], [0xcc; 512], [10; 512]].concat()
    );
    assert_eq!(std::fs::read(file.path()).unwrap()[7 * 512], 7);
    // What the machine wrote outlives a reset of the machine.
    rig.platform.reset();
    let mut driver = Driver::new(&mut rig, 1, 1);
    let (data, _) = driver.block(&mut rig, IN, 7, &[], 512);
    assert_eq!(data, [0xcc; 512]);
}

#[test]
fn a_file_may_end_inside_a_sector() {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(&[9; 700]).unwrap();
    let mut rig = rig_with(&file, DriveMode::ReadWrite);
    let base = VIRTIO_BASE + VIRTIO_STRIDE;
    assert_eq!(rig.read(base + 0x100, 8), 2);
    let mut driver = Driver::new(&mut rig, 1, 1);
    let (data, status) = driver.block(&mut rig, IN, 1, &[], 512);
    assert_eq!(status, 0);
    assert_eq!(data[..188], [9; 188]);
    assert_eq!(data[188..], [0; 324]);
}

#[test]
fn entropy_is_repeatable_and_seeded() {
    let bytes = |seed| {
        let mut rig = Rig::with(PlatformConfig {
            seed,
            ..PlatformConfig::default()
        });
        Driver::new(&mut rig, 0, 1).request(&mut rig, 0, &[], 100)
    };
    assert_eq!(bytes(1).len(), 100);
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
    assert!(bytes(1).iter().any(|&byte| byte != 0));
}

#[test]
fn console_in_both_directions() {
    let host = BufferConsole::default();
    let mut rig = Rig::with(PlatformConfig {
        console: Some(Box::new(host.clone())),
        ..PlatformConfig::default()
    });
    let mut driver = Driver::new(&mut rig, 1, 2);
    driver.queue(&mut rig, 1, &[b"hello, ", b"host\n"], &[]);
    assert_eq!(host.take_output(), b"hello, host\n");
    // A receive buffer waits until there is input.
    driver.queue(&mut rig, 0, &[], &[4]);
    rig.platform.advance(1);
    assert_eq!(driver.used(&rig, 0).0, 0);
    host.type_in(b"machine");
    rig.platform.advance(2);
    assert_eq!(driver.used(&rig, 0), (1, 4));
    rig.platform.advance(3);
    assert_eq!(driver.used(&rig, 0).0, 1);
    driver.queue(&mut rig, 0, &[], &[16]);
    assert_eq!(driver.used(&rig, 0), (2, 3));
    use vm_memory::Bytes;
    let mut bytes = [0; 3];
    rig.ram
        .read_slice(&mut bytes, GuestAddress(0x40_0000))
        .unwrap();
    assert_eq!(&bytes, b"ine");
}

#[test]
fn the_driver_chooses_when_it_is_interrupted() {
    for event_idx in [false, true] {
        let mut rig = rig_with(&disk(), DriveMode::Volatile);
        let features = !(u64::from(!event_idx) << 29);
        let mut driver = Driver::with_features(&mut rig, 1, 1, features);
        // With EVENT_IDX the flag says nothing. Other flags never do.
        for (flags, wanted) in [
            (0, true),
            (1, event_idx),
            (0xfffe, true),
            (0xffff, event_idx),
        ] {
            driver.set_flags(&rig, 0, flags);
            let (before, _) = driver.used(&rig, 0);
            driver.queue(&mut rig, 0, &[&[0; 16]], &[513]);
            assert_eq!(driver.used(&rig, 0).0, before + 1);
            let interrupt = driver.get(&mut rig, 0x60);
            assert_eq!(interrupt, u64::from(wanted), "{event_idx} {flags:#x}");
            driver.set(&mut rig, 0x64, 1);
        }
    }
}

#[test]
fn the_driver_must_negotiate() {
    let mut rig = Rig::new(1);
    let driver = Driver::new(&mut rig, 0, 1);
    // Without VERSION_1, and with a feature that was not offered.
    for features in [0u64, 1 << 32 | 1] {
        driver.set(&mut rig, 0x70, 0);
        assert_eq!(driver.get(&mut rig, 0x44), 0, "reset stops the queue");
        driver.set(&mut rig, 0x70, 3);
        driver.set(&mut rig, 0x24, 0);
        driver.set(&mut rig, 0x20, features & 0xffff_ffff);
        driver.set(&mut rig, 0x24, 1);
        driver.set(&mut rig, 0x20, features >> 32);
        driver.set(&mut rig, 0x70, 11);
        assert_eq!(driver.get(&mut rig, 0x70), 3);
        driver.set(&mut rig, 0x70, 15);
        assert_eq!(driver.get(&mut rig, 0x70), 3);
    }
    assert_eq!(rig.read(VIRTIO_BASE + 0x10, 1), 0, "registers have 32 bits");
}
