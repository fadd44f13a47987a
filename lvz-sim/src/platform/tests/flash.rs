// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The flash with the firmware's variables, as EDK2 uses it and as a broken driver does.

use super::*;
use crate::map::{VIRT, VIRT_MMIO};
use crate::platform::flash::FlashConfig;
use crate::platform::flash::geometry::{BLOCK, FLASH_MAX};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const FLASH: u64 = place_on(&VIRT, Device::Flash).base;
const READY: u64 = 0x0080_0080;
const SEQUENCE_ERROR: u64 = 0x00b0_00b0;

fn firmware_rig(path: &Path, volatile: bool) -> Rig {
    Rig::with(config(path, volatile))
}

fn config(path: &Path, volatile: bool) -> PlatformConfig {
    PlatformConfig {
        board: &VIRT,
        firmware: true,
        variables: Some(FlashConfig {
            path: path.to_owned(),
            volatile,
        }),
        ..PlatformConfig::default()
    }
}

/// A file of two blocks, all zeros but for a letter at the start of each.
fn variables() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vars.fd");
    let mut bytes = vec![0; 2 * BLOCK];
    (bytes[0], bytes[BLOCK]) = (b'a', b'b');
    std::fs::write(&path, bytes).unwrap();
    (dir, path)
}

/// A command for both chips.
fn command(rig: &mut Rig, at: u64, command: u64) {
    rig.write(FLASH + at, 4, command << 16 | command);
}

fn status(rig: &mut Rig) -> u64 {
    command(rig, 0, 0x70);
    rig.read(FLASH, 4)
}

fn erase(rig: &mut Rig, at: u64) {
    command(rig, at, 0x20);
    command(rig, at, 0xd0);
    assert_eq!(status(rig), READY);
    command(rig, 0, 0xff);
}

/// Programs words through the buffer.
fn program(rig: &mut Rig, at: u64, words: &[u64]) {
    command(rig, at, 0xe8);
    assert_eq!(rig.read(FLASH + at, 4), READY);
    command(rig, at, words.len() as u64 - 1);
    for (index, &word) in (0..).zip(words) {
        rig.write(FLASH + at + 4 * index, 4, word);
    }
    command(rig, at, 0xd0);
    assert_eq!(status(rig), READY);
    command(rig, 0, 0xff);
}

