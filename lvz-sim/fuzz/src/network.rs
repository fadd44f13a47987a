// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Fuzz target `network`: what a peer sends to the network device, in portions of any size.

use super::board::Parts;
use super::driver::{Driver, ENTRIES, WRITE, describe, offer, queue, used};
use super::random::Random;
use lvz_sim::engine::Machine;
use lvz_sim::map::VIRT_MMIO;
use lvz_sim::platform::{Link, Mac, Net, PlatformConfig};
use std::io::Write as _;
use std::os::unix::net::UnixStream;

/// The device comes behind entropy, two drives and a console.
const NETWORK: usize = 4;
/// Longest frame, and what the device puts before it.
const FRAME_MAX: usize = (64 << 10) + 14;
const HEADER: usize = 12;
/// A buffer for each entry of the queue.
const BUFFERS: u64 = 0x20_0000;
const BUFFER: u64 = 0x1_1000;

/// The target: the frames before the first thing that is none arrive, in their order.
///
/// # Panics
/// The device does, or frames are lost or others.
pub fn network(bytes: &[u8]) {
    let mut random = Random::new(bytes);
    let board = &VIRT_MMIO;
    let parts = Parts::on(board);
    let (ours, mut peer) = UnixStream::pair().expect("a socket");
    for end in [&ours, &peer] {
        end.set_nonblocking(true).expect("a socket");
    }
    let mut machine = parts.machine_of(PlatformConfig {
        net: Some(Net {
            mac: Mac([2, 0, 0, 0, 0, 1]),
            mtu: None,
            link: Link::to(ours),
        }),
        ..parts.config()
    });
    let driver = Driver::new(board, NETWORK);
    driver.start(&mut machine, 0);
    for entry in 0..ENTRIES {
        let at = BUFFERS + BUFFER * u64::from(entry);
        let buffer = (at, BUFFER as u32, WRITE, 0);
        describe(&mut machine, queue(0), entry, buffer);
        offer(&mut machine, 0, entry, entry);
    }
    driver.notify(&mut machine, 0);

    let said = stream(&mut random);
    let (mut arrived, mut slot, mut rest) = (Vec::new(), 0, &said[..]);
    loop {
        let portion = match random.below(2) {
            0 => random.below(16),
            _ => random.below(0x1_0000),
        };
        let portion = &rest[..rest.len().min(1 + portion)];
        // What the socket does not take is said again; a device that has hung up takes nothing.
        let taken = match peer.write(portion) {
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => 0,
            Err(_) => rest.len(),
        };
        rest = &rest[taken..];
        machine.bus.platform.advance(0);
        let before = slot;
        while let Some(frame) = received(&machine, slot) {
            arrived.push(frame);
            let entry = slot % ENTRIES;
            offer(&mut machine, 0, slot.wrapping_add(ENTRIES), entry);
            slot = slot.wrapping_add(1);
            driver.notify(&mut machine, 0);
        }
        if rest.is_empty() && before == slot {
            break;
        }
    }
    assert_eq!(arrived, frames(&said));
}

/// The frame that was received as number `slot`.
fn received(machine: &Machine, slot: u16) -> Option<Vec<u8>> {
    let (head, length) = used(machine, 0, slot)?;
    let at = (BUFFERS + BUFFER * u64::from(head)) as usize;
    let bytes = &machine.bus.ram.bytes()[at..at + length as usize];
    Some(bytes[HEADER..].to_vec())
}

/// Frames with their lengths, some of which are wrong.
fn stream(random: &mut Random<'_>) -> Vec<u8> {
    let mut said = Vec::new();
    for _ in 0..random.below(40) {
        let length = match random.below(16) {
            0 => random.below(0x1_0000),
            1 => FRAME_MAX,
            _ => 1 + random.below(200),
        };
        let stated = match random.below(32) {
            0 => 0,
            1 => random.word(),
            2 => FRAME_MAX as u32 + 1,
            _ => length as u32,
        };
        said.extend(stated.to_be_bytes());
        let byte = random.next() as u8;
        said.resize(said.len() + length, byte);
    }
    said
}

/// The frames in a stream, as it is defined: each behind its length.
fn frames(mut said: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while let Some((&length, rest)) = said.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(length) as usize;
        match rest.split_at_checked(length) {
            Some((frame, rest)) if (1..=FRAME_MAX).contains(&length) => {
                frames.push(frame.to_vec());
                said = rest;
            }
            _ => break,
        }
    }
    frames
}
