// SPDX-License-Identifier: GPL-2.0-or-later

//! What the monitor, and the guest, do to the machine.

use anyhow::{Result, ensure};
use serde_json::json;

use super::{Case, SCRATCH, Setting, ensure_same};
use crate::agent::{Command, FREE};

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "accelerator",
        run: accelerator,
    },
    Case {
        name: "stop",
        run: stop,
    },
    Case {
        name: "reset",
        run: reset,
    },
    Case {
        name: "reset-by-guest",
        run: reset_by_guest,
    },
    Case {
        name: "power-off",
        run: power_off,
    },
];

/// Of the generic event device: sleep control and reset (QEMU
/// include/hw/acpi/generic_event_device.h).
const SLEEP_CONTROL: u64 = 0x100e_001c;
const SLEEP: u64 = 5 << 2 | 1 << 5;
const RESET: u64 = SLEEP_CONTROL + 2;
const RESET_VALUE: u64 = 0x42;

/// The accelerator is KVM.
fn accelerator(setting: &Setting) -> Result<()> {
    let mut machine = setting.machine("1")?;
    ensure_same!(
        machine.qmp.run("query-kvm", json!({}))?,
        json!({"enabled": true, "present": true}),
        "query-kvm"
    );
    machine.quit(1)
}

/// A guest that is stopped does nothing until it may go on.
fn stop(setting: &Setting) -> Result<()> {
    let mut machine = setting.machine("1")?;
    for round in 0..5 {
        machine.qmp.run("stop", json!({}))?;
        machine.begin(0, Command::Store(8), FREE, round)?;
        std::thread::sleep(std::time::Duration::from_millis(20));
        ensure!(
            !machine.is_done(0)?,
            "the guest goes on while it is stopped"
        );
        machine.qmp.run("cont", json!({}))?;
        machine.until("the guest goes on", |machine| machine.is_done(0))?;
        ensure_same!(machine.qtest.read(8, FREE)?, round, "what it did then");
    }
    machine.quit(1)
}

/// A reset begins the guest again, with the memory and the devices as they are then.
fn reset(setting: &Setting) -> Result<()> {
    let mut machine = setting.machine("1")?;
    for times in 2..=6 {
        machine.store(8, FREE, times)?;
        machine.store(1, SCRATCH, times)?;
        machine.qmp.run("system_reset", json!({}))?;
        machine.ready(0, times)?;
        machine.qmp.event("RESET")?;
        ensure_same!(machine.load(8, FREE)?, times, "memory after a reset");
        ensure_same!(machine.load(1, SCRATCH)?, 0, "the UART after a reset");
    }
    machine.quit(1)
}

/// The guest can ask for one itself.
fn reset_by_guest(setting: &Setting) -> Result<()> {
    let mut machine = setting.machine("1")?;
    for times in 2..=4 {
        machine.begin(0, Command::Store(1), RESET, RESET_VALUE)?;
        machine.ready(0, times)?;
        let event = machine.qmp.event("RESET")?;
        ensure_same!(&event["data"]["guest"], &json!(true), "RESET's guest");
    }
    machine.quit(1)
}

/// And for the machine's end.
fn power_off(setting: &Setting) -> Result<()> {
    let mut machine = setting.machine("1")?;
    machine.begin(0, Command::Store(1), SLEEP_CONTROL, SLEEP)?;
    let event = machine.qmp.event("SHUTDOWN")?;
    ensure_same!(
        &event["data"]["reason"],
        &json!("guest-shutdown"),
        "SHUTDOWN's reason"
    );
    machine.ended(1)
}
