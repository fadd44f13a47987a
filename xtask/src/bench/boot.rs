// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Bench `boot`: what a whole guest costs the host, from QEMU's start to its end, with
//! our module and backend and with Linux's and QEMU's.
//!
//! A program on the host makes a mark, starts QEMU, waits for its end and makes another.
//! Where the guest was first entered and last left is counted by the simulator itself.
//! All instructions of the host between these four moments are in a figure: its user
//! space, QEMU's threads among it, its kernel and its interrupts, on all CPUs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::{Value, json};

use super::picture::{Group, Picture};
use super::{Bench, Found, LIMIT, Row, marks, versions};
use crate::boot::read_stats;
use crate::nested::{Guest, Nested, Stack};
use crate::said;

const SCRIPT: &str = include_str!("../../../tests/guest/boot-bench");

/// What the lines of the host's script begin with.
const MARKER: &str = "KVM-LA-BOOT";

/// What a guest does.
struct Load {
    name: &'static str,
    /// RAM in MiB.
    memory_mib: u32,
    /// Shell commands of the host: before QEMU starts, and beside it.
    prepare: &'static str,
    beside: &'static str,
    /// Further options of QEMU.
    devices: &'static str,
}

/// The load that is a boot with its checks; the others skip these.
const BOOT: &str = "boot";

const LOADS: &[Load] = &[
    Load {
        name: BOOT,
        memory_mib: 512,
        prepare: ":",
        beside: ":",
        devices: "",
    },
    Load {
        name: "disk",
        memory_mib: 512,
        prepare: "truncate -s 16M /tmp/disk",
        beside: ":",
        devices: "-drive if=virtio,format=raw,file=/tmp/disk",
    },
    Load {
        name: "serial",
        memory_mib: 512,
        prepare: "mkfifo /tmp/port.in /tmp/port.out",
        beside: "cat </tmp/port.out >/tmp/port.in",
        devices: "-chardev pipe,id=port,path=/tmp/port -device virtio-serial-pci \
                  -device virtserialport,chardev=port",
    },
    Load {
        name: "cpu",
        memory_mib: 512,
        prepare: ":",
        beside: ":",
        devices: "",
    },
    Load {
        name: "memory",
        memory_mib: 1024,
        prepare: ":",
        beside: ":",
        devices: "",
    },
];

/// CPUs of guest and host for the load [`BOOT`]; the others have one.
const CPUS: &[u32] = &[1, 4];

/// The ratios to reach: load, CPUs, figure.
const TARGETS: &[(&str, u32, &str, f64)] = &[
    (BOOT, 1, "start", 1.02),
    (BOOT, 1, "run", 0.85),
    (BOOT, 4, "exits", 0.85),
    ("memory", 1, "run", 0.60),
];

/// Exits of one cause.
#[derive(Clone, Copy, Default)]
struct Exits {
    count: u64,
    instructions: u64,
}

/// What one guest cost: instructions of the host.
struct Measured {
    /// From QEMU's start until the guest was first entered.
    start: u64,
    /// Until it was last left.
    run: u64,
    /// Until QEMU had ended.
    end: u64,
    /// Of `run` what was between an exit and the next entry, by cause.
    exits: BTreeMap<String, Exits>,
    /// What ran there.
    versions: String,
}

impl Measured {
    fn total(&self, part: fn(&Exits) -> u64) -> u64 {
        self.exits.values().map(part).sum()
    }
}

