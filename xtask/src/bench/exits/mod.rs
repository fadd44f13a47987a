// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Bench `exits`: host instructions from each kind of guest exit to the next
//! entry, memory of an idle machine and size of kvm.ko, for both modules.
//!
//! A bare guest ([`guest`]) leaves guest mode for one reason at a
//! time at known addresses, and the simulator counts by address. A figure is
//! the median of an address's exits: now and then a tick of the host comes in
//! between, and is none of the exit's business. The TLB refills of the same
//! instruction are added: that is where a flush of too much costs.
//!
//! Both modules are measured under QEMU's own backend. Rows `walker,*` are on a host whose
//! hardware walks stage 2; the units that only its CPU has are measured there too. Rows `both,*` are our module with
//! our backend beside upstream's with QEMU's, for exits that QEMU takes part in.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;

use super::{Bench, Found, LIMIT, Row, versions};
use crate::backend;
use crate::boot::read_stats;
use crate::machine::{Machine, Simulator, make_share};
use crate::nested::{BACKEND_SERVES, Stack, copy};
use crate::said::said;
use crate::setup::Products;

mod classes;
mod cost;
pub(super) mod guest;
mod messages;
mod pictures;

use classes::{BOTH, CLASSES, Class, UNITS, WALKER, WHOLE_CPU, target};
pub(super) use cost::median_at;
use cost::{Cost, class_cost, sites};
use guest::Programs;
use pictures::pictures;

const SCRIPT: &str = include_str!("../../../../tests/guest/exits-host");

/// What the lines of the host's script and of its guests have in front.
const MARKER: &str = "KVM-LA-EXITS";

/// The host's CPU, but for the rows that need another: it has counters to lend.
const CPU: &str = "la464,pmu=on,gpmp=on";

/// How many guests the host runs to their end, and how many in a short run.
const GUESTS: usize = 7;
const SHORT_GUESTS: usize = 2;

/// What one module costs.
struct Measured {
    classes: Vec<Cost>,
    /// KiB of an idle machine with 1 and with 64 vCPUs.
    memory: [f64; 2],
    /// Bytes of the module in memory, and of its file.
    loaded: f64,
    file: f64,
    /// What ran there.
    versions: String,
}

/// Runs it.
pub(super) fn bench(bench: &Bench<'_>) -> Result<Found> {
    let products = bench.products;
    let simulator = &bench.simulator.with_cpu(CPU);
    let programs = Programs::build(products)?;
    let run = |kvm| measure(products, simulator, &programs, kvm);
    let (ours, upstream) = (run(Stack::Rust)?, run(Stack::Upstream)?);
    let both = measure_short(products, simulator, &programs, [Stack::Rust; 2], BOTH)?;
    let whole = |stacks| {
        let simulator = simulator.with_cpu(WHOLE_CPU);
        measure_short(products, &simulator, &programs, stacks, WALKER)
    };
    let whole = [
        whole([Stack::Rust, Stack::Upstream])?,
        whole([Stack::Upstream; 2])?,
        whole([Stack::Rust; 2])?,
    ];
    print_details(&ours, &upstream);
    let pairs = pairs(&ours, &upstream, &both);
    let mut rows = class_rows(&pairs);
    rows.extend(walker_rows(&whole));
    rows.extend(messages::rows(products, simulator)?);
    let [mean_ours, mean_upstream] = means(&pairs);
    rows.push(row(
        "geometric-mean",
        "instructions",
        mean_ours,
        mean_upstream,
    ));
    let [ours_one, ours_many] = ours.memory;
    let [upstream_one, upstream_many] = upstream.memory;
    rows.push(row("memory-1-vcpu", "KiB", ours_one, upstream_one));
    rows.push(row("memory-64-vcpus", "KiB", ours_many, upstream_many));
    rows.push(row("kvm.ko-loaded", "bytes", ours.loaded, upstream.loaded));
    rows.push(row("kvm.ko-file", "bytes", ours.file, upstream.file));
    Ok(Found {
        rows,
        pictures: pictures(&pairs, &ours.versions),
    })
}

/// A row with its target, if it has one.
fn row(name: &str, unit: &'static str, ours: f64, upstream: f64) -> Row {
    Row {
        target: target(name),
        ..Row::new(name.to_owned(), unit, ours, upstream)
    }
}

fn cost_row(name: &str, ours: Cost, upstream: Cost) -> Row {
    row(name, "instructions", ours.figure(), upstream.figure())
}

/// The classes of both modules, with what `both` has of our stack.
fn pairs(ours: &Measured, upstream: &Measured, both: &[Named]) -> Vec<Pair<'static>> {
    CLASSES
        .iter()
        .zip(ours.classes.iter().zip(&upstream.classes))
        .map(|(class, (ours, upstream))| Pair {
            class,
            ours: *ours,
            upstream: *upstream,
            both: both
                .iter()
                .find_map(|(name, cost)| (*name == class.name).then_some(*cost)),
        })
        .collect()
}

