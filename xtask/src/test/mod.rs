// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `test`: the suites, one table.

mod backend;
mod checks;
mod conformance;
mod counted;
mod coverage;
mod determinism;
mod dist;
mod firmware;
mod first_guest;
mod gdb;
mod host;
mod hosts;
mod in_machine;
mod kernel_patches;
mod libvirt;
mod licences;
mod links;
mod linux;
mod machine;
mod module;
mod nested;
mod oldest_rust;
mod packages;
mod pages;
mod programs;
mod qtest;
mod report;
mod run_lines;
mod sanitizers;
mod scripts;
mod selftests;
mod series;
mod spdx;
mod twins;
mod user_network;

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Result, anyhow, bail};
use clap::Args;

use crate::machine::{Chosen, Simulator};
use crate::nested::Stack;
use crate::setup::{self, KernelOption, Products};
use report::Report;

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    kernel: KernelOption,
    /// Suites to run; if none is named, what CI runs of those that `--list` does not mark
    #[arg(value_name = "SUITE")]
    suites: Vec<String>,
    /// Run every case: of the suites that are named, or of every suite
    #[arg(long)]
    all: bool,
    /// List the suites and stop
    #[arg(long)]
    list: bool,
    /// Only cases whose name contains this; of several texts with commas between, all of them
    #[arg(long, value_name = "TEXT", value_parser = report::texts)]
    only: Option<String>,
    /// Whose kvm.ko the KVM hosts load
    #[arg(long, value_enum, default_value = "rust")]
    kvm: Stack,
    /// Whose accelerator backend QEMU uses
    #[arg(long, value_enum, default_value = "rust")]
    accel: Stack,
    #[command(flatten)]
    chosen: Chosen,
    /// Run the suite `linux` in qemu-system-loongarch64 instead: tells a mistake
    /// of the tests from one of the simulator
    #[arg(long, conflicts_with_all = ["cpu", "engine"])]
    tcg: bool,
    /// How often guests of the suite `hosts` go to the other host and back
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How many suites run at the same time; as many as the computer has CPUs, at most 4,
    /// if not given
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Run the suites `module` and `selftests` on a kernel that checks locks, memory and objects
    #[arg(long, conflicts_with = "all")]
    debug_kernel: bool,
}

/// When a suite or a case runs without being asked for by name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tier {
    Ci,
    /// With `--all`, or when its suite is named.
    Full,
}

impl Tier {
    /// Whether a run of this tier has cases of another.
    fn has(self, other: Self) -> bool {
        other == Self::Ci || self == Self::Full
    }
}

struct Suite {
    name: &'static str,
    /// The first tier that has cases of it.
    tier: Tier,
    shows: &'static str,
    run: fn(&Context, &mut Report) -> Result<()>,
}

