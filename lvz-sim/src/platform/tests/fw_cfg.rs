// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The firmware configuration device, as EDK2 and Linux's qemu_fw_cfg use it, and as a
//! broken driver does.

use super::*;
use crate::map::VIRT;
use crate::platform::fw_cfg::{Items, key};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use vm_memory::Bytes;

const DATA: u64 = place_on(&VIRT, Device::FwCfg).base;
const SELECTOR: u64 = DATA + 8;
const DMA: u64 = DATA + 16;
/// Where the driver describes an access, and where it wants the bytes.
const ACCESS: u64 = 0x1000;
const BUFFER: u64 = 0x2000;

const ERROR: u32 = 1;
const READ: u32 = 2;
const SKIP: u32 = 4;
const SELECT: u32 = 8;
const WRITE: u32 = 16;

fn fw_cfg_rig() -> Rig {
    let mut rig = Rig::with(PlatformConfig {
        board: &VIRT,
        firmware: true,
        ..PlatformConfig::default()
    });
    let mut items = Items::default();
    items.add_sized(key::KERNEL_SIZE, key::KERNEL, b"kernel image".to_vec());
    items.add_files(vec![
        ("etc/one", b"1".to_vec()),
        ("etc/two", b"22".to_vec()),
    ]);
    rig.platform.configure(items);
    rig
}

fn select(rig: &mut Rig, key: u16) {
    rig.write(SELECTOR, 2, key.swap_bytes().into());
}

/// A DMA access; what is left in its control word.
fn dma(rig: &mut Rig, control: u32, length: u32, address: u64) -> u32 {
    let words = [control.to_be_bytes(), length.to_be_bytes()].concat();
    let access = [&words[..], &address.to_be_bytes()].concat();
    rig.ram.write_slice(&access, GuestAddress(ACCESS)).unwrap();
    rig.write(DMA, 8, ACCESS.swap_bytes());
    u32::from_be(rig.ram.read_obj(GuestAddress(ACCESS)).unwrap())
}

fn buffer(rig: &Rig) -> [u8; 16] {
    rig.ram.read_obj(GuestAddress(BUFFER)).unwrap()
}

#[test]
fn items_are_read_through_registers() {
    let mut rig = fw_cfg_rig();
    select(&mut rig, key::SIGNATURE);
    assert_eq!(rig.read(DATA, 4), u64::from(u32::from_le_bytes(*b"QEMU")));
    select(&mut rig, key::ID);
    assert_eq!(rig.read(DATA, 4), 3);
    select(&mut rig, key::KERNEL_SIZE);
    assert_eq!(rig.read(DATA, 4), 12);
    select(&mut rig, key::KERNEL);
    assert_eq!(rig.read(DATA, 8), u64::from_le_bytes(*b"kernel i"));
    assert_eq!(rig.read(DATA, 1), u64::from(b'm'));
    // Zeros behind the end, and for what is not there.
    assert_eq!(rig.read(DATA, 8), u64::from_le_bytes(*b"age\0\0\0\0\0"));
    assert_eq!(rig.read(DATA, 8), 0);
    select(&mut rig, 0x7fff);
    assert_eq!(rig.read(DATA, 8), 0);
    assert_eq!(rig.read(DMA, 8), u64::from_le_bytes(*b"QEMU CFG"));
    assert_eq!(
        rig.read(DMA + 4, 4),
        u64::from(u32::from_le_bytes(*b" CFG"))
    );
    // Data cannot be written.
    select(&mut rig, key::KERNEL);
    rig.write(DATA, 8, 0);
    assert_eq!(rig.read(DATA, 1), u64::from(b'k'));
    rig.platform.reset();
    assert_eq!(rig.read(DATA, 4), u64::from(u32::from_le_bytes(*b"QEMU")));
}

