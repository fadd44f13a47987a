// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Bench `exits`: host instructions from each kind of guest exit to the next
//! entry, memory of an idle machine and size of kvm.ko, for both modules.
//!
//! A bare guest ([`super::exits_guest`]) leaves guest mode for one reason at a
//! time at known addresses, and the simulator counts by address. A figure is
//! the median of an address's exits: now and then a tick of the host comes in
//! between, and is none of the exit's business. The TLB refills of the same
//! instruction are added: that is where a flush of too much costs.
//!
//! Both modules are measured under QEMU's own backend. Rows `both,*` are our module with
//! our backend beside upstream's with QEMU's, for exits that QEMU takes part in.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;

use super::exits_guest::{Programs, Symbols};
use super::{LIMIT, Row};
use crate::backend;
use crate::boot::read_stats;
use crate::machine::{Machine, Simulator, make_share};
use crate::nested::{BACKEND_SERVES, Stack, copy};
use crate::said::said;
use crate::setup::Products;

const SCRIPT: &str = include_str!("../../../tests/guest/exits-host");

/// What the lines of the host's script and of its guests have in front.
const MARKER: &str = "KVM-LA-EXITS";

/// How many guests the host runs to their end, and how many in a short run.
const GUESTS: usize = 6;
const SHORT_GUESTS: usize = 2;

/// Rows that are measured of both halves too: of the guests of a short run, with QEMU's
/// part in them or the thread's sleep.
const BOTH: &[&str] = &[
    "iocsr-user-read",
    "mmio-user-load",
    "mmio-user-store",
    "device-interrupt-user",
    "idle-wake-timer",
    "idle-wake-ipi",
    "idle-wake-timer-polled",
    "idle-wake-ipi-polled",
    "fpu-first-use",
    "lsx-first-use",
];

/// Exits of one kind.
struct Class {
    /// Name of the row.
    name: &'static str,
    /// The simulator's name for the cause.
    cause: &'static str,
    /// Program of `exits_guest` that has them.
    program: &'static str,
    /// Symbol at the instruction that exits.
    symbol: &'static str,
    /// For fetches: symbol at the end of the memory with these instructions.
    end: Option<&'static str>,
    /// How many there must be at least.
    count: u64,
    /// How many pages are touched, if the figure is what one of them costs: a fault may
    /// map more than one.
    pages: Option<u64>,
}

const fn class(
    name: &'static str,
    cause: &'static str,
    program: &'static str,
    symbol: &'static str,
    count: u64,
) -> Class {
    Class {
        name,
        cause,
        program,
        symbol,
        end: None,
        count,
        pages: None,
    }
}

/// First touches of so many pages of memory.
const fn touches(
    name: &'static str,
    cause: &'static str,
    program: &'static str,
    symbol: &'static str,
    pages: u64,
) -> Class {
    Class {
        pages: Some(pages),
        ..class(name, cause, program, symbol, pages / 64)
    }
}