/// Each class, and behind them those of our stack.
fn class_rows(pairs: &[Pair<'_>]) -> Vec<Row> {
    let mut rows: Vec<Row> = pairs
        .iter()
        .map(|pair| cost_row(pair.class.name, pair.ours, pair.upstream))
        .collect();
    rows.extend(pairs.iter().filter_map(|pair| {
        let name = format!("both,{}", pair.class.name);
        Some(cost_row(&name, pair.both?, pair.upstream))
    }));
    rows
}

/// The classes on a host with all units: our module, upstream's, and our stack.
fn walker_rows([ours, upstream, both]: &[Vec<Named>; 3]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (ours, (upstream, both)) in ours.iter().zip(upstream.iter().zip(both)) {
        let name = ours.0;
        if WALKER.contains(&name) {
            rows.push(cost_row(&format!("walker,{name}"), ours.1, upstream.1));
        } else {
            rows.push(cost_row(name, ours.1, upstream.1));
            rows.push(cost_row(&format!("both,{name}"), both.1, upstream.1));
        }
    }
    rows
}

/// The cost of a class, with its name.
type Named = (&'static str, Cost);

/// One class, measured.
struct Pair<'a> {
    class: &'a Class,
    ours: Cost,
    upstream: Cost,
    /// Ours with our backend too, of [`BOTH`].
    both: Option<Cost>,
}

impl Pair<'_> {
    /// What our stack costs: with our backend, where its part is measured.
    fn stack(&self) -> Cost {
        self.both.unwrap_or(self.ours)
    }
}

