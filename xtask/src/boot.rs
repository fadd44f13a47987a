// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `boot`: simulator, KVM host, QEMU, a guest to its init and a clean
//! power-off, then a table of what its exits cost.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::{Map, Value, json};

mod figures;

use crate::machine::{Chosen, Machine, Simulator, add_parameters};
use crate::nested::{Guest, GuestReport, HOST_CPUS, Nested, Stack};
use crate::output;
use crate::setup::{self, DISTRIBUTION_PARAMETERS, KernelOption, Pages, Products};
use figures::print_table;
pub(crate) use figures::{instructions, read_stats};

/// How long a boot may take before it counts as hung.
const LIMIT: Duration = Duration::from_secs(30 * 60);

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    kernel: KernelOption,
    /// Page tables of the host's kernel: size of pages and levels
    #[arg(long, value_enum, default_value_t)]
    pages: Pages,
    /// Those of the guest's kernel, if not the host's own
    #[arg(long, value_enum, conflicts_with = "guest_kernel")]
    guest_pages: Option<Pages>,
    /// Whose kvm.ko the host loads
    #[arg(long, value_enum, default_value = "rust")]
    kvm: Stack,
    /// Whose accelerator backend QEMU uses
    #[arg(long, value_enum, default_value = "rust")]
    accel: Stack,
    /// CPUs of the guest; more than 16 with a kernel that has so many
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    smp: u32,
    /// CPUs of the KVM host; as many as the guest's, or 16, if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(HOST_CPUS)))]
    host_smp: Option<u32>,
    /// RAM of the guest, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 512, value_parser = clap::value_parser!(u32).range(128..=65536))]
    memory: u32,
    /// Emulate the interrupt controllers in QEMU instead of the host's kernel
    #[arg(long)]
    no_kernel_irqchip: bool,
    /// The guest's kernel: a file, or `distribution` for Debian's own
    #[arg(long, value_name = "FILE")]
    guest_kernel: Option<PathBuf>,
    /// The guest's initial file system, which must behave like the default one
    #[arg(long, value_name = "FILE")]
    guest_initrd: Option<PathBuf>,
    /// The guest's CPU, for QEMU's -cpu: a model with features, for example max,ptw=off
    #[arg(long, value_name = "MODEL", default_value = "max")]
    guest_cpu: String,
    /// Further kernel parameters of the guest
    #[arg(long, value_name = "WORDS", default_value = "")]
    guest_append: String,
    #[command(flatten)]
    chosen: Chosen,
    /// Readings of open questions about LVZ (`cargo xtask sim -- run --help`)
    #[arg(long, value_name = "NAME=VALUE,...")]
    lvz: Option<String>,
    /// The guest's console on this terminal, with a shell
    #[arg(long)]
    interactive: bool,
    /// Write the results there
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Wait for a debugger at :PORT, HOST:PORT or the path of a socket before anything runs
    #[arg(long, value_name = "ADDRESS")]
    gdb: Option<PathBuf>,
    /// Further options of the simulator (`cargo xtask sim -- run --help`), for example --profile
    /// FILE; traces and profiles have the symbols of both kernels
    #[arg(last = true, value_name = "OPTION")]
    simulator: Vec<OsString>,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    options.check()?;
    let usual = setup::products(options.kernel)?;
    let simulator = Simulator::build(options.chosen.clone())?;
    if let Some(readings) = &options.lvz {
        simulator.check(&["--lvz", readings])?;
    }
    let products = usual.with_pages(options.pages)?;
    let nested = options.nested(options.guest(&usual, &products)?);
    let run = products.cache.new_run("boot")?;
    let stats = run.join("stats.json");
    let mut machine = nested.machine(&products, &run.join("share"))?;
    add_parameters(&mut machine.append, options.pages.host_parameters());
    machine.stats = Some(stats.clone());
    options.prepare(&mut machine, &nested)?;
    if options.interactive {
        let status = machine.run_interactively(&simulator)?;
        if status.success() {
            print_table(&read_stats(&stats)?);
        }
        return Ok(crate::exit_code(status));
    }
    let log = run.join("console.log");
    eprintln!("booting; console in {}", log.display());
    let limit = match options.gdb {
        // It takes as long as its user thinks.
        Some(_) => Duration::MAX,
        None => LIMIT,
    };
    let outcome = machine
        .run(&simulator, &log, limit, |line| println!("{line}"))
        .with_context(|| format!("see {}", log.display()))?;
    let report = GuestReport::read(&outcome.console, 0);
    let verdict = nested.check(&outcome, limit);
    let figures = read_stats(&stats);
    let result = result(options, &report, figures.as_ref().ok());
    if let Some(file) = &options.json {
        output::write(file, &format!("{result:#}\n"))?;
    }
    verdict.with_context(|| format!("boot failed, see {}", log.display()))?;
    let figures = figures?;
    println!();
    print_table(&figures);
    println!("took {:.1} s", outcome.elapsed.as_secs_f64());
    // The files of a run that went well are of no further use.
    fs::remove_dir_all(&run)?;
    Ok(ExitCode::SUCCESS)
}