#[rustfmt::skip]
const CLASSES: &[Class] = &[
    class("cpucfg", "cpucfg", "small", "site_cpucfg", 256),
    class("csr", "csr", "small", "site_csr", 256),
    class("csr-watchpoint-read", "csr", "small", "site_csr_watchpoint_read", 256),
    class("csr-watchpoint-write", "csr", "small", "site_csr_watchpoint_write", 256),
    class("iocsr-kernel-read", "iocsr", "small", "site_iocsr_kernel_read", 256),
    class("iocsr-kernel-write", "iocsr", "small", "site_iocsr_kernel_write", 256),
    class("iocsr-user-read", "iocsr", "small", "site_iocsr_user_read", 256),
    class("mmio-kernel-load", "load-fault", "small", "site_mmio_kernel_load", 256),
    class("mmio-kernel-store", "store-fault", "small", "site_mmio_kernel_store", 256),
    class("mmio-user-load", "load-fault", "small", "site_mmio_user_load", 256),
    class("mmio-user-store", "store-fault", "small", "site_mmio_user_store", 256),
    class("ipi-send-self", "iocsr", "small", "site_ipi_send_self", 256),
    class("ipi-send-other", "iocsr", "small", "site_ipi_send", 250),
    class("ipi-clear", "iocsr", "small", "site_ipi_clear", 256),
    class("eiointc-read", "iocsr", "small", "site_eiointc_read", 256),
    class("eiointc-acknowledge", "iocsr", "small", "site_eiointc_ack", 256),
    class("device-interrupt-user", "store-fault", "small", "site_interrupt_line_user", 256),
    class("hypercall-ipi", "hypercall", "small", "site_hypercall", 256),
    class("idle-wake-timer", "idle", "small", "site_idle_timer", 250),
    class("idle-wake-ipi", "idle", "small", "site_idle_ipi", 200),
    class("idle-wake-timer-polled", "idle", "sleep", "site_idle_timer", 250),
    class("idle-wake-ipi-polled", "idle", "sleep", "site_idle_ipi", 200),
    class("timer-tick", "interrupt", "small", "site_busy", 50),
    touches("fault-small-load", "load-fault", "small", "site_fault_small_load", 1024),
    touches("fault-small-store", "store-fault", "small", "site_fault_small_store", 1024),
    Class {
        end: Some("fetched_end"),
        ..touches("fault-small-fetch", "fetch-fault", "small", "fetched", 64)
    },
    touches("fill-present", "store-fault", "present", "site_fill", 4096),
    touches("fill-anew", "store-fault", "anew", "site_fill", 4096),
    class("fault-huge-load", "load-fault", "huge", "site_fault_huge_load", 6),
    class("fault-huge-store", "store-fault", "huge", "site_fault_huge_store", 6),
    class("fault-dirty-log", "modify-fault", "log", "site_dirty_log", 512),
    class("fault-copy-on-write", "modify-fault", "log", "site_dirty_log_copy", 512),
    class("fpu-first-use", "fpu", "small", "site_fpu", 256),
    class("lsx-first-use", "lsx", "small", "site_lsx", 256),
];

/// What one class cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Cost {
    count: u64,
    /// Median, or what a page costs, and what refills add to it.
    median: f64,
    refills: f64,
    p99: u64,
    /// Means.
    kernel: f64,
    user: f64,
    interrupts: f64,
}

impl Cost {
    fn figure(&self) -> f64 {
        self.median + self.refills
    }
}

/// What one module costs.
struct Measured {
    classes: Vec<Cost>,
    /// KiB of an idle machine with 1 and with 64 vCPUs.
    memory: [f64; 2],
    /// Bytes of the module in memory, and of its file.
    loaded: f64,
    file: f64,
}

/// Runs it.
pub(super) fn bench(products: &Products, simulator: &Simulator) -> Result<Vec<Row>> {
    let programs = Programs::build(products)?;
    let run = |kvm| measure(products, simulator, &programs, kvm);
    let (ours, upstream) = (run(Stack::Rust)?, run(Stack::Upstream)?);
    let both = measure_both(products, simulator, &programs)?;
    print_details(&ours, &upstream);
    let row = |name: &str, unit, ours, upstream| Row::new(name.to_owned(), unit, ours, upstream);
    let mut rows: Vec<Row> = CLASSES
        .iter()
        .zip(ours.classes.iter().zip(&upstream.classes))
        .map(|(class, (ours, upstream))| {
            row(class.name, "instructions", ours.figure(), upstream.figure())
        })
        .collect();
    rows.extend(both.iter().filter_map(|(name, ours)| {
        let place = CLASSES.iter().position(|class| class.name == *name)?;
        let upstream = upstream.classes.get(place)?;
        let name = format!("both,{name}");
        Some(row(&name, "instructions", ours.figure(), upstream.figure()))
    }));
    let [ours_one, ours_many] = ours.memory;
    let [upstream_one, upstream_many] = upstream.memory;
    rows.push(row("memory-1-vcpu", "KiB", ours_one, upstream_one));
    rows.push(row("memory-64-vcpus", "KiB", ours_many, upstream_many));
    rows.push(row("kvm.ko-loaded", "bytes", ours.loaded, upstream.loaded));
    rows.push(row("kvm.ko-file", "bytes", ours.file, upstream.file));
    Ok(rows)
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
        programs,
        kvm,
        |_| Ok("qemu-system-loongarch64"),
        |console, stats| {
            let (memory, loaded) = read(console)?;
            Ok(Measured {
                classes: costs(stats, programs)?,
                memory,
                loaded,
                file,
            })
        },
    )
}

