// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The shared directory: messages as Linux's v9fs sends them.

use super::driver::Driver;
use super::*;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::fs;
use tempfile::TempDir;

const ENOENT: u32 = 2;
const EACCES: u32 = 13;

struct Client {
    rig: Rig,
    driver: Driver,
}

fn string(text: &str) -> Vec<u8> {
    let mut bytes = (text.len() as u16).to_le_bytes().to_vec();
    bytes.extend(text.bytes());
    bytes
}

impl Client {
    fn new(root: &TempDir) -> Self {
        let mut rig = Rig::with(PlatformConfig {
            share: Some(root.path().to_owned()),
            ..PlatformConfig::default()
        });
        let driver = Driver::new(&mut rig, 1, 1);
        Self { rig, driver }
    }

    /// Sends a message; returns the answer's body, or its error number.
    fn call(&mut self, kind: u8, parts: &[&[u8]]) -> Result<Vec<u8>, u32> {
        let body = parts.concat();
        let mut message = (body.len() as u32 + 7).to_le_bytes().to_vec();
        message.push(kind);
        message.extend([0x34, 0x12]);
        message.extend(body);
        let answer = self.driver.request(&mut self.rig, 0, &[&message], 8192);
        assert_eq!(answer[..4], (answer.len() as u32).to_le_bytes());
        assert_eq!(answer[5..7], [0x34, 0x12]);
        if answer[4] == 7 {
            return Err(u32::from_le_bytes(answer[7..11].try_into().unwrap()));
        }
        assert_eq!(answer[4], kind + 1);
        Ok(answer[7..].to_vec())
    }

    fn mount(&mut self) {
        let version = string("9P2000.L");
        let answer = self.call(100, &[&8192u32.to_le_bytes(), &version]).unwrap();
        assert_eq!(answer[..4], 8192u32.to_le_bytes());
        assert_eq!(answer[4..], version);
        let none = u32::MAX.to_le_bytes();
        let attach = [&[0; 4], &none[..], &string("root"), &string(""), &none];
        let qid = self.call(104, &attach).unwrap();
        assert_eq!((qid.len(), qid[0]), (13, 0x80));
    }

    fn walk(&mut self, fid: u32, new: u32, names: &[&str]) -> Result<usize, u32> {
        let names: Vec<u8> = (names.len() as u16)
            .to_le_bytes()
            .into_iter()
            .chain(names.iter().flat_map(|name| string(name)))
            .collect();
        let parts: [&[u8]; 3] = [&fid.to_le_bytes(), &new.to_le_bytes(), &names];
        let answer = self.call(110, &parts)?;
        Ok(u16::from_le_bytes([answer[0], answer[1]]).into())
    }
}

fn directory() -> TempDir {
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    fs::create_dir(outside.path().join("root")).unwrap();
    fs::create_dir(outside.path().join("root/sub")).unwrap();
    fs::write(outside.path().join("root/sub/file"), "contents").unwrap();
    outside
}

/// Shares `root` in `outside`.
fn client(outside: &TempDir) -> Client {
    let mut rig = Rig::with(PlatformConfig {
        share: Some(outside.path().join("root")),
        ..PlatformConfig::default()
    });
    let driver = Driver::new(&mut rig, 1, 1);
    Client { rig, driver }
}

