// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What is saved is what is loaded, and what cannot be one of ours is refused.

use super::*;
use crate::cpu::{LvzReadings, Reading};
use crate::engine::RunEnd;
use crate::mem::Ram;
use crate::platform::PlatformConfig;
use vm_memory::{Bytes, GuestAddress};

fn machine(readings: LvzReadings) -> Machine {
    let model = Model::default().with_readings(readings);
    let ram = Ram::new(16 << 20).expect("memory for a test");
    Machine::with_memory(model, 1, ram, PlatformConfig::default()).expect("a machine without files")
}

#[test]
fn readings_are_part_of_a_machine() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("snapshot");
    let other = LvzReadings::default().with_other(Reading::EntryPgm);
    machine(other).save(&path).expect("a snapshot");
    assert!(machine(other).load(&path).is_ok());
    let refused = machine(LvzReadings::default()).load(&path);
    assert!(matches!(refused, Err(SnapshotError::Mismatch(..))));
    let text = refused.err().map(|e| e.to_string()).unwrap_or_default();
    assert!(text.contains("--lvz"), "{text}");
    let ram = Ram::new(16 << 20).expect("memory for a test");
    let slow = Model::default()
        .with_readings(other)
        .with_ns_per_instruction(2);
    let slow = Machine::with_memory(slow, 1, ram, PlatformConfig::default());
    let refused = slow.expect("a machine without files").load(&path);
    let text = refused.err().map(|e| e.to_string()).unwrap_or_default();
    assert!(text.contains("--ns-per-instruction"), "{text}");
}

#[test]
fn damage_to_memory_is_noticed() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("snapshot");
    let mut saved = machine(LvzReadings::default());
    // Bytes that do not compress.
    let mut random = 1u64;
    for at in (0x1000..0x9000).step_by(8) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        saved.bus.ram.write(at, random);
    }
    saved.save(&path).expect("a snapshot");
    let whole = std::fs::read(&path).expect("a snapshot");
    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 1;
    for damaged in [&changed, &whole[..whole.len() - 4]] {
        std::fs::write(&path, damaged).expect("a file");
        let refused = machine(LvzReadings::default()).load(&path);
        assert!(matches!(refused, Err(SnapshotError::Format(..))));
    }
}

#[test]
fn poisoned_pages_are_part_of_a_machine() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("snapshot");
    let poisoned = |machine: &Machine| -> Vec<usize> { machine.bus.ram.poisoned().collect() };
    let mut saved = machine(LvzReadings::default());
    assert!(saved.set_poison(0x1_2345, true) && saved.set_poison(0x2_0000, true));
    assert!(saved.set_poison(0x2_0ff8, false));
    assert!(!saved.set_poison(16 << 20, true));
    saved.save(&path).expect("a snapshot");
    let mut loaded = machine(LvzReadings::default());
    assert!(loaded.set_poison(0x4000, true));
    loaded.load(&path).expect("the same machine");
    assert_eq!(poisoned(&loaded), [0x1_2000]);
}

#[test]
fn a_round_goes_on_in_the_turn_of_a_cpu_that_there_is() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("snapshot");
    let (mut first, mut second) = (machine(<_>::default()), machine(<_>::default()));
    let turn = |cpu, idle| {
        let until = 1234;
        Some(Turn { cpu, until, idle })
    };
    first.turn = turn(0, 0);
    first.save(&path).expect("a snapshot");
    second.load(&path).expect("the same machine");
    assert_eq!(second.turn, first.turn);
    for none in [turn(1, 0), turn(0, 1)] {
        first.turn = none;
        first.save(&path).expect("a snapshot");
        let refused = second.load(&path);
        assert!(matches!(refused, Err(SnapshotError::Format(..))));
    }
}

