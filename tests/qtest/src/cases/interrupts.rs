// SPDX-License-Identifier: GPL-2.0-or-later

//! Lines that go up and down in QEMU become interrupts of the guest, and what the
//! guest does to a device moves lines in QEMU.

use anyhow::{Result, ensure};
use serde_json::json;

use super::{Case, Setting, ensure_same};
use crate::agent::{Command, Mailbox};
use crate::machine::Machine;

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "line-level",
        run: level,
    },
    Case {
        name: "line-edge",
        run: edge,
    },
    Case {
        name: "line-masked",
        run: masked,
    },
    Case {
        name: "message",
        run: message,
    },
    Case {
        name: "reset-pending",
        run: reset_pending,
    },
    Case {
        name: "idle",
        run: idle,
    },
    Case {
        name: "intercept",
        run: intercept,
    },
];

/// QEMU's type of the PCH-PIC, both when KVM models it and when QEMU does.
const TYPE: &str = "loongarch_pic";

/// Its registers (7A1000 manual, chapter 5; Linux drivers/irqchip/irq-loongson-pch-pic.c).
const PCH_PIC: u64 = 0x1000_0000;
const MASK: u64 = PCH_PIC + 0x20;
const EDGE: u64 = PCH_PIC + 0x60;
const CLEAR: u64 = PCH_PIC + 0x80;
const VECTORS: u64 = PCH_PIC + 0x200;

/// The EIOINTC's enable bits.
const ENABLE: u64 = 0x1600;

/// A pin of a device that does nothing here: the clock's.
const PIN: u32 = 6;

/// The vector that the pin is given: QEMU's PCH-PIC is wired to the first 32 only, the
/// others are those of messages.
const VECTOR: u64 = 20;

/// The vector of a message.
const MESSAGE: u64 = 77;

/// How many interrupts of a vector the guest had.
fn count(machine: &mut Machine, vector: u64) -> Result<u64> {
    machine.qtest.read(8, Mailbox::of(0).vector(vector))
}

fn expect(machine: &mut Machine, vector: u64, wanted: u64, what: &str) -> Result<()> {
    machine.until(what, |machine| Ok(count(machine, vector)? >= wanted))?;
    ensure_same!(count(machine, vector)?, wanted, "interrupts after {what}");
    Ok(())
}

/// A machine whose guest takes the pin's interrupts, and the PCH-PIC's path.
fn prepared(setting: &Setting) -> Result<(Machine, String)> {
    let mut machine = setting.machine("1")?;
    let path = machine.qmp.device(TYPE)?;
    for word in 0..8 {
        machine.set_iocsr(4, ENABLE + 4 * word, u32::MAX.into())?;
    }
    machine.store(1, VECTORS + u64::from(PIN), VECTOR)?;
    machine.store(8, MASK, !(1 << PIN))?;
    ensure_same!(machine.load(8, MASK)?, !(1 << PIN), "the mask");
    Ok((machine, path))
}

/// A level makes one interrupt each time that it rises.
fn level(setting: &Setting) -> Result<()> {
    let (mut machine, path) = prepared(setting)?;
    for wanted in 1..=20 {
        machine.qtest.set_line(&path, PIN, true)?;
        expect(&mut machine, VECTOR, wanted, "the line rose")?;
        machine.qtest.set_line(&path, PIN, false)?;
    }
    expect(&mut machine, VECTOR, 20, "the line fell")?;
    machine.quit(1)
}

/// An edge does too, and is remembered until the guest clears it.
fn edge(setting: &Setting) -> Result<()> {
    let (mut machine, path) = prepared(setting)?;
    machine.store(8, EDGE, 1 << PIN)?;
    for wanted in 1..=20 {
        machine.qtest.set_line(&path, PIN, true)?;
        expect(&mut machine, VECTOR, wanted, "an edge")?;
        machine.qtest.set_line(&path, PIN, false)?;
        machine.store(8, CLEAR, 1 << PIN)?;
    }
    machine.quit(1)
}