/// Every suite; the order is that of a run.
const SUITES: &[Suite] = &[
    Suite {
        name: "host",
        tier: Tier::Ci,
        shows: "unit and integration tests of the workspace, and that the module calls what they test",
        run: host::run,
    },
    Suite {
        name: "coverage",
        tier: Tier::Full,
        shows: "the tests of kvm-core execute at least 90% of its lines",
        run: coverage::run,
    },
    Suite {
        name: "isa",
        tier: Tier::Ci,
        shows: "every instruction agrees with qemu-loongarch64",
        run: programs::isa,
    },
    Suite {
        name: "system",
        tier: Tier::Ci,
        shows: "CSRs, TLB, exceptions, interrupts, SMP and LVZ by bare-metal programs",
        run: programs::system,
    },
    Suite {
        name: "conformance",
        tier: Tier::Ci,
        shows: "the image set and its runner, on lvz-sim, on QEMU, from EFI, and on machines that fail",
        run: conformance::run,
    },
    Suite {
        name: "linux",
        tier: Tier::Ci,
        shows: "Linux boots to a Debian userland, runs a checked workload, powers off",
        run: linux::run,
    },
    Suite {
        name: "module",
        tier: Tier::Ci,
        shows: "kvm.ko loads, runs virtual machines and unloads, and leaves nothing behind",
        run: module::run,
    },
    Suite {
        name: "selftests",
        tier: Tier::Ci,
        shows: "KVM by its own interface: Linux's selftests, and programs of ours",
        run: selftests::run,
    },
    Suite {
        name: "backend",
        tier: Tier::Ci,
        shows: "the Rust backend goes into the distribution's QEMU, and only where it belongs",
        run: backend::run,
    },
    Suite {
        name: "qtest",
        tier: Tier::Ci,
        shows: "memory, devices, lines and CPUs are the same to the guest and to QEMU",
        run: qtest::run,
    },
    Suite {
        name: "sanitizers",
        tier: Tier::Ci,
        shows: "the backend's tests under AddressSanitizer and ThreadSanitizer",
        run: sanitizers::run,
    },
    Suite {
        name: "nested",
        tier: Tier::Ci,
        shows: "KVM hosts run guests that pass their checks and power off",
        run: nested::run,
    },
    Suite {
        name: "pages",
        tier: Tier::Full,
        shows: "KVM hosts with pages of 4, 16 and 64 KiB run guests with each",
        run: pages::run,
    },
    Suite {
        name: "kernel-patches",
        tier: Tier::Ci,
        shows: "the module inside the kernel's tree, built in and as a module",
        run: kernel_patches::run,
    },
    Suite {
        name: "series",
        tier: Tier::Ci,
        shows: "another kernel series builds, boots a guest and passes the quick selftests",
        run: series::run,
    },
    Suite {
        name: "machine",
        tier: Tier::Ci,
        shows: "a guest stopped, saved, moved and looked at through QEMU's monitor goes on unharmed",
        run: machine::run,
    },
    Suite {
        name: "hosts",
        tier: Tier::Full,
        shows: "two hosts in one Ethernet, and guests that move between them",
        run: hosts::run,
    },
    Suite {
        name: "libvirt",
        tier: Tier::Full,
        shows: "libvirt manages our stack's machines as it does the upstream stack's",
        run: libvirt::libvirt,
    },
    Suite {
        name: "clients",
        tier: Tier::Full,
        shows: "perf, trace-cmd, virtiofsd and debuggers find what they know of KVM",
        run: libvirt::clients,
    },
    Suite {
        name: "dist",
        tier: Tier::Full,
        shows: "packages are installed, used, upgraded and removed, and leave nothing behind",
        run: dist::run,
    },
    Suite {
        name: "gdb",
        tier: Tier::Ci,
        shows: "GDB and LLDB stop lvz-sim's machine anywhere, and take it back; traces and profiles",
        run: gdb::run,
    },
    Suite {
        name: "firmware",
        tier: Tier::Full,
        shows: "UEFI firmware boots the distribution's disk to its login, with variables and ACPI",
        run: firmware::run,
    },
    Suite {
        name: "determinism",
        tier: Tier::Ci,
        shows: "the same run twice, and from a snapshot, ends in the same state",
        run: determinism::run,
    },
];

/// What suites work with.
struct Context {
    products: Products,
    simulator: Simulator,
    kvm: Stack,
    accel: Stack,
    /// Cases of this tier and below run.
    tier: Tier,
    /// The suites run with every case, however long it takes.
    everything: bool,
    /// How often guests of the suite `hosts` go to the other host and back.
    rounds: u32,
    /// The suites `module` and `selftests` run on the debug kernel.
    debug_kernel: bool,
}

impl Context {
    /// Whether cases of a tier are part of this run.
    fn runs(&self, tier: Tier) -> bool {
        self.tier.has(tier)
    }
}

impl Suite {
    /// What `--list` says of it.
    fn line(&self) -> String {
        let when = match self.tier {
            Tier::Ci => "",
            Tier::Full => " (only when named, or with --all)",
        };
        format!("{:<14} {}{when}", self.name, self.shows)
    }
}

