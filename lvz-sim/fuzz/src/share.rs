// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Fuzz target `share`: 9P messages to the shared directory, of names that lead out of it among
//! others.

use super::board::Parts;
use super::driver::{Driver, NEXT, WRITE, describe, fill, offer, queue};
use super::random::Random;
use lvz_sim::map::VIRT_MMIO;
use lvz_sim::platform::PlatformConfig;

/// The share comes behind entropy, two drives and a console.
const SHARE: usize = 4;
const BUFFER: u64 = 0x20_0000;
const ANSWER: u64 = 0x30_0000;
const ANSWER_SIZE: u32 = 0x2000;

/// Kinds of requests (Linux include/net/9p/9p.h: `p9_msg_t`), those of 9P2000.L and others.
const KINDS: [u8; 31] = [
    6, 8, 12, 14, 16, 18, 20, 22, 24, 26, 30, 32, 40, 50, 52, 54, 70, 72, 74, 76, 100, 102, 104,
    108, 110, 112, 116, 118, 120, 122, 126,
];

const NAMES: [&str; 12] = [
    "",
    ".",
    "..",
    "file",
    "directory",
    "link",
    "a/b",
    "../outside",
    "/",
    "a\0b",
    "ü",
    "new",
];

/// The target: what is beside the directory stays as it is.
///
/// # Panics
/// The server does, or a machine has left the directory.
pub fn share(bytes: &[u8]) {
    let mut random = Random::new(bytes);
    let parts = Parts::on(&VIRT_MMIO);
    let place = tempfile::tempdir().expect("a directory");
    let (outside, shared) = (place.path().join("outside"), place.path().join("shared"));
    std::fs::write(&outside, "as it was").expect("a file");
    std::fs::create_dir_all(shared.join("directory")).expect("a directory");
    std::fs::write(shared.join("file"), "contents").expect("a file");
    std::os::unix::fs::symlink("../outside", shared.join("link")).expect("a link");
    let mut machine = parts.machine_of(PlatformConfig {
        share: Some(shared),
        ..parts.config()
    });
    let driver = Driver::new(&VIRT_MMIO, SHARE);
    driver.start(&mut machine, 1);
    for slot in 0..40 {
        let message = match slot {
            // Most sessions begin so.
            0 => frame(
                100,
                &[&0x1_0000_u32.to_le_bytes()[..], &string("9P2000.L")].concat(),
            ),
            1 => attach(),
            _ => message(&mut random),
        };
        fill(&mut machine, BUFFER, &message);
        let length = message.len() as u32;
        describe(&mut machine, queue(0), 0, (BUFFER, length, NEXT, 1));
        describe(&mut machine, queue(0), 1, (ANSWER, ANSWER_SIZE, WRITE, 0));
        offer(&mut machine, 0, slot, 0);
        driver.notify(&mut machine, 0);
    }
    let contents = std::fs::read_to_string(&outside);
    assert_eq!(contents.ok().as_deref(), Some("as it was"));
    let beside = std::fs::read_dir(place.path()).expect("the directory");
    assert_eq!(beside.count(), 2);
}

fn string(text: &str) -> Vec<u8> {
    let length = text.len() as u16;
    [&length.to_le_bytes()[..], text.as_bytes()].concat()
}

fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = (7 + body.len() as u32).to_le_bytes().to_vec();
    message.extend([kind, 1, 0]);
    message.extend(body);
    message
}

/// Handle 0 is the directory itself.
fn attach() -> Vec<u8> {
    let mut body = 0u32.to_le_bytes().to_vec();
    body.extend(u32::MAX.to_le_bytes());
    body.extend(string("root"));
    body.extend(string(""));
    body.extend(0u32.to_le_bytes());
    frame(104, &body)
}

/// A message with a body of fields that most kinds have: handles, numbers, names.
fn message(random: &mut Random<'_>) -> Vec<u8> {
    let kind = match random.below(16) {
        0 => random.next() as u8,
        _ => random.one_of(&KINDS),
    };
    let mut body = (random.below(4) as u32).to_le_bytes().to_vec();
    for _ in 0..random.below(6) {
        match random.below(8) {
            0 => body.extend(random.next().to_le_bytes()),
            1 => body.extend((random.below(4) as u16).to_le_bytes()),
            2..=4 => body.extend((random.below(5) as u32).to_le_bytes()),
            _ => body.extend(string(random.one_of(&NAMES))),
        }
    }
    let mut message = frame(kind, &body);
    if random.below(8) == 0 {
        message[random.below(4)] = random.next() as u8;
    }
    message
}
