// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Bench `sim`: lvz-sim beside QEMU's TCG.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};

use super::{Bench, LIMIT, Row};
use crate::boot::read_stats;
use crate::machine::{Machine, Simulator};
use crate::nested::{GUEST_MARKER, Guest, Nested, Stack};
use crate::said::said;
use crate::setup::Products;

/// How often each figure is taken; the least disturbed one counts.
const REPEATS: usize = 3;

/// How often each part of the workload is worked out in one measurement.
const ROUNDS: u32 = 160;

/// Seconds of each phase of a run, by name.
type Phases = BTreeMap<String, f64>;

/// The phase up to a shell's prompt on the console.
const PROMPT: &str = "shell-prompt";
const PROMPT_TEXT: &str = "~ # ";

/// The phase up to the init.
const BOOT: &str = "linux-boot";

/// The same of a guest, with the boot of its host.
const NESTED_BOOT: &str = "nested-boot";

/// Runs it.
pub(super) fn bench(bench: &Bench<'_>) -> Result<Vec<Row>> {
    let run = bench.products.cache.new_run("bench-sim")?;
    let (ours, tcg) = host_mode(bench, &run)?;
    let (products, simulator) = (bench.products, bench.simulator);
    let host = host_of_guest(products, &run.join("share"), ROUNDS)?;
    let guest = guest_mode(&host, simulator, &run, "guest mode")?;
    let host = host_of_guest(products, &run.join("interpreted"), 1)?;
    let interpreter = simulator.with_engine("interpreter");
    let interpreted = guest_mode(&host, &interpreter, &run, "guest mode, interpreted")?;
    for (name, seconds) in &guest.shortest {
        if let Some(host) = ours.shortest.get(name).filter(|_| name != BOOT) {
            println!(
                "{name}: guest mode runs at {:.0} % of host mode",
                100.0 * host / seconds
            );
        }
    }
    let memory = ours.beside_ram_kib.max(guest.beside_ram_kib);
    let memory = memory.ok_or_else(|| anyhow!("the simulator's memory could not be read"))?;
    println!(
        "memory: at most {} MiB beside the machine's RAM",
        memory.div_ceil(1024)
    );
    fs::remove_dir_all(&run)?;
    rows(
        ours.shortest,
        &tcg.shortest,
        &guest.shortest,
        &interpreted.shortest,
    )
}

/// A kernel in host mode, in lvz-sim and in QEMU.
fn host_mode(bench: &Bench<'_>, run: &Path) -> Result<(Measured, Measured)> {
    let products = bench.products;
    let stats = run.join("stats.json");
    let machine = Machine {
        kernel: products.host_kernel.vmlinux(),
        initrd: Some(products.initramfs.guest()),
        append: format!("kvm-la.bench={ROUNDS}"),
        smp: 1,
        memory_mib: 512,
        ..Machine::default()
    };
    let counted = Machine {
        stats: Some(stats.clone()),
        ..machine.clone()
    };
    let shell = Machine {
        append: "kvm-la.shell".to_owned(),
        ..machine.clone()
    };
    let tcg = Simulator::Tcg(products.tools.clone());
    let (mut here, mut there) = (Measured::default(), Measured::default());
    let mut speed: f64 = 0.0;
    // By turns, so that both have the same computer.
    for round in 1..=REPEATS {
        eprintln!("bench sim: round {round} of {REPEATS}");
        let elapsed = here.run(&counted, bench.simulator, run, "")?;
        let total = read_stats(&stats)?["instructions"]
            .as_f64()
            .ok_or_else(|| anyhow!("{} has no instructions", stats.display()))?;
        speed = speed.max(total / elapsed.as_secs_f64() / 1e6);
        here.note(PROMPT, shell.until(bench.simulator, PROMPT_TEXT, LIMIT)?);
        there.run(&machine, &tcg, run, "")?;
        there.note(PROMPT, shell.until(&tcg, PROMPT_TEXT, LIMIT)?);
    }
    println!("lvz-sim: {speed:.0} million instructions a second in host mode");
    Ok((here, there))
}