/// The costs of [`BOTH`] with our module and our backend.
fn measure_both(
    products: &Products,
    simulator: &Simulator,
    programs: &Programs,
) -> Result<Vec<(&'static str, Cost)>> {
    eprintln!("bench exits: rust kvm.ko and rust backend");
    host(
        products,
        simulator,
        programs,
        Stack::Rust,
        |share| {
            let backend = backend::make(products)?;
            for file in [backend.library(), backend.launcher()] {
                copy(&file, &share.join(file.file_name().unwrap_or_default()))?;
            }
            fs::write(share.join("short"), "")?;
            Ok("/share/qemu-kvm-la")
        },
        |console, stats| {
            done(console, SHORT_GUESTS)?;
            if !console.contains(BACKEND_SERVES) {
                bail!("QEMU's own backend served");
            }
            let chosen = |class: &&Class| BOTH.contains(&class.name);
            CLASSES
                .iter()
                .filter(chosen)
                .map(|class| Ok((class.name, class_cost(stats, class, programs)?)))
                .collect()
        },
    )
}

/// Runs a host. `prepare` puts what is QEMU's into the shared folder and says which
/// program it is; `read` takes the figures from what was said and from the simulator's.
fn host<T>(
    products: &Products,
    simulator: &Simulator,
    programs: &Programs,
    kvm: Stack,
    prepare: impl FnOnce(&Path) -> Result<&'static str>,
    read: impl FnOnce(&str, &Value) -> Result<T>,
) -> Result<T> {
    let run = products.cache.new_run("bench-exits")?;
    let share = run.join("share");
    make_share(&share, SCRIPT)?;
    copy(&kvm.kvm_ko(products)?, &share.join("kvm.ko"))?;
    fs::write(share.join("qemu"), prepare(&share)?)?;
    for (name, file) in programs.files() {
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

/// The cost of one, of which there are as many as there should be.
fn class_cost(stats: &Value, class: &Class, programs: &Programs) -> Result<Cost> {
    let cost = cost(stats, class, &programs.symbols(class.program)?)?;
    if cost.count < class.count {
        bail!(
            "{}: {} exits instead of {}",
            class.name,
            cost.count,
            class.count
        );
    }
    Ok(cost)
}

fn cost(stats: &Value, class: &Class, symbols: &Symbols) -> Result<Cost> {
    let start = symbols.address(class.symbol)?;
    let end = match class.end {
        Some(end) => symbols.address(end)?,
        None => start + 4,
    };
    let mut sites = sites(stats, class.cause, start, end);
    let count = sites.iter().map(|site| site.count).sum();
    let mean = |part: fn(&Site) -> u64| {
        sites.iter().map(part).sum::<u64>() as f64 / u64::max(count, 1) as f64
    };
    let mut cost = Cost {
        count,
        median: 0.0,
        refills: refills(stats, start, end) / u64::max(count, 1) as f64,
        p99: sites.iter().map(|site| site.p99).max().unwrap_or(0),
        kernel: mean(|site| site.kernel),
        user: mean(|site| site.user),
        interrupts: mean(|site| site.interrupts),
    };
    // One site's median, or the median site's.
    sites.sort_by_key(|site| site.median);
    let mut seen = 0;
    for site in &sites {
        seen += site.count;
        if seen * 2 >= count {
            cost.median = site.median as f64;
            break;
        }
    }
    if let Some(pages) = class.pages {
        let spent: u64 = sites.iter().map(|site| site.kernel + site.user).sum();
        cost.median = spent as f64 / pages as f64;
        cost.refills = refills(stats, start, end) / pages as f64;
    }
    Ok(cost)
}

/// How many exits of one cause there were at an address, and what one cost: the
/// median.
pub(super) fn median_at(stats: &Value, cause: &str, address: u64) -> (u64, f64) {
    sites(stats, cause, address, address + 4)
        .first()
        .map_or((0, 0.0), |site| (site.count, site.median as f64))
}

/// Instructions of the TLB refills between two addresses.
fn refills(stats: &Value, start: u64, end: u64) -> f64 {
    sites(stats, "refill", start, end)
        .iter()
        .map(|site| (site.count * site.median) as f64)
        .sum()
}

/// The simulator's figures for one address.
struct Site {
    count: u64,
    median: u64,
    p99: u64,
    kernel: u64,
    user: u64,
    interrupts: u64,
}

/// Those of one cause between two addresses.
fn sites(stats: &Value, cause: &str, start: u64, end: u64) -> Vec<Site> {
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    stats["sites"][cause]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(pc, _)| {
            pc.strip_prefix("0x")
                .and_then(|pc| u64::from_str_radix(pc, 16).ok())
                .is_some_and(|pc| (start..end).contains(&pc))
        })
        .map(|(_, site)| Site {
            count: number(&site["count"]),
            median: number(&site["host_instructions_p50"]),
            p99: number(&site["host_instructions_p99"]),
            kernel: number(&site["host"]["kernel"]),
            user: number(&site["host"]["user"]),
            interrupts: number(&site["host"]["interrupts"]),
        })
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
    println!("median, 99th percentile; means of kernel, user space and interrupts in between\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn site(count: u64, median: u64) -> Value {
        json!({
            "count": count,
            "host_instructions_p50": median,
            "host_instructions_p99": median,
            "host": {"kernel": count * median, "user": 0, "interrupts": 0},
        })
    }

    #[test]
    fn a_guest_that_did_not_finish_is_no_measurement() {
        let good = "KVM-LA-EXITS loaded 1000\nsmall: KVM-LA-EXITS done\nsleep: KVM-LA-EXITS done\nhuge: KVM-LA-EXITS done\r\nlog: KVM-LA-EXITS done\n\
                    anew: KVM-LA-EXITS done\npresent: KVM-LA-EXITS done\n\
                    KVM-LA-EXITS memory 1 200\nKVM-LA-EXITS memory 1 100\nKVM-LA-EXITS memory 64 900\n";
        assert_eq!(read(good).ok(), Some(([100.0, 900.0], 1000.0)));
        assert_eq!(failure(good), None);
        let failed = good.replace("huge: ", "huge: KVM-LA-EXITS failed: e");
        assert!(failure(&failed).is_some_and(|reason| reason.starts_with('e')));
        assert!(read(&good.replace("memory 64", "x")).is_err());
        assert!(read(&good.replace("small: KVM-LA-EXITS done", "")).is_err());
    }

    #[test]
    fn sites_of_a_range_are_taken_together() {
        let stats = json!({"sites": {
            "fetch-fault": {"0x100": site(1, 50), "0x200": site(1, 70), "0x204": site(1, 60),
                            "0x300": site(1, 9)},
            "refill": {"0x200": site(3, 20), "0x400": site(1, 20)},
        }});
        let found = sites(&stats, "fetch-fault", 0x100, 0x300);
        assert_eq!(found.len(), 3);
        assert_eq!(refills(&stats, 0x100, 0x300), 60.0);
        assert!(sites(&stats, "idle", 0, u64::MAX).is_empty());
    }

    #[test]
    fn a_fault_may_be_of_several_pages() -> Result<()> {
        let stats = json!({"sites": {
            "store-fault": {"0x100": site(4, 700)},
            "refill": {"0x100": site(8, 16)},
        }});
        let symbols = Symbols::parse("0000000000000100 T site_fill\n");
        let figure =
            |class: Class| Ok::<_, anyhow::Error>(cost(&stats, &class, &symbols)?.figure());
        let each = class("x", "store-fault", "x", "site_fill", 4);
        assert_eq!(figure(each)?, 732.0);
        let page = touches("x", "store-fault", "x", "site_fill", 64);
        assert_eq!(figure(page)?, 45.75);
        Ok(())
    }
}
