// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Bench `growth`: what the same work costs the host with more vCPUs, more RAM and more
//! machines, for both modules. A program (`tests/kvm/src/bin/growth.rs`) is the VMM; its guests are
//! bare, so that nothing but their number or size changes.
//!
//! A figure is all instructions of the host between two marks, divided by how often the
//! work was done there; of work that is measured several times, the median. What a host's
//! allocator and scheduler make of the same work differs by some percent, so all is measured
//! on several hosts, whose kernels' random numbers differ; of these again the median.

use std::fs;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;

use super::{Bench, LIMIT, Row, marks};
use crate::boot::read_stats;
use crate::kvm_programs;
use crate::machine::{Machine, make_share};
use crate::nested::{Stack, copy};
use crate::said;

const SCRIPT: &str = include_str!("../../../tests/guest/growth-host");

/// What the lines of script and program begin with.
const MARKER: &str = "KVM-LA-GROWTH";

const PROGRAM: &str = "growth";

const HOST_CPUS: u32 = 4;

/// What grows.
struct Axis {
    name: &'static str,
    sizes: &'static [u32],
    /// The program's arguments for a size.
    arguments: fn(u32) -> String,
}

const AXES: &[Axis] = &[
    Axis {
        name: "cpus",
        sizes: &[1, 4, 16, 64, 256],
        arguments: |size| format!("1 {size} 256"),
    },
    Axis {
        name: "cpus-running",
        sizes: &[1, 4, 16, 64],
        arguments: |size| format!("1 {size} 256 running"),
    },
    Axis {
        name: "mib",
        sizes: &[256, 1024, 4096, 16384],
        arguments: |size| format!("1 1 {size}"),
    },
    Axis {
        name: "machines",
        sizes: &[1, 2, 8, 32],
        arguments: |size| format!("{size} 1 256"),
    },
];

/// The first run leaves something behind, and is not measured.
const WARM_UP: &str = "warm-up 1 4 256\n";

/// Hosts on which all is measured.
const HOSTS: usize = 5;

/// One figure.
#[derive(Clone)]
struct Figure {
    series: String,
    work: String,
    cost: f64,
}

/// Runs it.
pub(super) fn bench(bench: &Bench<'_>) -> Result<Vec<Row>> {
    let hosts = |kvm| -> Result<Vec<Vec<Figure>>> {
        (0..HOSTS).map(|host| measure(bench, kvm, host)).collect()
    };
    let ours = hosts(Stack::Rust)?;
    let upstream = hosts(Stack::Upstream)?;
    print_slopes(&ours, &upstream);
    let (ours, upstream) = (of_hosts(&ours), of_hosts(&upstream));
    if ours.len() != upstream.len() {
        bail!(
            "{} figures of ours, {} of upstream's",
            ours.len(),
            upstream.len()
        );
    }
    Ok(ours
        .into_iter()
        .zip(upstream)
        .map(|(ours, upstream)| {
            let unit = if ours.work == MEMORY {
                "KiB"
            } else {
                "instructions"
            };
            let name = format!("{},{}", ours.series, ours.work);
            Row::new(name, unit, ours.cost, upstream.cost)
        })
        .collect())
}

/// The work that is none: what the machines take of the kernel's memory.
const MEMORY: &str = "memory";