/// The geometric means of our stack and of upstream's over the classes that are one exit, and
/// not polled.
fn means(pairs: &[Pair<'_>]) -> [f64; 2] {
    let single = || {
        pairs
            .iter()
            .filter(|pair| !pair.class.then_fpu && !pair.class.is_polled())
    };
    let mean = |logarithms: f64| (logarithms / single().count() as f64).exp();
    let ours = single().map(|pair| pair.stack().figure().ln());
    let upstream = single().map(|pair| pair.upstream.figure().ln());
    [mean(ours.sum()), mean(upstream.sum())]
}

/// Runs the host with one module.
fn measure(
    products: &Products,
    simulator: &Simulator,
    programs: &Programs,
    kvm: Stack,
) -> Result<Measured> {
    eprintln!("bench exits: {} kvm.ko", kvm.name());
    let file = fs::metadata(kvm.kvm_ko(products)?)?.len() as f64;
    host(
        products,
        simulator,
        Some(programs),
        kvm,
        |_| Ok("qemu-system-loongarch64"),
        |console, stats| {
            let (memory, loaded) = read(console)?;
            Ok(Measured {
                classes: costs(stats, programs)?,
                memory,
                loaded,
                file,
                versions: versions(console, MARKER)?,
            })
        },
    )
}

/// The costs of `chosen` classes, of the guests of a short run, with a module and a
/// backend; on a host with more units those of [`UNITS`] too.
fn measure_short(
    products: &Products,
    simulator: &Simulator,
    programs: &Programs,
    [kvm, accel]: [Stack; 2],
    chosen: &[&str],
) -> Result<Vec<Named>> {
    let cpu = simulator.cpu().map(|cpu| format!(" on {cpu}"));
    let units = match simulator.cpu() {
        Some(WHOLE_CPU) => UNITS,
        _ => &[],
    };
    eprintln!(
        "bench exits: {} kvm.ko and {} backend{}",
        kvm.name(),
        accel.name(),
        cpu.unwrap_or_default()
    );
    host(
        products,
        simulator,
        Some(programs),
        kvm,
        |share| {
            fs::write(share.join("short"), "")?;
            if !units.is_empty() {
                fs::write(share.join("units"), "")?;
            }
            if accel == Stack::Upstream {
                return Ok("qemu-system-loongarch64");
            }
            let backend = backend::make(products)?;
            for file in [backend.library(), backend.launcher()] {
                copy(&file, &share.join(file.file_name().unwrap_or_default()))?;
            }
            Ok("/share/qemu-kvm-la")
        },
        |console, stats| {
            done(console, SHORT_GUESTS + usize::from(!units.is_empty()))?;
            if console.contains(BACKEND_SERVES) != (accel == Stack::Rust) {
                bail!("the other backend served");
            }
            CLASSES
                .iter()
                .filter(|class| chosen.contains(&class.name))
                .chain(units)
                .map(|class| Ok((class.name, class_cost(stats, class, programs)?)))
                .collect()
        },
    )
}

/// Runs a host with the guests of `programs`, if any. `prepare` puts what is QEMU's into the shared folder and says which
/// program it is; `read` takes the figures from what was said and from the simulator's.
fn host<T>(
    products: &Products,
    simulator: &Simulator,
    programs: Option<&Programs>,
    kvm: Stack,
    prepare: impl FnOnce(&Path) -> Result<&'static str>,
    read: impl FnOnce(&str, &Value) -> Result<T>,
) -> Result<T> {
    let run = products.cache.new_run("bench-exits")?;
    let share = run.join("share");
    make_share(&share, SCRIPT)?;
    copy(&kvm.kvm_ko(products)?, &share.join("kvm.ko"))?;
    fs::write(share.join("qemu"), prepare(&share)?)?;
    for (name, file) in programs.into_iter().flat_map(Programs::files) {
        copy(&file, &share.join(name))?;
    }
    let stats = run.join("stats.json");
    let machine = Machine {
        kernel: products.host_kernel.vmlinux(),
        initrd: Some(products.initramfs.host()),
        smp: 2,
        memory_mib: 2048,
        drives: vec![products.userland_drive()],
        share: Some(share),
        stats: Some(stats.clone()),
        stats_sites: true,
        ..Machine::default()
    };
    let log = run.join("console.log");
    let outcome = machine.run(simulator, &log, LIMIT, |_| {})?;
    let result = || -> Result<T> {
        if let Some(reason) = failure(&outcome.console) {
            bail!("failed: {reason}");
        }
        outcome.check(LIMIT)?;
        read(&outcome.console, &read_stats(&stats)?)
    };
    let result =
        result().with_context(|| format!("{} kvm.ko, see {}", kvm.name(), log.display()))?;
    fs::remove_dir_all(&run)?;
    Ok(result)
}

/// What host and guests said.
fn texts(console: &str) -> impl DoubleEndedIterator<Item = &str> {
    console
        .lines()
        .filter_map(|line| Some(said(line, MARKER)?.1))
}

/// Why the host or a guest failed, if it said so.
fn failure(console: &str) -> Option<&str> {
    texts(console).find_map(|text| text.strip_prefix("failed: "))
}

/// All of this many guests came to their end.
fn done(console: &str, guests: usize) -> Result<()> {
    let done = texts(console).filter(|text| *text == "done").count();
    if done != guests {
        bail!("{done} of {guests} guests came to their end");
    }
    Ok(())
}

/// What host and guests said: memory of idle machines, and size of the module.
fn read(console: &str) -> Result<([f64; 2], f64)> {
    done(console, GUESTS)?;
    let number = |what: &str| {
        texts(console)
            .filter_map(|text| text.strip_prefix(what)?.trim().parse::<f64>().ok())
            .next_back()
            .ok_or_else(|| anyhow!("the host did not say its {what}"))
    };
    let memory = [number("memory 1 ")?, number("memory 64 ")?];
    Ok((memory, number("loaded ")?))
}

/// The costs of all classes, in order.
fn costs(stats: &Value, programs: &Programs) -> Result<Vec<Cost>> {
    let again = programs.symbols("huge")?.address("site_fault_huge_again")?;
    let again = sites(stats, "load-fault", again, again + 4)
        .into_iter()
        .fold(0, |sum, site| sum + site.count);
    if again > 0 {
        bail!("the pages that should be huge are not: {again} more faults");
    }
    CLASSES
        .iter()
        .map(|class| class_cost(stats, class, programs))
        .collect()
}

/// Prints what the rows do not say.
fn print_details(ours: &Measured, upstream: &Measured) {
    println!(
        "{:<24} {:>8} {:>6} {:>9} {:>8} {:>9} {:>9} {:>10} {:>9}",
        "exit", "module", "count", "median", "refills", "kernel", "user", "interrupts", "p99"
    );
    for (class, costs) in CLASSES
        .iter()
        .zip(ours.classes.iter().zip(&upstream.classes))
    {
        for (module, cost) in [("rust", costs.0), ("upstream", costs.1)] {
            println!(
                "{:<24} {:>8} {:>6} {:>9.0} {:>8.1} {:>9.0} {:>9.0} {:>10.0} {:>9}",
                class.name,
                module,
                cost.count,
                cost.median,
                cost.refills,
                cost.kernel,
                cost.user,
                cost.interrupts,
                cost.p99
            );
        }
    }
    println!("median, 99th percentile; of the median: kernel, user space, interrupts in between\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_that_did_not_finish_is_no_measurement() {
        let good = "KVM-LA-EXITS loaded 1000\nsmall: KVM-LA-EXITS done\nsleep: KVM-LA-EXITS done\nhuge: KVM-LA-EXITS done\r\nlog: KVM-LA-EXITS done\n\
                    anew: KVM-LA-EXITS done\npresent: KVM-LA-EXITS done\nfolios: KVM-LA-EXITS done\n\
                    KVM-LA-EXITS memory 1 200\nKVM-LA-EXITS memory 1 100\nKVM-LA-EXITS memory 64 900\n";
        assert_eq!(read(good).ok(), Some(([100.0, 900.0], 1000.0)));
        assert_eq!(failure(good), None);
        let failed = good.replace("huge: ", "huge: KVM-LA-EXITS failed: e");
        assert!(failure(&failed).is_some_and(|reason| reason.starts_with('e')));
        assert!(read(&good.replace("memory 64", "x")).is_err());
        assert!(read(&good.replace("small: KVM-LA-EXITS done", "")).is_err());
    }
}
