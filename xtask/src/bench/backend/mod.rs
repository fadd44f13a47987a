// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Bench `backend`: what QEMU costs with our backend and with its own, on both
//! modules, in ioctls and in instructions of the host.
//!
//! A program on the host (`tests/guest/backend-bench.py`) has a QEMU start, show its
//! registers, reset, migrate and so on. The simulator lists every ioctl of the
//! machine with its request, marks of the program among them: nothing in the
//! machine counts, so nothing is counted wrongly or slower for being counted.
//! Round trips to user space are those of a bare guest's sites, as in bench
//! `exits`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::{Value, json};

use super::exits;
use super::exits::guest::Programs;
use super::{Bench, LIMIT, Row, marks};
use crate::backend;
use crate::boot::read_stats;
use crate::machine::{Machine, Simulator, make_share};
use crate::nested::{BACKEND_SERVES, Stack, copy};
use crate::setup::Products;

mod phases;
mod requests;

use phases::{Counts, Phase, total};

const SCRIPT: &str = include_str!("../../../../tests/guest/backend-bench");
const PROGRAM: &str = include_str!("../../../../tests/guest/backend-bench.py");

/// Rows with the vCPU's ioctls of phases that have others too: the board's
/// devices are QEMU's with either backend.
const OF_VCPU: &[(&str, &str)] = &[
    ("start", "vcpu-start"),
    ("reset", "vcpu-reset"),
    ("migrate-in", "vcpu-load"),
];

/// The phases in the order of the table.
const PHASES: &[&str] = &[
    "start",
    "plug",
    "first-run",
    "stop",
    "read",
    "resume-after-read",
    "resume",
    "reset",
    "migrate-out",
    "migrate-in",
    NOTHING,
];

/// What asking costs, without ioctls.
const NOTHING: &str = "nothing";

/// Round trips: name, the simulator's name for the cause, symbol of tests/guest/exits.S.
const ROUND_TRIPS: &[(&str, &str, &str)] = &[
    ("iocsr-read", "iocsr", "site_iocsr_user_read"),
    ("mmio-load", "load-fault", "site_mmio_user_load"),
    ("mmio-store", "store-fault", "site_mmio_user_store"),
];

/// Exits that tests/guest/exits.S makes of each.
const EXITS: u64 = 256;

/// The most ioctls that our backend may need: on our module, a tenth of what the
/// C backend needs, and on upstream's.
const LIMITS: &[(&str, u64, u64)] = &[
    ("vcpu-start", 26, 150),
    // All that QEMU does: lines that tell the guest, and its answers, are among them.
    ("plug", 12, 80),
    ("read", 8, 60),
    ("vcpu-reset", 8, 60),
    ("vcpu-load", 8, 60),
    ("resume", 3, 3),
    ("resume-after-read", 3, 3),
];

/// What one backend costs on one module.
struct Measured {
    phases: BTreeMap<String, Phase>,
    /// Median of the host's instructions of each of [`ROUND_TRIPS`].
    round_trips: Vec<f64>,
}

impl Measured {
    fn phase(&self, name: &str) -> Result<&Phase> {
        self.phases
            .get(name)
            .ok_or_else(|| anyhow!("the host said nothing of phase {name}"))
    }

    /// The requests of a phase, or of a part of one.
    fn requests(&self, name: &str) -> Result<&Counts> {
        match OF_VCPU.iter().find(|(_, part)| *part == name) {
            Some((phase, _)) => Ok(&self.phase(phase)?.vcpu),
            None => Ok(&self.phase(name)?.all),
        }
    }
}

/// Runs it.
pub(super) fn bench(bench: &Bench<'_>) -> Result<Vec<Row>> {
    let (products, simulator) = (bench.products, bench.simulator);
    let mut rows = Vec::new();
    for kvm in Stack::ALL {
        let ours = measure(products, simulator, kvm, Stack::Rust)?;
        let upstream = measure(products, simulator, kvm, Stack::Upstream)?;
        let name = |what: &str, unit: &str| format!("kvm={},{what},{unit}", kvm.name());
        let parts = OF_VCPU.iter().map(|(_, part)| *part);
        let phases = PHASES.iter().copied().filter(|phase| *phase != NOTHING);
        for phase in parts.chain(phases) {
            let (ours, upstream) = (ours.requests(phase)?, upstream.requests(phase)?);
            rows.push(Row {
                detail: Some(json!({"ours": by_name(ours), "upstream": by_name(upstream)})),
                ..Row::new(
                    name(phase, "ioctls"),
                    "ioctls",
                    total(ours) as f64,
                    total(upstream) as f64,
                )
            });
        }
        for phase in PHASES {
            rows.push(Row::new(
                name(phase, "host"),
                "instructions",
                ours.phase(phase)?.instructions as f64,
                upstream.phase(phase)?.instructions as f64,
            ));
        }
        let trips = ours.round_trips.iter().zip(&upstream.round_trips);
        for ((trip, ..), (ours, upstream)) in ROUND_TRIPS.iter().zip(trips) {
            rows.push(Row::new(
                name(trip, "host"),
                "instructions",
                *ours,
                *upstream,
            ));
        }
    }
    Ok(rows)
}

