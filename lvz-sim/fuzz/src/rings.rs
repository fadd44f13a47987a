// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Fuzz target `rings`: requests to virtio devices on both transports by a driver that writes
//! anything into descriptors, rings and registers.

use super::board::{MEMORY, Parts};
use super::driver::{Driver, ENTRIES, INDIRECT, NEXT, WRITE, describe, fill, offer, queue};
use super::random::Random;
use lvz_sim::engine::Machine;
use lvz_sim::map::BOARDS;

/// Devices: entropy, two drives, console.
const DEVICES: usize = 4;
const BUFFERS: u64 = 0x20_0000;
const BUFFERS_SIZE: usize = 0x1_0000;
const ROUNDS: usize = 60;
/// Where messages interrupt: by the bridge's controller, and each CPU.
const MESSAGES: u64 = 0x2ff0_0000;
const CPU_MESSAGES: u64 = 0x2fe0_0000;

/// The target.
///
/// # Panics
/// A device does.
pub fn rings(bytes: &[u8]) {
    let mut random = Random::new(bytes);
    let board = random.one_of(&BOARDS);
    let mut machine = Parts::on(board).machine();
    let driver = Driver::new(board, random.below(DEVICES));
    // EVENT_IDX and INDIRECT_DESC, or whatever.
    let any = random.word();
    let features = random.one_of(&[0, 3 << 28, 1 << 28, any]);
    driver.start(&mut machine, features);
    if random.below(2) == 1 {
        // To the interrupt controllers, and into memory, the rings themselves among it.
        let targets = [MESSAGES, CPU_MESSAGES, queue(0) + 0x1000, MEMORY - 4];
        let addresses = [random.one_of(&targets), random.one_of(&targets)];
        driver.use_messages(&mut machine, &addresses);
    }
    let mut slots = [0u16; 2];
    for _ in 0..ROUNDS {
        let number = random.below(2) as u16;
        match random.below(16) {
            0 => {
                let register = random.below(0x110) as u64 & !3;
                let value = random.next() >> random.below(64);
                driver.set(&mut machine, register, value);
            }
            1 => {
                driver.start(&mut machine, features);
                slots = [0; 2];
            }
            // Into the rings themselves.
            2 => {
                let at = queue(number) + random.below(0x3000) as u64;
                let value = random.next() as u16;
                fill(&mut machine, at, &value.to_le_bytes());
            }
            3 => indirect(&mut random, &mut machine, number),
            4..=9 => request(&mut random, &mut machine, number),
            _ => {
                let slot = &mut slots[usize::from(number)];
                let head = random.below(usize::from(ENTRIES) + 1) as u16;
                offer(&mut machine, number, *slot, head);
                *slot = slot.wrapping_add(1);
                driver.notify(&mut machine, number);
            }
        }
        machine.bus.platform.advance(0);
    }
    machine.bus.platform.save().expect("all of it can be saved");
}

/// Writes a descriptor of a table of further ones, which is most often almost a right one.
fn indirect(random: &mut Random<'_>, machine: &mut Machine, number: u16) {
    let table = BUFFERS + BUFFERS_SIZE as u64;
    let count = 1 + random.below(4) as u16;
    for entry in 0..count {
        let address = BUFFERS + random.below(BUFFERS_SIZE) as u64;
        let length = random.one_of(&[1, 16, 512, 4096, u32::MAX]);
        let flags = match random.below(8) {
            0 => random.below(8) as u16,
            _ => (NEXT * u16::from(entry + 1 < count)) | random.one_of(&[0, WRITE]),
        };
        describe(machine, table, entry, (address, length, flags, entry + 1));
    }
    let length = match random.below(8) {
        0 => random.word(),
        _ => 16 * u32::from(count),
    };
    let head = random.below(usize::from(ENTRIES)) as u16;
    describe(machine, queue(number), head, (table, length, INDIRECT, 0));
}

/// Writes a few descriptors, and what they may be of.
fn request(random: &mut Random<'_>, machine: &mut Machine, number: u16) {
    let mut at = BUFFERS + random.below(BUFFERS_SIZE) as u64;
    // A header of a request to a drive: kind, sector.
    let header = [random.below(14) as u64, random.below(0x20) as u64];
    fill(machine, at, &header.map(u64::to_le_bytes).concat());
    let first = random.below(usize::from(ENTRIES)) as u16;
    for descriptor in first..first + 1 + random.below(4) as u16 {
        let length = match random.below(8) {
            0 => random.word(),
            1 => random.below(0x1_0000) as u32,
            _ => random.one_of(&[0, 1, 8, 16, 16, 512, 512, 4096]),
        };
        let address = match random.below(8) {
            0 => random.next(),
            1 => MEMORY - random.below(0x100) as u64,
            2 => queue(number) + random.below(0x3000) as u64,
            _ => at,
        };
        let flags = random.below(8) as u16;
        // Most often to the next one.
        let next = match random.below(4) {
            0 => random.below(0x1_0000) as u16,
            _ => descriptor + 1,
        };
        describe(
            machine,
            queue(number),
            descriptor,
            (address, length, flags, next),
        );
        at += u64::from(length) % 0x1000;
    }
}
