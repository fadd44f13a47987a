// SPDX-License-Identifier: GPL-2.0-or-later

//! More CPUs than one.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{Case, Setting, ensure_same};
use crate::agent::{Command, ENTRY, FREE, Mailbox};
use crate::machine::Machine;

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "cpus-start",
        run: start,
    },
    Case {
        name: "cpus-interrupt",
        run: interrupt,
    },
    Case {
        name: "cpus-reset-pending",
        run: reset_pending,
    },
    Case {
        name: "cpus-threads",
        run: threads,
    },
    Case {
        name: "cpus-plug",
        run: plug,
    },
];

/// CPUs of these machines.
const CPUS: u64 = 4;
const SMP: &str = "4";

/// IOCSRs: one CPU's message to another, and its interrupt.
const MAIL_SEND: u64 = 0x1048;
const IPI_SEND: u64 = 0x1040;
const BLOCKING: u64 = 1 << 31;

/// The first CPU starts the others as QEMU's board has them wait: with an address
/// in their mailbox (QEMU hw/loongarch/boot.c: slave_boot_code). They clear it when
/// they begin to wait, so that it may have to be sent again.
fn started(setting: &Setting) -> Result<Machine> {
    let mut machine = setting.machine(SMP)?;
    for cpu in 1..CPUS {
        machine.until(&format!("CPU {cpu} begins"), |machine| {
            for (half, word) in [(1, ENTRY >> 32), (0, ENTRY & 0xffff_ffff)] {
                let mail = word << 32 | BLOCKING | cpu << 16 | half << 2;
                machine.set_iocsr(8, MAIL_SEND, mail)?;
            }
            machine.set_iocsr(4, IPI_SEND, BLOCKING | cpu << 16)?;
            std::thread::sleep(std::time::Duration::from_millis(20));
            Ok(machine.qtest.read(8, Mailbox::of(cpu).begun())? == 1)
        })?;
        // It has had what came too late before it does anything.
        machine.on_cpu(cpu, Command::Load(8), ENTRY, 0)?;
    }
    Ok(machine)
}

/// Every CPU answers commands, and knows its number.
fn start(setting: &Setting) -> Result<()> {
    let mut machine = started(setting)?;
    for cpu in 0..CPUS {
        let at = FREE + 8 * cpu;
        machine.on_cpu(cpu, Command::Store(8), at, cpu + 1)?;
        ensure_same!(machine.load(8, at)?, cpu + 1, "what CPU {cpu} stored");
    }
    machine.quit(CPUS as usize)
}

/// Each interrupts each, and no other.
fn interrupt(setting: &Setting) -> Result<()> {
    let mut machine = started(setting)?;
    let mut counts = Vec::new();
    for cpu in 0..CPUS {
        counts.push(machine.qtest.read(8, Mailbox::of(cpu).ipis())?);
    }
    for from in 0..CPUS {
        for (to, count) in (0..CPUS).zip(&mut counts) {
            let send = BLOCKING | to << 16 | 3;
            machine.on_cpu(from, Command::IocsrWrite(4), IPI_SEND, send)?;
            *count += 1;
            let wanted = *count;
            machine.until(&format!("CPU {from} interrupts {to}"), |machine| {
                Ok(machine.qtest.read(8, Mailbox::of(to).ipis())? >= wanted)
            })?;
        }
    }
    for (cpu, wanted) in (0..CPUS).zip(counts) {
        let found = machine.qtest.read(8, Mailbox::of(cpu).ipis())?;
        ensure_same!(found, wanted, "interrupts of CPU {cpu}");
    }
    machine.quit(CPUS as usize)
}

/// An inter-processor interrupt that a CPU has not had yet is forgotten by a reset,
/// and its line is down: the guest goes on with its work.
fn reset_pending(setting: &Setting) -> Result<()> {
    const INTERRUPT_ENABLE: u64 = 4;
    let mut machine = started(setting)?;
    let before = machine.qtest.read(8, Mailbox::of(0).ipis())?;
    machine.on_cpu(0, Command::Crmd, INTERRUPT_ENABLE, 0)?;
    machine.on_cpu(1, Command::IocsrWrite(4), IPI_SEND, BLOCKING | 3)?;
    machine.qmp.run("system_reset", json!({}))?;
    machine.ready(0, 2)?;
    let answer = machine.load(8, ENTRY);
    let answer = setting.answer_after_reset(answer)?;
    ensure_same!(answer, machine.qtest.read(8, ENTRY)?, "the guest's answer");
    ensure_same!(
        machine.qtest.read(8, Mailbox::of(0).ipis())?,
        before,
        "interrupts after a reset"
    );
    machine.quit(CPUS as usize)
}

/// What QEMU tells of its CPUs.
fn cpus(machine: &mut Machine) -> Result<Vec<Value>> {
    let cpus = machine.qmp.run("query-cpus-fast", json!({}))?;
    cpus.as_array().cloned().context("query-cpus-fast: no list")
}

/// Every CPU is a thread of its own, whose name says which.
fn threads(setting: &Setting) -> Result<()> {
    let mut machine = setting.machine(SMP)?;
    let mut threads = BTreeSet::new();
    for (number, cpu) in cpus(&mut machine)?.iter().enumerate() {
        let thread = cpu["thread-id"].as_u64().context("no thread")?;
        let name = std::fs::read_to_string(format!("/proc/{thread}/comm"))?;
        ensure_same!(name.trim_end(), format!("CPU {number}/KVM"), "its name");
        threads.insert(thread);
    }
    ensure_same!(threads.len(), CPUS as usize, "threads");
    machine.quit(CPUS as usize)
}

/// CPUs are added by the monitor until the board has no more room (QEMU's own test
/// of this is tests/qtest/cpu-plug-test.c).
fn plug(setting: &Setting) -> Result<()> {
    let mut machine = setting.machine("cpus=1,maxcpus=4")?;
    let places = machine.qmp.run("query-hotpluggable-cpus", json!({}))?;
    let free: Vec<&Value> = places
        .as_array()
        .into_iter()
        .flatten()
        .filter(|place| place.get("qom-path").is_none())
        .collect();
    ensure_same!(free.len() as u64, CPUS - 1, "free places");
    for (number, place) in free.iter().enumerate() {
        let mut arguments = place["props"].clone();
        arguments["driver"] = place["type"].clone();
        arguments["id"] = json!(format!("cpu-{number}"));
        machine.qmp.run("device_add", arguments.clone())?;
        ensure_same!(cpus(&mut machine)?.len(), number + 2, "CPUs");
        arguments["id"] = json!("again");
        let again = machine.qmp.run("device_add", arguments);
        ensure!(again.is_err(), "a place is taken twice");
    }
    // The others do not run before they are started; the first goes on.
    ensure_same!(
        machine.load(8, ENTRY)?,
        machine.qtest.read(8, ENTRY)?,
        "RAM"
    );
    machine.quit(CPUS as usize)
}