/// Runs it.
pub(super) fn bench(bench: &Bench<'_>) -> Result<Found> {
    let options = bench.options;
    for name in &options.loads {
        if !LOADS.iter().any(|load| load.name == name) {
            let known: Vec<&str> = LOADS.iter().map(|load| load.name).collect();
            bail!("no load {name}: there are {}", known.join(", "));
        }
    }
    let cpus = match options.smp.as_slice() {
        [] => CPUS,
        cpus => cpus,
    };
    let mut found = Found::default();
    let mut runs = Vec::new();
    for load in LOADS {
        if !options.loads.is_empty() && !options.loads.iter().any(|name| name == load.name) {
            continue;
        }
        let cpus = if load.name == BOOT { cpus } else { &[1] };
        for smp in cpus {
            let memory_mib = options.memory.unwrap_or(load.memory_mib);
            let run = |stack| measure(bench, load, *smp, memory_mib, stack);
            let (ours, upstream) = (run(Stack::Rust)?, run(Stack::Upstream)?);
            let name = format!("{},cpus={smp},memory={memory_mib}", load.name);
            print_exits(&name, &ours, &upstream);
            found.rows.extend(rows(load, *smp, &name, &ours, &upstream));
            runs.push((format!("{}, {smp} CPU", load.name), ours, upstream));
        }
    }
    found.pictures.extend(picture(&runs));
    Ok(found)
}