#[test]
fn the_directory_names_files() {
    let mut rig = fw_cfg_rig();
    let control = SELECT | READ | u32::from(key::DIRECTORY) << 16;
    assert_eq!(dma(&mut rig, control, 4 + 2 * 64, BUFFER), 0);
    let mut directory = [0; 4 + 2 * 64];
    let at = GuestAddress(BUFFER);
    rig.ram.read_slice(&mut directory, at).unwrap();
    assert_eq!(directory[..4], [0, 0, 0, 2]);
    for (entry, name, bytes) in [(4, "etc/one", &b"1"[..]), (68, "etc/two", b"22")] {
        let entry = &directory[entry..entry + 64];
        assert_eq!(entry[..4], (bytes.len() as u32).to_be_bytes());
        assert!(entry[8..].starts_with(name.as_bytes()));
        assert_eq!(entry[8 + name.len()], 0);
        let key = u32::from(u16::from_be_bytes([entry[4], entry[5]]));
        assert_eq!(dma(&mut rig, SELECT | READ | key << 16, 2, BUFFER), 0);
        assert!(buffer(&rig).starts_with(bytes));
    }
}

#[test]
fn dma_reads_skips_and_clears() {
    let mut rig = fw_cfg_rig();
    let filled = [0xaa; 16];
    rig.ram.write_slice(&filled, GuestAddress(BUFFER)).unwrap();
    select(&mut rig, key::KERNEL);
    assert_eq!(dma(&mut rig, SKIP, 7, 0), 0);
    // Zeros behind the end.
    assert_eq!(dma(&mut rig, READ, 8, BUFFER), 0);
    assert_eq!(
        buffer(&rig),
        *b"image\0\0\0\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa"
    );
    assert!(rig.platform.take_dma());
    // In two halves, the upper one first.
    let access = [
        (SELECT | READ | 0x11 << 16).to_be_bytes(),
        3u32.to_be_bytes(),
    ]
    .concat();
    let access = [&access[..], &BUFFER.to_be_bytes()].concat();
    rig.ram.write_slice(&access, GuestAddress(ACCESS)).unwrap();
    rig.write(DMA, 4, 0);
    rig.write(DMA + 4, 4, u64::from((ACCESS as u32).swap_bytes()));
    assert!(buffer(&rig).starts_with(b"kerge"));
}

#[test]
fn accesses_that_cannot_be_done_are_errors() {
    let mut rig = fw_cfg_rig();
    select(&mut rig, key::KERNEL);
    for (control, length, address) in [
        (WRITE, 4, BUFFER),
        (READ, 4, u64::MAX - 1),
        (READ, u32::MAX, BUFFER),
        (READ, 2, (64 << 20) - 1),
    ] {
        assert_eq!(
            dma(&mut rig, control, length, address),
            ERROR,
            "{length:#x}"
        );
    }
    // Nothing was written.
    assert_eq!(buffer(&rig), [0; 16]);
    // No length, no control, an access that is not in memory.
    assert_eq!(dma(&mut rig, READ, 0, BUFFER), 0);
    assert_eq!(dma(&mut rig, 0, u32::MAX, u64::MAX), 0);
    for at in [u64::MAX, 64 << 20, (64 << 20) - 8] {
        rig.write(DMA, 8, at.swap_bytes());
    }
    // Into its own description.
    assert_eq!(dma(&mut rig, SELECT | READ | 0x11 << 16, 16, ACCESS), 0);
    // Far behind the end.
    for _ in 0..4 {
        assert_eq!(dma(&mut rig, SKIP, u32::MAX, 0), 0);
    }
    assert_eq!(rig.read(DATA, 8), 0);
}

#[test]
fn random_accesses_do_no_harm() {
    let mut rig = fw_cfg_rig();
    let mut random = SplitMix64::seed_from_u64(3);
    for _ in 0..20_000 {
        let word = random.next_u64();
        let size = 1u8 << (word & 3);
        let at = (word >> 8) % 24 / u64::from(size) * u64::from(size);
        match word >> 4 & 3 {
            0 => {
                rig.read(DATA + at, size);
            }
            1 => rig.write(DATA + at, size, random.next_u64()),
            _ => {
                let control = (word >> 16) as u32;
                dma(
                    &mut rig,
                    control,
                    (word >> 48) as u32,
                    random.next_u64() >> 36,
                );
            }
        }
    }
    let state = rig.platform.save().unwrap();
    let mut other = fw_cfg_rig();
    other.platform.restore(&state).unwrap();
    assert_eq!(other.platform.save().unwrap(), state);
}
