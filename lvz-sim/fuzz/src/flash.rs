// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Fuzz target `flash`: commands to the flash with the firmware's variables, in any order.

use super::board::{FLASH, Parts};
use super::random::Random;
use lvz_sim::map::{Device, VIRT};

/// Commands, and what confirms them.
const COMMANDS: [u64; 12] = [
    0x20, 0xd0, 0x40, 0x10, 0xe8, 0xff, 0x70, 0x90, 0x98, 0x50, 0x60, 0x01,
];

/// The target: what the machine reads is what the file has.
///
/// # Panics
/// The device does, or the file differs.
pub fn flash(bytes: &[u8]) {
    let mut random = Random::new(bytes);
    let parts = Parts::on(&VIRT);
    let mut machine = parts.machine();
    let place = VIRT.place(Device::Flash).expect("the board has flash");
    let (base, size) = (place.base, place.size);
    for _ in 0..200 {
        let offset = match random.below(8) {
            0 => random.next() % size,
            1 => FLASH as u64 - random.below(16) as u64,
            _ => random.below(0x100) as u64,
        };
        let value = match random.below(3) {
            0 => random.next(),
            1 => random.below(40) as u64,
            _ => random.one_of(&COMMANDS),
        };
        let access = random.one_of(&[1, 2, 4, 4, 8]);
        let platform = &mut machine.bus.platform;
        match random.below(8) {
            0 => {
                platform.mmio_read(0, base + offset, access);
            }
            _ => {
                platform.mmio_write(0, base + offset, access, value);
            }
        }
    }
    let platform = &mut machine.bus.platform;
    // Then reads show the contents.
    platform.reset();
    let shown = (0..FLASH as u64).step_by(8).flat_map(|at| {
        platform
            .mmio_read(0, base + at, 8)
            .unwrap_or(0)
            .to_le_bytes()
    });
    assert!(shown.eq(parts.flash()), "the file differs");
}
