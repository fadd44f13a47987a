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

use super::functions::by_function;
use super::picture::{Group, Picture};
use super::{Bench, Found, LIMIT, Options, Row, marks, versions};
use crate::boot::read_stats;
use crate::nested::{Guest, HOST_CPUS, Nested, Stack};
use crate::said;
use crate::setup::DISTRIBUTION_PARAMETERS;

const SCRIPT: &str = include_str!("../../../tests/guest/boot-bench");

/// What the lines of the host's script begin with.
const MARKER: &str = "KVM-LA-BOOT";

/// What a guest does.
struct Load {
    /// The name of the rows.
    name: &'static str,
    /// What `tests/guest/load.rs` is asked for; nothing for the checks.
    program: &'static str,
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

/// A load without devices of its own.
const PLAIN: Load = Load {
    name: BOOT,
    program: "",
    memory_mib: 512,
    prepare: ":",
    beside: ":",
    devices: "",
};

const LOADS: &[Load] = &[
    PLAIN,
    Load {
        name: "disk",
        program: "disk",
        prepare: "truncate -s 16M /tmp/disk",
        devices: "-drive if=virtio,format=raw,file=/tmp/disk",
        ..PLAIN
    },
    Load {
        name: "serial",
        program: "serial",
        prepare: "mkfifo /tmp/port.in /tmp/port.out",
        beside: "cat </tmp/port.out >/tmp/port.in",
        devices: "-chardev pipe,id=port,path=/tmp/port -device virtio-serial-pci \
                  -device virtserialport,chardev=port",
        ..PLAIN
    },
    Load {
        name: "cpu",
        program: "cpu",
        ..PLAIN
    },
    Load {
        name: "memory",
        program: "memory",
        memory_mib: 1024,
        ..PLAIN
    },
    Load {
        name: "memory-small",
        program: "memory",
        memory_mib: 1024,
        prepare: "echo never >/sys/kernel/mm/transparent_hugepage/enabled",
        ..PLAIN
    },
];

/// CPUs of the guest for the load [`BOOT`], and of the host as far as it has so many; the
/// others have one.
const CPUS: &[u32] = &[1, 4];

/// The ratios to reach: load, CPUs, figure.
const TARGETS: &[(&str, u32, &str, f64)] = &[
    (BOOT, 1, "start", 1.02),
    (BOOT, 1, "run", 0.85),
    (BOOT, 4, "exits", 0.85),
    ("memory", 1, "run", 0.60),
    ("memory-small", 1, "run", 0.60),
];

/// Exits of one cause.
#[derive(Clone, Copy, Default)]
pub(super) struct Exits {
    pub(super) count: u64,
    instructions: u64,
}

impl Exits {
    /// Takes them from the simulator's figures.
    pub(super) fn read(figures: &Value) -> Self {
        let number = |name: &str| figures[name].as_u64().unwrap_or(0);
        Self {
            count: number("count"),
            instructions: number("host_instructions"),
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.count += other.count;
        self.instructions += other.instructions;
    }
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
    /// These by the function of the guest's kernel too, if wanted.
    functions: BTreeMap<String, Exits>,
    /// What ran there.
    versions: String,
}

impl Measured {
    fn total(&self, part: fn(&Exits) -> u64) -> u64 {
        self.exits.values().map(part).sum()
    }
}

/// Refuses loads that there are not.
pub(super) fn check(options: &Options) -> Result<()> {
    for name in &options.loads {
        if !LOADS.iter().any(|load| load.name == name) {
            let known: Vec<&str> = LOADS.iter().map(|load| load.name).collect();
            bail!("no load {name}: there are {}", known.join(", "));
        }
    }
    Ok(())
}

/// Runs it.
pub(super) fn bench(bench: &Bench<'_>) -> Result<Found> {
    let options = bench.options;
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
            let name = match smp {
                1 => load.name.to_owned(),
                _ => format!("{}, {smp} CPUs", load.name),
            };
            runs.push((name, ours, upstream));
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
            ..row("exits-count", "exits", &|measured| measured.total(count))
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
    let names = CAUSES.iter().chain(&["other exits", "outside of exits"]);
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
    let guest = guest(bench, load, smp, memory_mib);
    let nested = Nested {
        kvm: stack,
        accel: stack,
        host_smp: smp.min(HOST_CPUS),
        kernel_irqchip: true,
        guests: vec![guest.clone()],
        interactive: false,
        copy_share: true,
    };
    let run = bench.products.cache.new_run("bench-boot")?;
    let share = run.join("share");
    let mut machine = nested.machine(bench.products, &share)?;
    let qemu = format!("{} {} \"$@\"", nested.qemu(0, &guest), load.devices);
    fs::write(share.join("run"), script(load, &qemu))?;
    fs::write(share.join("marks.py"), marks::PROGRAM)?;
    let stats = run.join("stats.json");
    machine.stats = Some(stats.clone());
    machine.stats_calls = Some(marks::IOCTL);
    machine.stats_sites = bench.options.verbose;
    let log = run.join("console.log");
    let outcome = machine.run(bench.simulator, &log, LIMIT, |_| {})?;
    let result = || -> Result<Measured> {
        if let Some(reason) =
            said::all(&outcome.console, "", MARKER).find_map(|text| text.strip_prefix("failed: "))
        {
            bail!("failed: {reason}");
        }
        nested.check(&outcome, LIMIT)?;
        let stats = read_stats(&stats)?;
        let system_map = match &guest.kernel {
            Some(_) => String::new(),
            None => fs::read_to_string(bench.products.host_kernel.build().join("System.map"))
                .context("cannot read the kernel's System.map")?,
        };
        read(&stats, &system_map, &outcome.console)
    };
    let measured = result().with_context(|| format!("{what}, see {}", log.display()))?;
    fs::remove_dir_all(&run)?;
    Ok(measured)
}

/// The guest that has this load.
fn guest(bench: &Bench<'_>, load: &Load, smp: u32, memory_mib: u32) -> Guest {
    let mut guest = Guest {
        smp,
        memory_mib,
        append: if load.program.is_empty() {
            String::new()
        } else {
            format!("kvm-la.load={}", load.program)
        },
        ..Guest::default()
    };
    if smp > HOST_CPUS {
        // The host's kernel, which guests run otherwise, has no more.
        guest.kernel = Some(bench.products.distribution_kernel.vmlinuz());
        guest.append = format!("{DISTRIBUTION_PARAMETERS} {}", guest.append);
    }
    guest
}

/// What the host runs; `qemu` is the command that runs the guest.
fn script(load: &Load, qemu: &str) -> String {
    let (prepare, beside) = (load.prepare, load.beside);
    format!(
        "prepare() {{ {prepare}; }}\n\
         beside() {{ {beside}; }}\n\
         qemu() {{ {qemu}; }}\n\
         measured() {{ python3 /share/marks.py {qemu}; }}\n\
         {SCRIPT}"
    )
}

/// Takes the figures from the simulator's.
fn read(stats: &Value, system_map: &str, console: &str) -> Result<Measured> {
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
    let exits = stats["exits"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(cause, figures)| (cause.clone(), Exits::read(figures)))
        .filter(|(_, exits)| exits.count > 0)
        .collect();
    Ok(Measured {
        start: entered - started,
        run: left - entered,
        end: ended - left,
        exits,
        functions: by_function(stats, system_map),
        versions: versions(console, MARKER)?,
    })
}

/// How many functions are printed.
const FUNCTIONS: usize = 20;

/// Prints exits by cause, and with `--verbose` by function.
fn print_exits(name: &str, ours: &Measured, upstream: &Measured) {
    print_table(name, &ours.exits, &upstream.exits, usize::MAX);
    if !ours.functions.is_empty() {
        print_table(name, &ours.functions, &upstream.functions, FUNCTIONS);
    }
}

/// Prints the kinds of exits that cost upstream's stack most.
fn print_table(
    title: &str,
    ours: &BTreeMap<String, Exits>,
    upstream: &BTreeMap<String, Exits>,
    limit: usize,
) {
    println!(
        "{title}\n{:<40} {:>10} {:>10} {:>14} {:>14} {:>8}",
        "exit", "ours", "upstream", "instructions", "upstream", "ratio"
    );
    let kinds: BTreeSet<&String> = ours.keys().chain(upstream.keys()).collect();
    let of = |side: &BTreeMap<String, Exits>, kind| side.get(kind).copied().unwrap_or_default();
    let mut lines: Vec<_> = kinds
        .into_iter()
        .map(|kind| (kind, of(ours, kind), of(upstream, kind)))
        .collect();
    lines.sort_by_key(|(.., upstream)| std::cmp::Reverse(upstream.instructions));
    for (kind, ours, upstream) in lines.into_iter().take(limit) {
        println!(
            "{kind:<40} {:>10} {:>10} {:>14} {:>14} {:>8.2}",
            ours.count,
            upstream.count,
            ours.instructions,
            upstream.instructions,
            ours.instructions as f64 / upstream.instructions as f64
        );
    }
    println!();
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONSOLE: &str = "KVM-LA-BOOT versions Linux 7, QEMU 11\n";

    fn stats(marks: [u64; 2]) -> Value {
        let mark = |number: usize| {
            json!({"instructions": marks[number], "guest": 60 * number,
                   "arguments": [3, marks::REQUEST, number]})
        };
        json!({
            "calls": [mark(0), mark(1)],
            "first_entry": {"instructions": 200, "guest": 0},
            "last_exit": {"instructions": 500, "guest": 60},
            "exits": {"idle": {"count": 2, "host_instructions": 40},
                      "csr": {"count": 0, "host_instructions": 0}},
        })
    }

    #[test]
    fn a_guest_costs_what_is_between_its_moments() -> Result<()> {
        let measured = read(&stats([150, 530]), "", CONSOLE)?;
        assert_eq!((measured.start, measured.run, measured.end), (50, 240, 30));
        assert_eq!(measured.total(|exits| exits.instructions), 40);
        assert_eq!(measured.exits.len(), 1);
        Ok(())
    }

    #[test]
    fn a_guest_outside_the_marks_is_no_measurement() {
        assert!(read(&stats([250, 530]), "", CONSOLE).is_err());
        assert!(read(&stats([150, 460]), "", CONSOLE).is_err());
        assert!(read(&json!({}), "", CONSOLE).is_err());
    }
}