fn measure(bench: &Bench<'_>, kvm: Stack, host: usize) -> Result<Vec<Figure>> {
    let number = host + 1;
    eprintln!(
        "bench growth: {} kvm.ko, host {number} of {HOSTS}",
        kvm.name()
    );
    let products = bench.products;
    let run = products.cache.new_run("bench-growth")?;
    let share = run.join("share");
    make_share(&share, SCRIPT)?;
    copy(&kvm.kvm_ko(products)?, &share.join("kvm.ko"))?;
    copy(
        &kvm_programs::build(products)?.join(PROGRAM),
        &share.join(PROGRAM),
    )?;
    let mut list = WARM_UP.to_owned();
    for axis in AXES {
        for size in axis.sizes {
            list.push_str(&format!(
                "{}={size} {}\n",
                axis.name,
                (axis.arguments)(*size)
            ));
        }
    }
    fs::write(share.join("list"), list)?;
    let stats = run.join("stats.json");
    let machine = Machine {
        kernel: products.host_kernel.vmlinux(),
        initrd: Some(products.initramfs.host()),
        // Its command line is the one thing that tells a kernel's random numbers apart here.
        append: format!("kvm-la.host={number}"),
        smp: HOST_CPUS,
        memory_mib: 2048,
        drives: vec![products.userland_drive()],
        share: Some(share),
        stats: Some(stats.clone()),
        stats_calls: Some(marks::IOCTL),
        ..Machine::default()
    };
    let log = run.join("console.log");
    let outcome = machine.run(bench.simulator, &log, LIMIT, |_| {})?;
    let result = || -> Result<Vec<Figure>> {
        let mut texts = said::all(&outcome.console, "", MARKER);
        if let Some(reason) = texts.find_map(|text| text.strip_prefix("failed: ")) {
            bail!("failed: {reason}");
        }
        outcome.check(LIMIT)?;
        read(&outcome.console, &read_stats(&stats)?)
    };
    let figures =
        result().with_context(|| format!("{} kvm.ko, see {}", kvm.name(), log.display()))?;
    fs::remove_dir_all(&run)?;
    Ok(figures)
}

/// Takes the figures from what was said and from the marks: the first two are of the first
/// work that was said, and so on.
fn read(console: &str, stats: &Value) -> Result<Vec<Figure>> {
    let calls = marks::calls(stats)?;
    let mut marks = calls.iter().filter(|call| call.request == marks::REQUEST);
    let mut figures = Vec::new();
    let mut ended = false;
    for text in said::all(console, "", MARKER) {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (series, work, cost) = match words.as_slice() {
            ["phase", series, work, times] => {
                let (Some(begin), Some(end)) = (marks.next(), marks.next()) else {
                    bail!("no marks for {series}, {work}");
                };
                if (begin.argument, end.argument) != (0, 1) {
                    bail!("the marks of {series}, {work} are not a pair");
                }
                let spent = end
                    .host_instructions
                    .checked_sub(begin.host_instructions)
                    .ok_or_else(|| anyhow!("the marks of {series}, {work} are in disorder"))?;
                (series, *work, spent as f64 / times.parse::<f64>()?)
            }
            ["memory", series, kib] => (series, MEMORY, kib.parse()?),
            ["ended"] => {
                ended = true;
                continue;
            }
            _ => continue,
        };
        if series.contains('=') {
            figures.push(Figure {
                series: (*series).to_owned(),
                work: work.to_owned(),
                cost,
            });
        }
    }
    if !ended || marks.next().is_some() {
        bail!("the host did not come to its end");
    }
    Ok(medians(&figures))
}

/// The figure in the middle.
fn median(mut figures: Vec<&Figure>) -> Option<Figure> {
    figures.sort_by(|a, b| a.cost.total_cmp(&b.cost));
    figures.get(figures.len() / 2).copied().cloned()
}

/// One figure of those in a row that are of the same work.
fn medians(figures: &[Figure]) -> Vec<Figure> {
    let same = |a: &Figure, b: &Figure| (&a.series, &a.work) == (&b.series, &b.work);
    let of = |figures: &[Figure]| median(figures.iter().collect());
    figures.chunk_by(same).filter_map(of).collect()
}

/// One figure of those of all hosts, which have the same in the same order.
fn of_hosts(hosts: &[Vec<Figure>]) -> Vec<Figure> {
    let count = hosts.iter().map(Vec::len).min().unwrap_or(0);
    (0..count)
        .filter_map(|i| median(hosts.iter().filter_map(|figures| figures.get(i)).collect()))
        .collect()
}

/// What one more of an axis costs, between its smallest and its largest size, by work.
fn slopes(figures: &[Figure]) -> Vec<Figure> {
    let mut slopes = Vec::new();
    for axis in AXES {
        let cost = |size: u32, work: &str| {
            let series = format!("{}={size}", axis.name);
            let of = |figure: &&Figure| figure.series == series && figure.work == work;
            figures.iter().find(of).map(|figure| figure.cost)
        };
        let last = axis.sizes.last().copied().unwrap_or(0);
        let series = format!("{}={last}", axis.name);
        for figure in figures.iter().filter(|figure| figure.series == series) {
            let work = &figure.work;
            // Some work there is only for more than one.
            let mut sizes = axis.sizes.iter();
            let first = sizes.find_map(|size| Some((*size, cost(*size, work)?)));
            if let Some((size, first)) = first {
                slopes.push(Figure {
                    series: axis.name.to_owned(),
                    work: work.clone(),
                    cost: (figure.cost - first) / f64::from(last - size),
                });
            }
        }
    }
    slopes
}