/// The rows of one load.
fn rows(load: &Load, smp: u32, name: &str, ours: &Measured, upstream: &Measured) -> Vec<Row> {
    let row = |what: &str, unit, figure: &dyn Fn(&Measured) -> u64| {
        let target = TARGETS
            .iter()
            .find(|(load_, smp_, what_, _)| (*load_, *smp_, *what_) == (load.name, smp, what));
        Row {
            target: target.map(|(.., ratio)| *ratio),
            ..Row::new(
                format!("{name},{what}"),
                unit,
                figure(ours) as f64,
                figure(upstream) as f64,
            )
        }
    };
    let by_cause = |part: fn(&Exits) -> u64| {
        let side = |measured: &Measured| -> Value {
            let parts = measured.exits.iter();
            parts
                .map(|(cause, exits)| (cause.clone(), Value::from(part(exits))))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        Some(json!({"ours": side(ours), "upstream": side(upstream)}))
    };
    let (count, instructions) = (
        |exits: &Exits| exits.count,
        |exits: &Exits| exits.instructions,
    );
    vec![
        row("start", "instructions", &|measured| measured.start),
        row("run", "instructions", &|measured| measured.run),
        Row {
            detail: by_cause(instructions),
            ..row("exits", "instructions", &|measured| {
                measured.total(instructions)
            })
        },
        Row {
            detail: by_cause(count),
            ..row("exits", "exits", &|measured| measured.total(count))
        },
        row("end", "instructions", &|measured| measured.end),
    ]
}

/// The causes that are parts of the picture; the others are one more.
const CAUSES: &[&str] = &["store-fault", "load-fault", "idle", "interrupt", "iocsr"];

/// Draws the runs by cause of exit, as parts of what upstream's stack needs.
fn picture(runs: &[(String, Measured, Measured)]) -> Option<Picture> {
    let (_, first, _) = runs.first()?;
    let group = |(name, ours, upstream): &(String, Measured, Measured)| {
        let percent = |instructions: u64| 100.0 * instructions as f64 / upstream.run as f64;
        let parts = |measured: &Measured| {
            let of = |cause: &&str| measured.exits.get(*cause).map_or(0, |e| e.instructions);
            let mut parts: Vec<u64> = CAUSES.iter().map(of).collect();
            let exits = measured.total(|exits| exits.instructions);
            parts.push(exits - parts.iter().sum::<u64>());
            parts.push(measured.run.saturating_sub(exits));
            parts.into_iter().map(percent).collect()
        };
        Group {
            name: name.clone(),
            ours: parts(ours),
            upstream: parts(upstream),
        }
    };
    let names = CAUSES
        .iter()
        .chain(&["other exits", "between no exit and entry"]);
    Some(Picture {
        name: "boot",
        title: "What a whole guest costs the host, from its first entry to its power-off",
        unit: "instructions of the host, percent of upstream's",
        versions: first.versions.clone(),
        parts: names.map(|name| (*name).to_owned()).collect(),
        groups: runs.iter().map(group).collect(),
    })
}

/// Runs a host with one guest.
fn measure(
    bench: &Bench<'_>,
    load: &Load,
    smp: u32,
    memory_mib: u32,
    stack: Stack,
) -> Result<Measured> {
    let what = format!("{}, {smp} CPUs, {} stack", load.name, stack.name());
    eprintln!("bench boot: {what}");
    let guest = Guest {
        smp,
        memory_mib,
        append: if load.name == BOOT {
            String::new()
        } else {
            format!("kvm-la.load={}", load.name)
        },
        ..Guest::default()
    };
    let nested = Nested {
        kvm: stack,
        accel: stack,
        host_smp: smp,
        kernel_irqchip: true,
        guests: vec![guest.clone()],
        interactive: false,
        copy_share: true,
    };
    let run = bench.products.cache.new_run("bench-boot")?;
    let share = run.join("share");
    let mut machine = nested.machine(bench.products, &share)?;
    let script = format!(
        "prepare() {{ {}; }}\nbeside() {{ {}; }}\nqemu() {{ $by {} {} \"$@\"; }}\n{SCRIPT}",
        load.prepare,
        load.beside,
        nested.qemu(0, &guest),
        load.devices,
    );
    fs::write(share.join("run"), script)?;
    fs::write(share.join("marks.py"), marks::PROGRAM)?;
    let stats = run.join("stats.json");
    machine.stats = Some(stats.clone());
    machine.stats_calls = Some(marks::IOCTL);
    let log = run.join("console.log");
    let outcome = machine.run(bench.simulator, &log, LIMIT, |_| {})?;
    let result = || -> Result<Measured> {
        if let Some(reason) =
            said::all(&outcome.console, "", MARKER).find_map(|text| text.strip_prefix("failed: "))
        {
            bail!("failed: {reason}");
        }
        nested.check(&outcome, LIMIT)?;
        read(&read_stats(&stats)?, &outcome.console)
    };
    let measured = result().with_context(|| format!("{what}, see {}", log.display()))?;
    fs::remove_dir_all(&run)?;
    Ok(measured)
}

/// Takes the figures from the simulator's.
fn read(stats: &Value, console: &str) -> Result<Measured> {
    let calls = marks::calls(stats)?;
    let mark = |number| -> Result<u64> {
        let place = marks::position(&calls, number)?;
        let call = calls.get(place).ok_or_else(|| anyhow!("no call {place}"))?;
        Ok(call.host_instructions)
    };
    let moments = [
        mark(0)?,
        marks::host_instructions(&stats["first_entry"])?,
        marks::host_instructions(&stats["last_exit"])?,
        mark(1)?,
    ];
    if !moments.is_sorted() {
        bail!("the guest did not run between the marks: {moments:?}");
    }
    let [started, entered, left, ended] = moments;
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let exits = stats["exits"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(cause, exits)| {
            let exits = Exits {
                count: number(&exits["count"]),
                instructions: number(&exits["host_instructions"]),
            };
            (cause.clone(), exits)
        })
        .filter(|(_, exits)| exits.count > 0)
        .collect();
    Ok(Measured {
        start: entered - started,
        run: left - entered,
        end: ended - left,
        exits,
        versions: versions(console, MARKER)?,
    })
}

/// Prints exits by cause, those that cost upstream's stack most first.
fn print_exits(name: &str, ours: &Measured, upstream: &Measured) {
    println!(
        "{name}\n{:<16} {:>10} {:>10} {:>14} {:>14} {:>8}",
        "exit", "ours", "upstream", "instructions", "upstream", "ratio"
    );
    let causes: BTreeSet<&String> = ours.exits.keys().chain(upstream.exits.keys()).collect();
    let of = |measured: &Measured, cause| measured.exits.get(cause).copied().unwrap_or_default();
    let mut lines: Vec<_> = causes
        .into_iter()
        .map(|cause| (cause, of(ours, cause), of(upstream, cause)))
        .collect();
    lines.sort_by_key(|(.., upstream)| std::cmp::Reverse(upstream.instructions));
    for (cause, ours, upstream) in lines {
        println!(
            "{cause:<16} {:>10} {:>10} {:>14} {:>14} {:>8.2}",
            ours.count,
            upstream.count,
            ours.instructions,
            upstream.instructions,
            ours.instructions as f64 / upstream.instructions as f64
        );
    }
    println!();
}
