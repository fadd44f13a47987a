// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Saving and restoring all devices.

use super::driver::Driver;
use super::virtio::{disk, rig_with};
use super::*;
use crate::platform::virtio::disk::DriveMode;
use vm_memory::Bytes;

fn copy(state: &PlatformState) -> PlatformState {
    let text = serde_json::to_string(state).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_restored_machine_goes_on() {
    let file = disk();
    let mut rig = rig_with(&file, DriveMode::Volatile);
    rig.set_up_interrupts();
    let mut driver = Driver::new(&mut rig, 1, 1);
    driver.block(&mut rig, 1, 3, &[0xab; 512], 0);
    rig.write(UART_BASE + 2, 1, 1);
    rig.write(UART_BASE + 1, 1, 1);
    rig.serial.type_in(b"typed");
    rig.write(UART_BASE + UART_SIZE + 7, 1, 0x5a);
    rig.platform.advance(5);
    rig.write(POWER_BASE + power::EXIT_CODE, 1, 3);
    rig.write(RTC_BASE + 0x6c, 4, 32_768);
    let state = rig.platform.save().unwrap();
    let lines = rig.platform.lines(0);
    assert_ne!(lines.hwi, 0);

    let mut other = rig_with(&file, DriveMode::Volatile);
    let mut memory = vec![0; 64 << 20];
    rig.ram.read_slice(&mut memory, GuestAddress(0)).unwrap();
    other.ram.write_slice(&memory, GuestAddress(0)).unwrap();
    other.platform.restore(&copy(&state)).unwrap();
    assert_eq!(other.platform.save().unwrap(), state);
    assert_eq!(other.platform.lines(0), lines);
    assert_eq!(other.platform.next_event(), Some(1_000_000_000));
    assert_eq!(other.read(POWER_BASE + power::EXIT_CODE, 1), 3);
    let read: Vec<u8> = (0..5).map(|_| other.read(UART_BASE, 1) as u8).collect();
    assert_eq!(read, b"typed");
    assert_eq!(other.read(UART_BASE + UART_SIZE + 7, 1), 0x5a);
    // The driver's rings and the changes to the drive are there.
    let (data, status) = driver.block(&mut other, 0, 3, &[], 512);
    assert_eq!((data.as_slice(), status), (&[0xab; 512][..], 0));
}

#[test]
fn a_state_of_another_machine_is_refused() {
    let file = disk();
    let state = rig_with(&file, DriveMode::Volatile)
        .platform
        .save()
        .unwrap();
    for (mut rig, expected) in [
        (
            rig_with(&file, DriveMode::ReadOnly),
            "a drive's mode or size",
        ),
        (Rig::new(1), "the number of virtio devices"),
        (Rig::new(2), "the number of CPUs"),
    ] {
        let error = rig.platform.restore(&state).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    // A damaged one too.
    let text = serde_json::to_string(&state).unwrap();
    let damaged = text.replacen("\"route\":[0,", "\"route\":[", 1);
    let mut rig = rig_with(&file, DriveMode::Volatile);
    let outcome = serde_json::from_str(&damaged).map(|state| rig.platform.restore(&state));
    assert!(outcome.is_err() || outcome.is_ok_and(|restored| restored.is_err()));
}