impl Options {
    /// Refuses what cannot work before anything is brought up.
    fn check(&self) -> Result<()> {
        if let Some(file) = &self.json {
            output::check(file)?;
        }
        let kernel = self.guest_kernel.as_ref();
        let kernel = kernel.filter(|file| !is_distribution(file));
        for file in self.guest_initrd.iter().chain(kernel) {
            if !file.is_file() {
                bail!("{}: no such file", file.display());
            }
        }
        if self.smp > HOST_CPUS && self.guest_kernel.is_none() {
            bail!(
                "the host's kernel, which is the guest's too, has {HOST_CPUS} CPUs at most: \
                 for {} add --guest-kernel distribution",
                self.smp
            );
        }
        Ok(())
    }

    /// The guest; `usual` has the products without a choice of pages, `products` those of
    /// the host.
    fn guest(&self, usual: &Products, products: &Products) -> Result<Guest> {
        let mut guest = Guest {
            initrd: self.guest_initrd.clone(),
            cpu: self.guest_cpu.clone(),
            smp: self.smp,
            memory_mib: self.memory,
            append: self.guest_append.clone(),
            ..Guest::default()
        };
        match &self.guest_kernel {
            Some(file) if is_distribution(file) => {
                guest.kernel = Some(products.distribution_kernel.vmlinuz());
                guest.append = format!("{DISTRIBUTION_PARAMETERS} {}", guest.append);
            }
            other => guest.kernel = other.clone(),
        }
        if let Some(pages) = self.guest_pages {
            guest.kernel = Some(usual.with_pages(pages)?.host_kernel.vmlinux());
        }
        if self.guest_kernel.is_none() {
            let pages = self.guest_pages.unwrap_or(self.pages);
            add_parameters(&mut guest.append, pages.guest_parameters());
        }
        Ok(guest)
    }

    /// The host with this guest.
    fn nested(&self, guest: Guest) -> Nested {
        Nested {
            kvm: self.kvm,
            accel: self.accel,
            host_smp: self.host_smp.unwrap_or(self.smp.min(HOST_CPUS)),
            kernel_irqchip: !self.no_kernel_irqchip,
            guests: vec![guest],
            interactive: self.interactive,
            // What is open on the workstation cannot be gone back to.
            copy_share: self.gdb.is_some(),
        }
    }

    /// Gives `nested`'s machine the simulator's options, with the symbols of both kernels.
    fn prepare(&self, machine: &mut Machine, nested: &Nested) -> Result<()> {
        machine.lvz = self.lvz.clone();
        machine.gdb = self.gdb.clone();
        let guest_kernel = nested
            .guests
            .first()
            .and_then(|guest| guest.kernel.as_ref());
        let guest_kernel = guest_kernel.unwrap_or(&machine.kernel).clone();
        machine.options = symbols_of("host", &machine.kernel)?;
        machine.options.extend(symbols_of("guest", &guest_kernel)?);
        machine.options.extend(self.simulator.iter().cloned());
        if self.gdb.is_some() {
            machine.options.push("--gdb-wait".into());
            eprintln!(
                "symbols: file {}; add-symbol-file {} -o 0xd02000000000000 for the guest's (docs/debugging.md)",
                machine.kernel.display(),
                guest_kernel.display()
            );
        }
        Ok(())
    }
}

/// The simulator's option that names addresses of `mode` by the symbols of `kernel`, if it is an
/// ELF file.
pub(crate) fn symbols_of(mode: &str, kernel: &Path) -> Result<Vec<OsString>> {
    let mut magic = [0; 4];
    let fail = || format!("cannot read {}", kernel.display());
    let read = File::open(kernel).with_context(fail)?.read(&mut magic);
    if read.with_context(fail)? < magic.len() || magic != *b"\x7fELF" {
        return Ok(Vec::new());
    }
    let mut file = OsString::from(format!("{mode}:"));
    file.push(kernel);
    Ok(vec!["--symbols".into(), file])
}

fn is_distribution(file: &Path) -> bool {
    file == Path::new("distribution")
}

/// The JSON that `--json` writes; docs/commands.md describes it.
fn result(options: &Options, report: &GuestReport, figures: Option<&Value>) -> Value {
    let none = Value::Null;
    let figures = figures.unwrap_or(&none);
    let (host, guest) = instructions(figures).unzip();
    let mut exits = Map::new();
    for (name, exit) in figures["exits"].as_object().into_iter().flatten() {
        exits.insert(
            name.clone(),
            json!({
                "count": exit["count"],
                "host_instructions_mean": exit["host_instructions_mean"],
                "host_instructions_p99": exit["host_instructions_p99"],
            }),
        );
    }
    json!({
        "kvm": options.kvm.name(),
        "accel": options.accel.name(),
        "smp": options.smp,
        "guest": {
            "reached_init": report.reached_init,
            "powered_off": report.powered_off,
            "kernel": report.kernel,
        },
        "instructions": {
            "host": host,
            "guest": guest,
        },
        "exits": exits,
    })
}