#[test]
fn a_device_access_is_looked_after_behind_its_block() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("snapshot");
    let mut saved = machine(<_>::default());
    // Power-off to 0x100e_001c, an addition, a jump to itself.
    let program = [
        0x1420_1c05u32,
        0x0280_d006,
        0x2900_70a6,
        0x02c0_0484,
        0x5000_0000,
    ];
    for (at, word) in (0x1000..).step_by(4).zip(program) {
        saved.bus.ram.write(at, word);
    }
    saved.cpus[0].pc = 0x1000;
    saved.debug.step = Some(0);
    while saved.bus.platform.power_event().is_none() {
        saved.go_on();
        assert_eq!(saved.run(u64::MAX), RunEnd::Halted);
    }
    saved.debug.step = None;
    saved.save(&path).expect("a snapshot");
    // What a machine was in before is no part of what it loads.
    let before = dir.path().join("before");
    let mut loaded = machine(<_>::default());
    loaded.save(&before).expect("a snapshot");
    loaded.load(&path).expect("the same machine");
    for machine in [&mut saved, &mut loaded] {
        machine.go_on();
        assert_eq!(machine.run(u64::MAX), RunEnd::PowerOff(0));
        assert_eq!(machine.instructions(), 5);
    }
    loaded.load(&path).expect("the same machine");
    loaded.load(&before).expect("the same machine");
    assert!(!loaded.bus.device_accessed);
}

#[test]
fn what_devices_have_written_ends_reservations_behind_the_block_too() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("snapshot");
    let mut saved = machine(<_>::default());
    for at in (0x1000..0x1010).step_by(4) {
        // `addi.d $a0, $a0, 1`
        saved.bus.ram.write(at, 0x02c0_0484u32);
    }
    // A jump to itself.
    saved.bus.ram.write(0x1010, 0x5000_0000u32);
    saved.cpus[0].pc = 0x1000;
    // What is loaded looks for writes of devices.
    saved.save(&path).expect("a snapshot");
    saved.load(&path).expect("the same machine");
    let step = |machine: &mut Machine| {
        machine.debug.step = Some(0);
        machine.go_on();
        assert_eq!(machine.run(u64::MAX), RunEnd::Halted);
    };
    step(&mut saved);
    // As if the instruction had notified a device that wrote to the reserved page.
    saved.bus.reserve(0, World::Root, 0x2000 >> 6);
    saved.bus.device_accessed = true;
    let written = saved.bus.ram.map.write_obj(1u8, GuestAddress(0x2040));
    written.expect("memory");
    saved.save(&path).expect("a snapshot");
    let mut loaded = machine(<_>::default());
    loaded.load(&path).expect("the same machine");
    for machine in [&mut saved, &mut loaded] {
        for done in 1..=6 {
            assert_eq!(machine.bus.has_reservation(0, World::Root), done <= 5);
            step(machine);
        }
    }
}

#[test]
fn counts_are_of_what_was_executed() {
    type Change = fn(&mut Cpu);
    let load_changed = |icount, change: Change| {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("snapshot");
        let mut machine = machine(<_>::default());
        let cpu = &mut machine.cpus[0];
        cpu.icount = icount;
        change(cpu);
        let counts = (cpu.tlb.counts, cpu.tally.until(icount).events);
        machine.save(&path).expect("a snapshot");
        machine.load(&path)?;
        let cpu = &machine.cpus[0];
        assert_eq!((cpu.tlb.counts, cpu.tally.events), counts);
        Ok(())
    };
    let fine: Change = |cpu| {
        cpu.stats.enter_guest(90);
        cpu.tlb.counts.fills[0] = 200;
        cpu.tally.events[2].branches = 100;
    };
    assert!(load_changed(100, fine).is_ok());
    let wrong: [(u64, Change); 7] = [
        (100, |cpu| cpu.stats.enter_guest(101)),
        (u64::MAX, |_| {}),
        (100, |cpu| cpu.tlb.counts.fills[0] = 1 << 32),
        (100, |cpu| cpu.tally.events[1].ended = 1),
        (100, |cpu| cpu.tally.events[1].trapped = 1),
        (100, |cpu| cpu.tally.events[7].accesses = 102),
        (100, |cpu| cpu.tally.events[0].data_refills = u64::MAX),
    ];
    for (number, (icount, change)) in wrong.into_iter().enumerate() {
        let refused = load_changed(icount, change);
        assert!(
            matches!(refused, Err(SnapshotError::Format(..))),
            "{number}"
        );
    }
}