/// That our backend needs no more ioctls than it should; a text that says how
/// many it needs.
pub(crate) fn check(products: &Products, simulator: &Simulator, kvm: Stack) -> Result<String> {
    let ours = measure(products, simulator, kvm, Stack::Rust)?;
    let mut said = Vec::new();
    for (name, on_rust, on_upstream) in LIMITS {
        let limit = match kvm {
            Stack::Rust => *on_rust,
            Stack::Upstream => *on_upstream,
        };
        let requests = ours.requests(name)?;
        let count = total(requests);
        if count == 0 {
            bail!("{name}: no ioctl at all, so nothing was counted");
        }
        if count > limit {
            bail!(
                "{name}: {count} ioctls, not {limit} at most: {}",
                by_name(requests)
            );
        }
        said.push(format!("{name} {count}"));
    }
    Ok(said.join(", "))
}

/// Counts by the requests' names.
fn by_name(counts: &Counts) -> Value {
    counts
        .iter()
        .map(|(number, count)| (requests::name(*number), Value::from(*count)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Runs the host with one module and one backend.
fn measure(
    products: &Products,
    simulator: &Simulator,
    kvm: Stack,
    accel: Stack,
) -> Result<Measured> {
    let what = format!("{} kvm.ko, {} backend", kvm.name(), accel.name());
    eprintln!("bench backend: {what}");
    let programs = Programs::build(products)?;
    let run = products.cache.new_run("bench-backend")?;
    let share = run.join("share");
    fill_share(products, &share, &programs, kvm, accel)?;
    let stats = run.join("stats.json");
    let machine = Machine {
        kernel: products.host_kernel.vmlinux(),
        initrd: Some(products.initramfs.host()),
        // One CPU: all instructions between two calls are in one count.
        smp: 1,
        memory_mib: 1024,
        drives: vec![products.userland_drive()],
        share: Some(share),
        stats: Some(stats.clone()),
        stats_sites: true,
        stats_calls: Some(marks::IOCTL),
        ..Machine::default()
    };
    let log = run.join("console.log");
    let outcome = machine.run(simulator, &log, LIMIT, |_| {})?;
    let result = || -> Result<Measured> {
        outcome.check(LIMIT)?;
        let served = outcome.console.contains(BACKEND_SERVES);
        if served != (accel == Stack::Rust) {
            bail!("the other backend served");
        }
        let stats = read_stats(&stats)?;
        let measured = Measured {
            phases: phases::phases(&stats, &outcome.console)?,
            round_trips: round_trips(&stats, &programs)?,
        };
        let runs = measured.phase("exits")?.all.get(&requests::RUN).copied();
        let exits = EXITS * ROUND_TRIPS.len() as u64;
        if runs.unwrap_or(0) < exits {
            bail!("{runs:?} KVM_RUNs for {exits} exits");
        }
        Ok(measured)
    };
    let measured = result().with_context(|| format!("{what}, see {}", log.display()))?;
    fs::remove_dir_all(&run)?;
    Ok(measured)
}

/// What the host runs, with this module and backend.
fn fill_share(
    products: &Products,
    share: &Path,
    programs: &Programs,
    kvm: Stack,
    accel: Stack,
) -> Result<()> {
    make_share(share, SCRIPT)?;
    copy(&kvm.kvm_ko(products)?, &share.join("kvm.ko"))?;
    fs::write(share.join("backend-bench.py"), PROGRAM)?;
    fs::write(share.join("marks.py"), marks::PROGRAM)?;
    for (name, file) in programs.files() {
        copy(&file, &share.join(name))?;
    }
    let qemu = match accel {
        Stack::Upstream => "qemu-system-loongarch64",
        Stack::Rust => {
            let backend = backend::make(products)?;
            for file in [backend.library(), backend.launcher()] {
                copy(&file, &share.join(file.file_name().unwrap_or_default()))?;
            }
            "/share/qemu-kvm-la"
        }
    };
    fs::write(share.join("qemu"), qemu)?;
    Ok(())
}

fn round_trips(stats: &Value, programs: &Programs) -> Result<Vec<f64>> {
    let symbols = programs.symbols("user")?;
    ROUND_TRIPS
        .iter()
        .map(|(name, cause, symbol)| {
            let site = symbols.address(symbol)?;
            let (count, median) = exits::median_at(stats, cause, site);
            if count < EXITS {
                bail!("{name}: {count} exits instead of {EXITS}");
            }
            Ok(median)
        })
        .collect()
}
