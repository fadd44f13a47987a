// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `--stats`: the figures of a run.

use crate::calls::Call;
use crate::cpu::{Cpu, Events, LEVELS, PLVS};
use crate::engine::Machine;
use crate::mmu::TlbCounts;
use crate::stats::{Executed, ExitCause, ExitRecord, Split};
use serde::Serialize;
use std::collections::BTreeMap;

/// Figures of exits of one cause.
#[derive(Debug, Serialize)]
pub(crate) struct ExitFigures {
    /// Number of exits.
    pub count: u64,
    /// Instructions of the host from exit to the next entry, all exits that an
    /// entry followed.
    pub host_instructions: u64,
    /// Of these by kind.
    pub host: Split,
    /// Mean of a finished exit.
    pub host_instructions_mean: f64,
    /// Median.
    pub host_instructions_p50: u64,
    /// The median by kind: mean of the exits of that length.
    pub host_p50: Split,
    /// 99th percentile.
    pub host_instructions_p99: u64,
}

/// TLB figures of one kind of entry.
#[derive(Debug, Default, Serialize)]
pub(crate) struct TlbFigures {
    /// Refill exceptions.
    pub refills: u64,
    /// Walks of the tables by the hardware.
    pub walks: u64,
    /// Entries written.
    pub fills: u64,
    /// Entries removed by `invtlb`.
    pub invalidated: u64,
}

/// TLB figures of host, stage 1 and stage 2.
#[derive(Debug, Default, Serialize)]
pub(crate) struct TlbReport {
    /// The host's entries.
    pub host: TlbFigures,
    /// Guests' own.
    pub stage1: TlbFigures,
    /// From guest physical to physical.
    pub stage2: TlbFigures,
}

/// What all CPUs did at a privilege level of one mode.
#[derive(Debug, Default, Serialize)]
pub(crate) struct EventFigures {
    /// One for each instruction that ended.
    pub cycles: u64,
    /// Instructions that raised no exception.
    pub instructions: u64,
    /// TLB refills of fetches, and of loads and stores.
    pub fetch_refills: u64,
    pub data_refills: u64,
    /// What `--stats-events` counts.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub each: Option<EachFigures>,
}

/// Figures for which each instruction is looked at.
#[derive(Debug, Default, Serialize)]
pub(crate) struct EachFigures {
    /// Branches and jumps, and those of them that a static predictor has wrong.
    pub branches: u64,
    pub mispredicted: u64,
    /// Loads, stores and atomics.
    pub accesses: u64,
}

impl EventFigures {
    fn add(&mut self, events: &Events, each: bool) {
        self.cycles += events.ended;
        self.instructions += events.retired();
        self.fetch_refills += events.fetch_refills;
        self.data_refills += events.data_refills;
        if each {
            let figures = self.each.get_or_insert_default();
            figures.branches += events.branches;
            figures.mispredicted += events.mispredicted;
            figures.accesses += events.accesses;
        }
    }
}

/// Where all instructions went; the parts add up to the total.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Shares {
    /// In guest mode.
    pub guest: u64,
    /// In root mode between a guest exit and the next entry on that CPU.
    pub exits: u64,
    /// In root mode otherwise.
    pub outside: u64,
}

/// Figures of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Instructions of all CPUs since the machine was started.
    pub instructions: u64,
    /// What this process did of it, at the end of its run.
    #[serde(flatten)]
    pub here: Option<Here>,
    /// Simulated time in nanoseconds.
    pub time_ns: u64,
    /// Where the instructions went.
    pub shares: Shares,
    /// Guest entries.
    pub entries: u64,
    /// What the machine had executed when a guest was first entered, if one was.
    pub first_entry: Option<Executed>,
    /// The same when a guest was last left.
    pub last_exit: Option<Executed>,
    /// Exits by cause.
    pub exits: BTreeMap<ExitCause, ExitFigures>,
    /// Exits of each cause by the guest's program counter, in hexadecimal, if
    /// asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sites: Option<BTreeMap<ExitCause, BTreeMap<String, ExitFigures>>>,
    /// System calls with the number that was asked for, CPU by CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<Vec<Call>>,
    /// TLB figures.
    pub tlb: TlbReport,
    /// What performance counters count, by mode and privilege level.
    pub events: BTreeMap<&'static str, BTreeMap<String, EventFigures>>,
}

/// Figures of one process.
#[derive(Debug, Serialize)]
pub(crate) struct Here {
    /// Instructions that it executed.
    #[serde(rename = "instructions_here")]
    pub instructions: u64,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Hash of memory and registers, in hexadecimal, if asked for.
    pub state_hash: Option<String>,
}

impl Report {
    /// Reads the machine's books as if they were closed now.
    pub(crate) fn of(machine: &Machine, here: Option<Here>) -> Self {
        let mut sums = Sums::default();
        for cpu in &machine.cpus {
            sums.add(cpu);
        }
        Report {
            instructions: machine.instructions(),
            here,
            time_ns: machine.time(),
            shares: sums.shares,
            entries: sums.entries,
            first_entry: sums.first_entry,
            last_exit: sums.last_exit,
            exits: figures(&sums.exits),
            sites: sums.sites.as_ref().map(by_cause),
            calls: calls(machine),
            tlb: sums.tlb,
            events: events(machine),
        }
    }
}