#[test]
fn what_is_programmed_and_erased_is_in_the_file() {
    let (dir, path) = variables();
    let link = dir.path().join("link");
    symlink(&path, &link).unwrap();
    let mut rig = firmware_rig(&link, false);
    assert_eq!(rig.read(FLASH, 8), u64::from(b'a'));
    // Bits are cleared only.
    program(&mut rig, 0, &[0xffff_ff61, 0xdead_beef]);
    assert_eq!(rig.read(FLASH, 8), u64::from(b'a'));
    erase(&mut rig, BLOCK as u64 + 0x1234);
    assert_eq!(rig.read(FLASH + BLOCK as u64, 8), u64::MAX);
    program(&mut rig, BLOCK as u64, &[0x1122_3344, 0x5566_7788]);
    assert_eq!(rig.read(FLASH + BLOCK as u64, 8), 0x5566_7788_1122_3344);
    // A word by itself, and a part of one.
    command(&mut rig, 0x100, 0x40);
    rig.write(FLASH + BLOCK as u64 + 8, 4, 0x1234_5678);
    command(&mut rig, 0x100, 0x10);
    rig.write(FLASH + BLOCK as u64 + 13, 1, 0x9a);
    assert_eq!(status(&mut rig), READY);
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(bytes.len(), 2 * BLOCK);
    assert_eq!(bytes[0], b'a');
    let expected = [0x44, 0x33, 0x22, 0x11, 0x88, 0x77, 0x66, 0x55, 0x78, 0x56];
    assert_eq!(bytes[BLOCK..BLOCK + 10], expected);
    assert_eq!(bytes[BLOCK + 12..BLOCK + 15], [0xff, 0x9a, 0xff]);
    assert!(bytes[BLOCK + 15..].iter().all(|&byte| byte == 0xff));
    drop(rig);
    // The next machine finds them; the link is one still, and nothing else is left.
    let mut next = firmware_rig(&link, true);
    assert_eq!(next.read(FLASH + BLOCK as u64, 8), 0x5566_7788_1122_3344);
    assert!(link.is_symlink());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn it_says_what_it_is() {
    let (_dir, path) = variables();
    let mut rig = firmware_rig(&path, true);
    let both = |value: u64| value << 16 | value;
    command(&mut rig, 0, 0x90);
    assert_eq!(rig.read(FLASH, 4), both(0x89));
    assert_eq!(rig.read(FLASH + 4, 4), both(0x18));
    // No lock, of any block.
    assert_eq!(rig.read(FLASH + BLOCK as u64 + 8, 4), 0);
    command(&mut rig, 0x55 << 2, 0x98);
    for (at, byte) in [
        (0x10, b'Q'),
        (0x11, b'R'),
        (0x12, b'Y'),
        // 256 KiB a chip in two blocks of 128 KiB; a buffer of 64 bytes.
        (0x27, 18),
        (0x2a, 6),
        (0x2c, 1),
        (0x2d, 1),
        (0x2f, 0),
        (0x30, 2),
        (0x31, b'P'),
    ] {
        assert_eq!(rig.read(FLASH + (at << 2), 4), both(byte.into()), "{at:#x}");
    }
    // Unlocking is accepted.
    command(&mut rig, 0, 0x60);
    command(&mut rig, 0, 0xd0);
    assert_eq!(status(&mut rig), READY);
    // Behind the end there is nothing.
    assert_eq!(rig.read(FLASH + 2 * BLOCK as u64, 4), 0xffff_ffff);
    rig.write(FLASH + FLASH_MAX as u64 - 4, 4, both(0x20));
    command(&mut rig, 0, 0xff);
    assert_eq!(rig.read(FLASH, 1), u64::from(b'a'));
}

#[test]
fn commands_out_of_order_are_an_error_and_nothing_else() {
    let (_dir, path) = variables();
    let before = std::fs::read(&path).unwrap();
    let mut rig = firmware_rig(&path, false);
    for commands in [
        // An erase that is not confirmed, a lock of no kind, a buffer that is too long, and
        // one that is not confirmed.
        &[0x20, 0x20][..],
        &[0x60, 0x55],
        &[0xe8, 32],
        &[0xe8, 0, 0, 0xff],
    ] {
        for &one in commands {
            command(&mut rig, 0, one);
        }
        assert_eq!(status(&mut rig), SEQUENCE_ERROR, "{commands:x?}");
        command(&mut rig, 0, 0x50);
        assert_eq!(status(&mut rig), READY);
    }
    command(&mut rig, 0, 0x33);
    assert_eq!(rig.read(FLASH, 4), u64::from(b'a'));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    // A reset in the middle of a command.
    command(&mut rig, 0, 0x20);
    rig.platform.reset();
    command(&mut rig, 0, 0xd0);
    assert_eq!(rig.read(FLASH, 4), u64::from(b'a'));
}

#[test]
fn random_accesses_do_no_harm() {
    let (_dir, path) = variables();
    let mut rig = firmware_rig(&path, true);
    let mut random = SplitMix64::seed_from_u64(7);
    const COMMANDS: [u64; 12] = [
        0x10, 0x20, 0x40, 0x50, 0x60, 0x70, 0x90, 0x98, 0xd0, 0xe8, 0xff, 0x1f,
    ];
    for _ in 0..20_000 {
        let word = random.next_u64();
        let size = 1u8 << (word & 3);
        let at = (word >> 8) % (2 * BLOCK as u64 + 64) / u64::from(size) * u64::from(size);
        if word & 4 == 0 {
            rig.read(FLASH + at, size);
        } else {
            let value = COMMANDS[(word >> 56) as usize % COMMANDS.len()] * 0x0001_0001;
            rig.write(FLASH + at, size, if word & 8 == 0 { word } else { value });
        }
    }
    let state = rig.platform.save().unwrap();
    let mut other = firmware_rig(&path, true);
    other.platform.restore(&state).unwrap();
    assert_eq!(other.platform.save().unwrap(), state);
}

#[test]
fn changes_that_no_file_has_are_in_a_snapshot() {
    let (_dir, path) = variables();
    let mut rig = firmware_rig(&path, true);
    erase(&mut rig, 0);
    program(&mut rig, 0, &[0x0123_4567]);
    command(&mut rig, 0, 0x70);
    let state = rig.platform.save().unwrap();
    let mut other = firmware_rig(&path, true);
    erase(&mut other, BLOCK as u64);
    other.platform.restore(&state).unwrap();
    assert_eq!(other.read(FLASH, 4), READY);
    command(&mut other, 0, 0xff);
    assert_eq!(other.read(FLASH, 4), 0x0123_4567);
    assert_eq!(other.read(FLASH + BLOCK as u64, 4), u64::from(b'b'));
    // It fits no machine with a file that is written, nor one without firmware.
    for mut wrong in [
        firmware_rig(&path, false),
        Rig::with(PlatformConfig {
            board: &VIRT,
            ..PlatformConfig::default()
        }),
    ] {
        let error = wrong.platform.restore(&state).unwrap_err().to_string();
        assert!(error.contains("firmware"), "{error}");
    }
    assert_eq!(
        std::fs::read(&path).unwrap()[0],
        b'a',
        "the file stays as it was"
    );
}

#[test]
fn without_a_file_it_is_erased_at_the_start() {
    let mut rig = Rig::with(PlatformConfig {
        board: &VIRT,
        firmware: true,
        ..PlatformConfig::default()
    });
    assert_eq!(rig.platform.flash_size(), Some(FLASH_MAX as u64));
    assert_eq!(rig.read(FLASH + FLASH_MAX as u64 - 8, 8), u64::MAX);
    program(&mut rig, 0, &[7]);
    // It lives through a reset.
    rig.platform.reset();
    assert_eq!(rig.read(FLASH, 4), 7);
}

#[test]
fn files_that_are_no_flash_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let ram = GuestRam::from_ranges(&[(GuestAddress(0), 1 << 20)]).unwrap();
    let path = dir.path().join("vars.fd");
    let refused = |path: &Path| {
        let error = Platform::new(config(path, false), ram.clone());
        let error = error.unwrap_err().to_string();
        assert!(!error.contains('\n'), "{error}");
        error
    };
    assert!(refused(&path).contains("cannot open"));
    for length in [0, BLOCK - 1, BLOCK + 4096, FLASH_MAX + BLOCK] {
        let mut file = std::fs::File::create(&path).unwrap();
        file.set_len(length as u64).unwrap();
        file.flush().unwrap();
        assert!(refused(&path).contains("multiple of 256 KiB"), "{length}");
    }
    let on_another_board = PlatformConfig {
        board: &VIRT_MMIO,
        ..config(&path, false)
    };
    let error = Platform::new(on_another_board, ram)
        .unwrap_err()
        .to_string();
    assert!(error.contains("machine virt"), "{error}");
}

#[test]
fn the_file_has_one_user_over_an_erased_block_too() {
    let (dir, path) = variables();
    let other = dir.path().join("vars.fd.partial");
    std::fs::write(&other, b"kept").unwrap();
    let in_use = |volatile| {
        let platform = Platform::new(config(&path, volatile), Rig::new(1).ram);
        matches!(platform, Err(PlatformError::InUse(..)))
    };
    let mut rig = firmware_rig(&path, false);
    assert!(in_use(false) && in_use(true));
    erase(&mut rig, 0);
    assert_eq!(std::fs::read(&path).unwrap()[0], 0xff);
    assert!(in_use(false) && in_use(true));
    assert_eq!(std::fs::read(&other).unwrap(), b"kept");
    drop(rig);
    // What is volatile has been read, and is not looked at again.
    let _rig = firmware_rig(&path, true);
    assert!(!in_use(false));
}