/// Prints the slopes of all hosts: the one in the middle, the least and the most.
fn print_slopes(ours: &[Vec<Figure>], upstream: &[Vec<Figure>]) {
    let of = |hosts: &[Vec<Figure>]| -> Vec<Vec<Figure>> {
        hosts.iter().map(|figures| slopes(figures)).collect()
    };
    let (ours, upstream) = (of(ours), of(upstream));
    let range = |hosts: &[Vec<Figure>], i: usize| {
        let costs = hosts.iter().filter_map(|slopes| Some(slopes.get(i)?.cost));
        let (least, most) = (
            costs.clone().fold(f64::INFINITY, f64::min),
            costs.fold(f64::NEG_INFINITY, f64::max),
        );
        format!("{least:.1} to {most:.1}")
    };
    println!(
        "{:<28} {:>14} {:>26} {:>14} {:>26}",
        "each more costs", "ours", "of all hosts", "upstream", "of all hosts"
    );
    for (i, (middle, other)) in of_hosts(&ours).iter().zip(of_hosts(&upstream)).enumerate() {
        println!(
            "{:<28} {:>14.1} {:>26} {:>14.1} {:>26}",
            format!("{},{}", middle.series, middle.work),
            middle.cost,
            range(&ours, i),
            other.cost,
            range(&upstream, i)
        );
    }
    println!();
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn stats(marks: &[(u64, u64)]) -> Value {
        let mark = |(number, at): &(u64, u64)| json!({"instructions": at, "guest": 0, "arguments": [3, marks::REQUEST, number]});
        json!({"calls": marks.iter().map(mark).collect::<Vec<_>>()})
    }

    const CONSOLE: &str = "KVM-LA-GROWTH phase warm-up ipi 1\n\
        KVM-LA-GROWTH phase cpus=4 ipi 2\nKVM-LA-GROWTH memory cpus=4 7\n\
        KVM-LA-GROWTH phase cpus=256 ipi 2\nKVM-LA-GROWTH phase cpus=256 ipi 2\n\
        KVM-LA-GROWTH phase cpus=256 ipi 2\nKVM-LA-GROWTH ended\n";

    #[test]
    fn marks_belong_to_what_was_said() -> Result<()> {
        let once = [(0, 10), (1, 20), (0, 30), (1, 50)];
        let thrice = [
            (0, 100),
            (1, 8100),
            (0, 8200),
            (1, 9228),
            (0, 9300),
            (1, 9310),
        ];
        let marks = [once.as_slice(), &thrice].concat();
        let figures = read(CONSOLE, &stats(&marks))?;
        let costs: Vec<f64> = figures.iter().map(|figure| figure.cost).collect();
        assert_eq!(costs, [10.0, 7.0, 514.0]);
        let slopes = slopes(&figures);
        let [slope] = slopes.as_slice() else {
            bail!("{} slopes", slopes.len());
        };
        assert_eq!(
            (&*slope.series, &*slope.work, slope.cost),
            ("cpus", "ipi", 2.0)
        );
        Ok(())
    }

    #[test]
    fn a_run_without_its_end_is_no_measurement() {
        let marks = [(0, 10), (1, 20), (0, 30), (1, 50)];
        assert!(read(CONSOLE, &stats(&marks)).is_err());
        let unsaid = CONSOLE.replace("KVM-LA-GROWTH ended\n", "");
        let more = [(0, 60), (1, 70), (0, 80), (1, 90), (0, 100), (1, 110)];
        let marks = [marks.as_slice(), &more].concat();
        assert!(read(CONSOLE, &stats(&marks)).is_ok());
        assert!(read(&unsaid, &stats(&marks)).is_err());
    }
}