/// What the CPUs counted, added up.
#[derive(Default)]
struct Sums {
    shares: Shares,
    entries: u64,
    first_entry: Option<Executed>,
    last_exit: Option<Executed>,
    exits: BTreeMap<ExitCause, ExitRecord>,
    sites: Option<BTreeMap<(ExitCause, u64), ExitRecord>>,
    tlb: TlbReport,
}

impl Sums {
    fn add(&mut self, cpu: &Cpu) {
        let mut stats = cpu.stats.clone();
        stats.finish(cpu.icount, cpu.world());
        self.shares.guest += stats.guest;
        self.shares.outside += stats.outside;
        self.entries += stats.entries;
        let entries = [self.first_entry, stats.first_entry].into_iter().flatten();
        self.first_entry = entries.min_by_key(|executed| executed.instructions);
        let exits = [self.last_exit, stats.last_exit].into_iter().flatten();
        self.last_exit = exits.max_by_key(|executed| executed.instructions);
        for (cause, record) in &stats.exits {
            self.shares.exits += record.total();
            self.exits.entry(*cause).or_default().merge(record);
        }
        for (site, record) in stats.sites.iter().flatten() {
            let sites = self.sites.get_or_insert_default();
            sites.entry(*site).or_default().merge(record);
        }
        self.tlb.add(&cpu.tlb.counts);
    }
}

impl TlbReport {
    fn add(&mut self, counts: &TlbCounts) {
        let kinds = [&mut self.host, &mut self.stage1, &mut self.stage2];
        for (kind, figures) in kinds.into_iter().enumerate() {
            figures.refills += counts.refills[kind];
            figures.walks += counts.walks[kind];
            figures.fills += counts.fills[kind];
            figures.invalidated += counts.invalidated[kind];
        }
    }
}

fn figures(records: &BTreeMap<ExitCause, ExitRecord>) -> BTreeMap<ExitCause, ExitFigures> {
    records
        .iter()
        .map(|(cause, record)| (*cause, ExitFigures::of(record)))
        .collect()
}

/// The figures of each place in the guest, by the cause of its exits.
fn by_cause(
    sites: &BTreeMap<(ExitCause, u64), ExitRecord>,
) -> BTreeMap<ExitCause, BTreeMap<String, ExitFigures>> {
    let mut by_cause: BTreeMap<ExitCause, BTreeMap<String, ExitFigures>> = BTreeMap::new();
    for ((cause, pc), record) in sites {
        let figures = by_cause.entry(*cause).or_default();
        figures.insert(format!("{pc:#x}"), ExitFigures::of(record));
    }
    by_cause
}

/// The system calls that were written down, if they were.
fn calls(machine: &Machine) -> Option<Vec<Call>> {
    let calls: Vec<_> = machine
        .cpus
        .iter()
        .filter_map(|cpu| cpu.calls.as_ref())
        .collect();
    let seen = calls.iter().flat_map(|calls| calls.seen().iter().cloned());
    (!calls.is_empty()).then(|| seen.collect())
}

/// What all CPUs did, by mode and privilege level; a level at which nothing ran has no
/// figures.
fn events(machine: &Machine) -> BTreeMap<&'static str, BTreeMap<String, EventFigures>> {
    let mut all: BTreeMap<&'static str, BTreeMap<String, EventFigures>> = BTreeMap::new();
    for cpu in &machine.cpus {
        for level in 0..LEVELS {
            let events = cpu.tally.events(level, cpu.icount);
            if events.ended == 0 {
                continue;
            }
            let mode = if level < PLVS { "host" } else { "guest" };
            let figures = all.entry(mode).or_default();
            let figures = figures.entry(format!("plv{}", level % PLVS)).or_default();
            figures.add(&events, cpu.tally.counts_always());
        }
    }
    all
}

impl ExitFigures {
    fn of(record: &ExitRecord) -> Self {
        let lengths = || record.lengths.iter();
        let finished: u64 = lengths().map(|(_, windows)| windows.times).sum();
        let sum: u64 = lengths()
            .map(|(length, windows)| length * windows.times)
            .sum();
        let median = record.percentile(50);
        let windows = record.lengths.get(&median).copied().unwrap_or_default();
        let mean = |instructions| instructions / windows.times.max(1);
        ExitFigures {
            count: record.count,
            host_instructions: record.total(),
            host: record.host,
            host_instructions_mean: sum as f64 / finished.max(1) as f64,
            host_instructions_p50: median,
            host_p50: Split {
                kernel: mean(windows.host.kernel),
                user: mean(windows.host.user),
                interrupts: mean(windows.host.interrupts),
            },
            host_instructions_p99: record.percentile(99),
        }
    }
}