#[test]
fn mount_read_and_write() {
    let outside = directory();
    let mut client = client(&outside);
    let base = VIRTIO_BASE + VIRTIO_STRIDE;
    assert_eq!(client.rig.read(base + 8, 4), 9);
    assert_eq!(client.rig.read(base + 0x100, 2), 5);
    let tag = client.rig.read(base + 0x102, 4).to_le_bytes();
    assert_eq!(&tag[..4], b"shar");
    client.mount();
    assert_eq!(client.walk(0, 1, &["sub", "file"]), Ok(2));
    client
        .call(12, &[&1u32.to_le_bytes(), &2u32.to_le_bytes()])
        .unwrap();
    let read: [&[u8]; 3] = [
        &1u32.to_le_bytes(),
        &3u64.to_le_bytes(),
        &100u32.to_le_bytes(),
    ];
    let answer = client.call(116, &read).unwrap();
    assert_eq!(&answer[4..], b"tents");
    let write: [&[u8]; 4] = [
        &1u32.to_le_bytes(),
        &8u64.to_le_bytes(),
        &4u32.to_le_bytes(),
        b" new",
    ];
    client.call(118, &write).unwrap();
    let file = outside.path().join("root/sub/file");
    assert_eq!(fs::read(file).unwrap(), b"contents new");
    assert_eq!(client.walk(0, 2, &["absent"]), Err(ENOENT));
    // A new file.
    assert_eq!(client.walk(0, 3, &[]), Ok(0));
    let create: [&[u8]; 5] = [
        &3u32.to_le_bytes(),
        &string("made"),
        &1u32.to_le_bytes(),
        &0o644u32.to_le_bytes(),
        &0u32.to_le_bytes(),
    ];
    client.call(14, &create).unwrap();
    assert!(outside.path().join("root/made").exists());
}

#[test]
fn the_machine_stays_in_the_directory() {
    let outside = directory();
    let mut client = client(&outside);
    client.mount();
    for names in [
        &["..", "secret"][..],
        &["sub/../../secret"],
        &["sub", ".."],
        &["/etc"],
    ] {
        assert_eq!(client.walk(0, 1, names), Err(EACCES), "{names:?}");
    }
    let mode = 0o644u32.to_le_bytes();
    let none = 0u32.to_le_bytes();
    for name in ["../made", "..", "sub/made"] {
        let name = string(name);
        let create: [&[u8]; 5] = [&none, &name, &none, &mode, &none];
        assert_eq!(client.call(14, &create), Err(EACCES));
        assert_eq!(client.call(72, &[&none, &name, &mode, &none]), Err(EACCES));
        assert_eq!(client.call(76, &[&none, &name, &none]), Err(EACCES));
        let to = string("x");
        assert_eq!(client.call(74, &[&none, &name, &none, &to]), Err(EACCES));
        assert_eq!(client.call(74, &[&none, &to, &none, &name]), Err(EACCES));
        assert_eq!(client.call(70, &[&none, &none, &name]), Err(EACCES));
    }
    // A symbolic link is not followed.
    let link = outside.path().join("root/link");
    std::os::unix::fs::symlink(outside.path(), link).unwrap();
    assert_eq!(client.walk(0, 4, &["link", "secret"]), Ok(1));
    assert!(!outside.path().join("made").exists());
}

#[test]
fn damaged_messages_are_answered_or_dropped() {
    let outside = directory();
    let mut client = client(&outside);
    client.mount();
    let mut generator = SplitMix64::seed_from_u64(3);
    for _ in 0..3000 {
        let mut random = || generator.next_u64();
        let length = random() as usize % 64;
        let mut message: Vec<u8> = (0..length).map(|_| random() as u8).collect();
        if length > 7 && random() % 4 != 0 {
            message[..4].copy_from_slice(&(length as u32).to_le_bytes());
            message[4] =
                [12, 14, 24, 40, 70, 74, 100, 104, 110, 116, 118, 120][random() as usize % 12];
            message[7..].fill(random() as u8 % 3);
        }
        if !message.is_empty() {
            client.driver.request(&mut client.rig, 0, &[&message], 8192);
        }
    }
    // A FIFO does not stop the simulator.
    let mut client = self::client(&outside);
    client.mount();
    let fifo = outside.path().join("root/fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    assert_eq!(client.walk(0, 1, &["fifo"]), Ok(1));
    client
        .call(12, &[&1u32.to_le_bytes(), &0u32.to_le_bytes()])
        .unwrap();
}

#[test]
fn a_mounted_share_refuses_a_snapshot() {
    let root = TempDir::new().unwrap();
    let mut client = Client::new(&root);
    client.rig.platform.save().unwrap();
    client.mount();
    let error = client.rig.platform.save().unwrap_err().to_string();
    assert!(error.contains("unmount it"), "{error}");
    client.call(120, &[&0u32.to_le_bytes()]).unwrap();
    client.rig.platform.save().unwrap();
    client.mount();
    client.rig.platform.reset();
    client.rig.platform.save().unwrap();
}