/// A line that is masked waits.
fn masked(setting: &Setting) -> Result<()> {
    let (mut machine, path) = prepared(setting)?;
    machine.store(8, MASK, u64::MAX)?;
    machine.qtest.set_line(&path, PIN, true)?;
    // Commands that exit and are answered: the guest ran meanwhile.
    for _ in 0..10 {
        machine.load(8, MASK)?;
    }
    ensure_same!(
        count(&mut machine, VECTOR)?,
        0,
        "interrupts of a line that is masked"
    );
    machine.store(8, MASK, !(1 << PIN))?;
    expect(&mut machine, VECTOR, 1, "the mask was taken away")?;
    machine.quit(1)
}

/// Where a device of the bus writes to send a vector (QEMU hw/intc/loongarch_pch_msi.c).
const MESSAGES: u64 = 0x2ff0_0000;

/// A message is an interrupt of its vector.
fn message(setting: &Setting) -> Result<()> {
    let (mut machine, _) = prepared(setting)?;
    for wanted in 1..=20 {
        machine.qtest.write(4, MESSAGES, MESSAGE)?;
        expect(&mut machine, MESSAGE, wanted, "a message")?;
    }
    machine.quit(1)
}

/// An interrupt that the guest has not had yet is forgotten by a reset, and its line
/// is down: the guest goes on with its work.
fn reset_pending(setting: &Setting) -> Result<()> {
    let (mut machine, path) = prepared(setting)?;
    machine.qmp.run("stop", json!({}))?;
    machine.qtest.write(4, MESSAGES, MESSAGE)?;
    machine.qtest.set_line(&path, PIN, true)?;
    machine.qmp.run("system_reset", json!({}))?;
    machine.qmp.event("RESET")?;
    machine.qtest.set_line(&path, PIN, false)?;
    machine.qmp.run("cont", json!({}))?;
    machine.ready(0, 2)?;
    let answer = machine.load(8, MASK);
    let answer = setting.answer_after_reset(answer)?;
    ensure_same!(answer, u64::MAX, "the mask after a reset");
    for vector in [VECTOR, MESSAGE] {
        ensure_same!(
            count(&mut machine, vector)?,
            0,
            "interrupts of the former life"
        );
    }
    machine.quit(1)
}

/// A CPU that waits is woken.
fn idle(setting: &Setting) -> Result<()> {
    let (mut machine, path) = prepared(setting)?;
    for wanted in 1..=5 {
        machine.begin(0, Command::Idle, 0, 0)?;
        // A CPU that only slept for a while would be done by then.
        std::thread::sleep(std::time::Duration::from_millis(20));
        ensure!(!machine.is_done(0)?, "nothing woke the CPU, and it goes on");
        machine.qtest.set_line(&path, PIN, true)?;
        machine.until("the CPU wakes", |machine| machine.is_done(0))?;
        expect(&mut machine, VECTOR, wanted, "it woke")?;
        machine.qtest.set_line(&path, PIN, false)?;
    }
    machine.quit(1)
}

/// What the guest writes to a UART moves the UART's line.
fn intercept(setting: &Setting) -> Result<()> {
    const ENABLE_UART: u64 = 0x1fe0_01e1;
    const TRANSMITTER_EMPTY: u64 = 2;
    const UART_PIN: u32 = 2;
    let mut machine = setting.machine("1")?;
    let path = machine.qmp.device(TYPE)?;
    machine.qtest.intercept(&path)?;
    ensure_same!(machine.qtest.line(UART_PIN)?, false, "the line at first");
    machine.store(1, ENABLE_UART, TRANSMITTER_EMPTY)?;
    ensure_same!(machine.qtest.line(UART_PIN)?, true, "enabled, the line");
    machine.store(1, ENABLE_UART, 0)?;
    ensure_same!(machine.qtest.line(UART_PIN)?, false, "disabled, the line");
    machine.quit(1)
}
