// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Fuzz target `devices`: accesses of all sizes to all registers that a guest reaches: devices,
//! PCI, IOCSR.

use super::board::{BAR, FUNCTIONS, MEMORY, Parts, config_space, msix, registers};
use super::driver::fill;
use super::random::Random;
use lvz_sim::engine::Machine;
use lvz_sim::map::{Device, Place};

/// The target. What is saved afterwards is what another machine goes on with.
///
/// # Panics
/// A device does, or a saved state is not the restored one.
pub fn devices(bytes: &[u8]) {
    let mut random = Random::new(bytes);
    let parts = Parts::choose(&mut random);
    let mut machine = parts.machine();
    let now = access(&mut random, &parts, &mut machine, 600);
    let saved = machine.bus.platform.save().expect("all of it can be saved");
    // Their files have one user.
    drop(machine);
    let mut other = parts.machine();
    other
        .bus
        .platform
        .restore(&saved)
        .expect("the same devices");
    assert_eq!(other.bus.platform.save().ok(), Some(saved));
    other.bus.platform.advance(now);
    other.bus.platform.reset();
}

/// Makes so many accesses; returns what time it is then.
pub(super) fn access(
    random: &mut Random<'_>,
    parts: &Parts,
    machine: &mut Machine,
    count: usize,
) -> u64 {
    let places = places(parts, machine.bus.platform.devices_at());
    let mut now = 0;
    for _ in 0..count {
        let cpu = random.below(machine.cpus.len());
        let size = random.one_of(&[1, 2, 4, 4, 4, 8]);
        let address = address(random, &places);
        let value = value(random, &places);
        if random.below(64) == 0 {
            firmware_item(random, parts, machine);
        }
        let platform = &mut machine.bus.platform;
        match random.below(16) {
            0..=4 => {
                if let Some(read) = platform.mmio_read(now, address, size) {
                    fits(read, size);
                }
            }
            5..=10 => {
                platform.mmio_write(now, address, size, value);
            }
            11 => fits(platform.iocsr_read(cpu, iocsr(random), size), size),
            12 | 13 => platform.iocsr_write(cpu, iocsr(random), size, value),
            14 => {
                // What DMA finds.
                let at = random.below(0x1_0000);
                machine.bus.ram.write(at & !7, value);
            }
            _ => {
                now += random.next() >> (16 + random.below(48));
                platform.advance(now);
                platform.next_event();
                platform.lines(cpu);
                platform.take_dma();
            }
        }
    }
    now
}

/// Asks the firmware configuration device for an item, or a part of it, by DMA.
fn firmware_item(random: &mut Random<'_>, parts: &Parts, machine: &mut Machine) {
    const REGISTER: u64 = 0x10;
    let Some(place) = parts.board.place(Device::FwCfg) else {
        return;
    };
    let at = random.below(0x1_0000) as u64 * 8;
    // Read, skip, select, write; most items have small numbers.
    let control = (random.below(0x40) << 16 | random.below(32)) as u32;
    let length = random.word() >> random.below(32);
    let address = random.next() >> random.below(64);
    let access = [control.to_be_bytes(), length.to_be_bytes()].concat();
    fill(
        machine,
        at,
        &[access, address.to_be_bytes().to_vec()].concat(),
    );
    let register = place.base + REGISTER;
    let platform = &mut machine.bus.platform;
    platform.mmio_write(0, register, 8, at.swap_bytes());
}

/// A value has no more bits than were read.
fn fits(value: u64, size: u8) {
    assert_eq!(value.checked_shr(8 * u32::from(size)).unwrap_or(0), 0);
}

/// Where something is: addresses and sizes.
fn places(parts: &Parts, devices: &[(Device, Place)]) -> Vec<(u64, u64)> {
    let registers_of = |(_, place): &(Device, Place)| (place.base, place.size);
    let mut places: Vec<_> = devices.iter().map(registers_of).collect();
    if let Some(host) = parts.board.pci() {
        places.extend(config_space(host, 0));
        for (index, slot) in (0..FUNCTIONS).zip(host.slots) {
            places.extend(config_space(host, slot.device));
            places.extend([(registers(host, index), BAR), (msix(host, index), BAR)]);
        }
    }
    places
}

fn address(random: &mut Random<'_>, places: &[(u64, u64)]) -> u64 {
    let (base, size) = random.one_of(places);
    let offset = match random.below(8) {
        0 => random.next(),
        1 => size.wrapping_sub(random.below(8) as u64),
        2..=4 => random.below(0x100) as u64,
        _ => (random.next() >> random.below(64)) % size.max(1),
    };
    let aligned = random.one_of(&[!0, !3, !3, !7]);
    base.wrapping_add(offset & aligned)
}

/// Often a small value, or an address that means something.
fn value(random: &mut Random<'_>, places: &[(u64, u64)]) -> u64 {
    match random.below(8) {
        0 => address(random, places),
        1 => random.next() % MEMORY,
        2 => random.next(),
        _ => random.next() >> (32 + random.below(32)),
    }
}

fn iocsr(random: &mut Random<'_>) -> u32 {
    match random.below(4) {
        0 => random.word(),
        _ => {
            random.one_of(&[0, 0x400, 0x1000, 0x1100, 0x1400, 0x1800, 0x1c00])
                + random.below(0x200) as u32
        }
    }
}