/// The suites of a run, by the names that it was given, and the tier of their cases.
fn choose(names: &[String], all: bool) -> Result<(Vec<&'static Suite>, Tier)> {
    // A suite that is named runs whole; CI's share of those that have one otherwise.
    let tier = if names.is_empty() && !all {
        Tier::Ci
    } else {
        Tier::Full
    };
    if names.is_empty() {
        let suites = SUITES.iter().filter(|suite| tier.has(suite.tier));
        return Ok((suites.collect(), tier));
    }
    let known = |name: &String| {
        SUITES
            .iter()
            .find(|suite| suite.name == name)
            .ok_or_else(|| {
                let known: Vec<&str> = SUITES.iter().map(|suite| suite.name).collect();
                anyhow!("no suite {name}: there are {}", known.join(", "))
            })
    };
    let suites = names.iter().map(known).collect::<Result<_>>()?;
    Ok((suites, tier))
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if options.list {
        for suite in SUITES {
            println!("{}", suite.line());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let (chosen, tier) = choose(&options.suites, options.all)?;
    let has_debug_kernel = |suite: &&Suite| matches!(suite.name, "module" | "selftests");
    if options.debug_kernel && !chosen.iter().all(has_debug_kernel) {
        bail!(
            "--debug-kernel is for the suites module and selftests: \
             cargo xtask test module --debug-kernel"
        );
    }
    let products = setup::products(options.kernel)?;
    let simulator = if options.tcg {
        if chosen.iter().any(|suite| suite.name != "linux") {
            bail!("--tcg is for the suite linux alone: cargo xtask test linux --tcg");
        }
        Simulator::Tcg(products.tools.clone())
    } else {
        Simulator::build(options.chosen.clone())?
    };
    let context = Context {
        products,
        simulator,
        kvm: options.kvm,
        accel: options.accel,
        tier,
        everything: options.all,
        rounds: options.rounds,
        debug_kernel: options.debug_kernel,
    };
    let jobs = options.jobs.map_or_else(default_jobs, NonZeroUsize::get);
    let empty = || Report::new(options.only.clone());
    Ok(run_suites(&context, &chosen, jobs, empty).finish())
}

/// Most simulators take one CPU, and some GiB of memory.
fn default_jobs() -> usize {
    thread::available_parallelism()
        .map_or(1, NonZeroUsize::get)
        .min(4)
}

/// Runs suites, several at the same time; they begin in their order.
fn run_suites(
    context: &Context,
    suites: &[&Suite],
    jobs: usize,
    empty: impl Fn() -> Report + Sync,
) -> Report {
    let waiting = Mutex::new(suites.iter());
    let work = || {
        let mut report = empty();
        loop {
            let next = waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .next();
            let Some(suite) = next else {
                return report;
            };
            report.begin(suite.name);
            if let Err(error) = (suite.run)(context, &mut report) {
                report.failed_outside(&error);
            }
        }
    };
    let mut whole = empty();
    thread::scope(|scope| {
        let jobs = jobs.min(suites.len());
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            match worker.join() {
                Ok(report) => whole.add(report),
                Err(_) => whole.failed_outside(&anyhow!("a thread that runs suites died")),
            }
        }
    });
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(words: &[&str], all: bool) -> Result<(Vec<&'static str>, bool)> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let (suites, tier) = choose(&words, all)?;
        let names = suites.iter().map(|suite| suite.name).collect();
        Ok((names, tier == Tier::Full))
    }

    #[test]
    fn a_run_without_names_is_that_of_ci() {
        let (suites, whole) = names(&[], false).unwrap();
        assert!(!whole);
        assert!(suites.contains(&"host") && suites.contains(&"nested"));
        for named_only in ["coverage", "pages", "hosts", "libvirt", "dist", "firmware"] {
            assert!(!suites.contains(&named_only), "{named_only}");
        }
    }

    #[test]
    fn all_are_every_suite_whole() {
        let (suites, whole) = names(&[], true).unwrap();
        assert!(whole);
        assert_eq!(suites.len(), SUITES.len());
    }

    #[test]
    fn a_suite_that_is_named_runs_whole_in_any_tier() {
        let (suites, whole) = names(&["firmware", "host"], false).unwrap();
        assert!(whole);
        assert_eq!(suites, ["firmware", "host"]);
    }

    #[test]
    fn an_unknown_suite_is_answered_with_those_that_exist() {
        let error = names(&["host", "firmwares"], false)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("no suite firmwares: there are host, "),
            "{error}"
        );
    }

    #[test]
    fn the_list_says_which_suites_run_only_when_named() {
        let marked = |suite: &&Suite| suite.line().ends_with(" (only when named, or with --all)");
        let (ci, _) = names(&[], false).unwrap();
        for suite in SUITES {
            assert_eq!(marked(&suite), !ci.contains(&suite.name), "{}", suite.name);
        }
    }
}