/// The guest of `host`; `what` is measured.
fn guest_mode(host: &Machine, simulator: &Simulator, run: &Path, what: &str) -> Result<Measured> {
    let mut guest = Measured::default();
    for round in 1..=REPEATS {
        eprintln!("bench sim: {what}, round {round} of {REPEATS}");
        guest.run(host, simulator, run, "guest0")?;
    }
    Ok(guest)
}

/// Each phase in lvz-sim beside QEMU, and the boot of a guest compiled beside interpreted.
fn rows(ours: Phases, tcg: &Phases, guest: &Phases, interpreted: &Phases) -> Result<Vec<Row>> {
    let mut rows = ours
        .into_iter()
        .map(|(name, ours)| {
            let upstream = *tcg
                .get(&name)
                .ok_or_else(|| anyhow!("QEMU did not come to {name}"))?;
            Ok(Row::new(name, "s", ours, upstream))
        })
        .collect::<Result<Vec<_>>>()?;
    if let (Some(compiled), Some(interpreted)) = (guest.get(BOOT), interpreted.get(BOOT)) {
        println!("{NESTED_BOOT}: the second figure is the interpreter's, as TCG has no LVZ");
        rows.push(Row::new(
            NESTED_BOOT.to_owned(),
            "s",
            *compiled,
            *interpreted,
        ));
    }
    Ok(rows)
}

/// A KVM host, both halves upstream's, whose guest measures.
fn host_of_guest(products: &Products, share: &Path, rounds: u32) -> Result<Machine> {
    let nested = Nested {
        kvm: Stack::Upstream,
        accel: Stack::Upstream,
        host_smp: 1,
        kernel_irqchip: true,
        guests: vec![Guest {
            append: format!("kvm-la.bench={rounds}"),
            ..Guest::default()
        }],
        interactive: false,
        copy_share: false,
    };
    nested.machine(products, share)
}

/// Several runs of a machine.
#[derive(Default)]
struct Measured {
    /// The shortest time of each phase.
    shortest: Phases,
    /// The most memory beside the machine's RAM, in KiB, if it could be read.
    beside_ram_kib: Option<u64>,
}

impl Measured {
    /// Counts the time of a phase if none was shorter.
    fn note(&mut self, name: &str, time: Duration) {
        let seconds = time.as_secs_f64();
        let known = self.shortest.entry(name.to_owned()).or_insert(seconds);
        *known = known.min(seconds);
    }

    /// Runs a machine that measures; the lines that count are `speaker`'s. How long it took.
    fn run(
        &mut self,
        machine: &Machine,
        simulator: &Simulator,
        run: &Path,
        speaker: &str,
    ) -> Result<Duration> {
        let log = run.join("console.log");
        let started = Instant::now();
        let mut begun = started;
        let mut phases = Phases::new();
        let outcome = machine.run(simulator, &log, LIMIT, |line| {
            let words = said(line, GUEST_MARKER)
                .filter(|(name, _)| *name == speaker)
                .map(|(_, text)| text.split_whitespace().collect::<Vec<_>>());
            match words.as_deref() {
                Some(["init"]) => {
                    phases.insert(BOOT.to_owned(), started.elapsed().as_secs_f64());
                }
                Some(["bench", _, "begin"]) => begun = Instant::now(),
                Some(["bench", name, "end", _]) => {
                    phases.insert((*name).to_owned(), begun.elapsed().as_secs_f64());
                }
                _ => {}
            }
        })?;
        if outcome.timed_out || !outcome.status.success() {
            bail!(
                "the machine ended with {}, see {}",
                outcome.status,
                log.display()
            );
        }
        if phases.len() < 4 {
            bail!("the machine did not come to its end, see {}", log.display());
        }
        for (name, seconds) in phases {
            self.note(&name, Duration::from_secs_f64(seconds));
        }
        self.beside_ram_kib = self.beside_ram_kib.max(outcome.beside_ram_kib);
        Ok(outcome.elapsed)
    }
}
