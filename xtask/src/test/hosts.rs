// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Suite `hosts`: two KVM hosts, a simulator each, in one Ethernet and in lock-step.
//! The near one runs the cases (tests/hosts), the far one does what it is asked for.
//! docs/hosts.md says what each case shows.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};

use super::libvirt::PREPARE;
use super::report::{Report, Verdict, detail};
use super::{Context, in_machine};
use crate::backend;
use crate::machine::{Machine, Outcome, make_share};
use crate::nested::{Stack, copy};
use crate::said;
use crate::setup::{CannotBeHad, DISTRIBUTION_PARAMETERS, Products};

/// The script that each host's init runs.
const SCRIPT: &str = include_str!("../../../tests/hosts/run");

/// Both sides of the cases, and what they have from the suites `machine` and `libvirt`.
const FILES: &[(&str, &str)] = &[
    ("near.py", include_str!("../../../tests/hosts/near.py")),
    ("far.py", include_str!("../../../tests/hosts/far.py")),
    ("remote.py", include_str!("../../../tests/hosts/remote.py")),
    ("cases.py", include_str!("../../../tests/hosts/cases.py")),
    (
        "managed.py",
        include_str!("../../../tests/hosts/managed.py"),
    ),
    (
        "certificates.py",
        include_str!("../../../tests/hosts/certificates.py"),
    ),
    ("virsh.py", include_str!("../../../tests/libvirt/virsh.py")),
    (
        "domain.py",
        include_str!("../../../tests/libvirt/domain.py"),
    ),
    ("shell.py", include_str!("../../../tests/machine/shell.py")),
    ("verdict.py", in_machine::VERDICT),
    ("case.py", include_str!("../../../tests/machine/case.py")),
    ("qemu.py", include_str!("../../../tests/machine/qemu.py")),
    (
        "steady.py",
        include_str!("../../../tests/machine/steady.py"),
    ),
    ("state.py", include_str!("../../../tests/machine/state.py")),
    (
        "migration.py",
        include_str!("../../../tests/machine/migration.py"),
    ),
];

/// The far host's line before it powers off on purpose.
const LEAVING: &str = "KVM-LA-HOST leaves";

/// How long two hosts may take; a guest that moves forty times takes most of an hour.
const LIMIT: Duration = Duration::from_secs(3 * 60 * 60);

/// RAM of a host, in MiB.
const MEMORY_MIB: u32 = 1536;

/// MTU of the Ethernet: the fewer frames, the fewer instructions for as much memory.
const MTU: u32 = 65_535;

/// A host's kernel, and which module and which backend run guests on it.
#[derive(Clone, Copy)]
enum Host {
    /// The KVM host kernel that has a network, with either kvm.ko.
    Ours(Stack, Stack),
    /// The same of another kernel series.
    OtherSeries(Stack, Stack),
    /// The distribution's kernel, whose KVM is built in, with either backend.
    Distribution(Stack),
}

impl Host {
    fn name(self) -> String {
        match self {
            Self::Ours(kvm, accel) => format!("{}/{}", kvm.name(), accel.name()),
            Self::OtherSeries(kvm, accel) => {
                format!("other-series/{}/{}", kvm.name(), accel.name())
            }
            Self::Distribution(accel) => format!("distribution/{}", accel.name()),
        }
    }

    fn accel(self) -> Stack {
        match self {
            Self::Ours(_, accel) | Self::OtherSeries(_, accel) | Self::Distribution(accel) => accel,
        }
    }

    /// The module that it loads.
    fn kvm(self) -> Option<Stack> {
        match self {
            Self::Ours(kvm, _) | Self::OtherSeries(kvm, _) => Some(kvm),
            Self::Distribution(_) => None,
        }
    }

    /// What it is made of.
    fn products(self, context: &Context) -> Result<Products> {
        match self {
            Self::Ours(..) => context.products.with_clients(),
            Self::OtherSeries(..) => context.products.with_other_series()?.with_clients(),
            Self::Distribution(_) => Ok(context.products.clone()),
        }
    }

    /// The machine, without what the suite adds.
    fn machine(self, products: &Products) -> Machine {
        match self {
            Self::Ours(..) | Self::OtherSeries(..) => Machine {
                kernel: products.host_kernel.vmlinux(),
                initrd: Some(products.initramfs.host()),
                ..Machine::default()
            },
            Self::Distribution(_) => Machine {
                kernel: products.distribution_kernel.vmlinuz(),
                initrd: Some(products.initramfs.host_with_modules()),
                append: DISTRIBUTION_PARAMETERS.to_owned(),
                ..Machine::default()
            },
        }
    }
}

const OURS: Host = Host::Ours(Stack::Rust, Stack::Rust);
const UPSTREAM: Host = Host::Ours(Stack::Upstream, Stack::Upstream);
const OTHER_SERIES: Host = Host::OtherSeries(Stack::Rust, Stack::Rust);
const DISTRIBUTION: Host = Host::Distribution(Stack::Upstream);
const DISTRIBUTION_OURS: Host = Host::Distribution(Stack::Rust);

/// Two hosts, and what is done with them: names of cases in tests/hosts/cases.py and
/// managed.py.
struct Pair {
    near: Host,
    far: Host,
    cases: &'static [&'static str],
}

/// Cases of hosts that both come to their end.
const MOVES: &[&str] = &["ping", "live", "live-smp=2", "destination-dies"];

/// Cases in which libvirt moves guests over TLS.
const MANAGED: &[&str] = &[
    "libvirt-shared",
    "libvirt-shared-smp=2",
    "libvirt-copied",
    "libvirt-stranger",
];

/// After this one there is one host.
const LEAVES: &[&str] = &["host-dies"];

const fn pair(near: Host, far: Host, cases: &'static [&'static str]) -> Pair {
    Pair { near, far, cases }
}

const PAIRS: &[Pair] = &[
    pair(OURS, OURS, MOVES),
    pair(OURS, UPSTREAM, MOVES),
    pair(UPSTREAM, OURS, MOVES),
    pair(UPSTREAM, UPSTREAM, MOVES),
    pair(OURS, DISTRIBUTION, MOVES),
    pair(DISTRIBUTION_OURS, DISTRIBUTION, MOVES),
    pair(OURS, OTHER_SERIES, MOVES),
    pair(OURS, OURS, MANAGED),
    pair(OURS, UPSTREAM, MANAGED),
    pair(UPSTREAM, OURS, MANAGED),
    pair(UPSTREAM, UPSTREAM, MANAGED),
    pair(OURS, OTHER_SERIES, MANAGED),
    pair(OURS, OURS, LEAVES),
    pair(UPSTREAM, UPSTREAM, LEAVES),
    pair(DISTRIBUTION_OURS, DISTRIBUTION, LEAVES),
];

impl Pair {
    /// What the cases' names begin with.
    fn name(&self) -> String {
        format!("near={},far={}", self.near.name(), self.far.name())
    }

    /// The cases that a report is about.
    fn wanted(&self, report: &Report) -> Vec<&'static str> {
        let pair = self.name();
        let cases = self.cases.iter().copied();
        cases
            .filter(|case| report.wants(&format!("{pair},{case}")))
            .collect()
    }
}

pub(super) fn run(context: &Context, report: &mut Report) -> Result<()> {
    let run = context.products.cache.new_run("hosts")?;
    let failures = report.failures();
    report.case("repeats", || repeats(context, &run));
    for (number, pair) in PAIRS.iter().enumerate() {
        let cases = pair.wanted(report);
        if !cases.is_empty() {
            run_pair(context, report, pair, &cases, &run.join(number.to_string()))?;
        }
    }
    if report.failures() == failures {
        fs::remove_dir_all(&run)?;
    }
    Ok(())
}

/// Runs cases on a pair of hosts.
fn run_pair(
    context: &Context,
    report: &mut Report,
    pair: &Pair,
    cases: &[&str],
    dir: &Path,
) -> Result<()> {
    let [near, far] = match machines(context, pair, cases, dir) {
        Err(error) if error.is::<CannotBeHad>() => {
            let reason = format!("{error:#}");
            report.case(&pair.name(), || Ok(Verdict::Skipped(reason)));
            return Ok(());
        }
        machines => machines?,
    };
    let [near_log, far_log] = ["near.log", "far.log"].map(|name| dir.join(name));
    let name = pair.name();
    let (outcome, cases) = std::thread::scope(|scope| {
        let far = scope.spawn(|| far.run(&context.simulator, &far_log, LIMIT, |_| {}));
        let cases = in_machine::run(context, report, &near, &near_log, LIMIT, &name);
        (far.join(), cases)
    });
    cases?;
    let outcome = outcome.map_err(|_| anyhow!("the thread that runs a machine died"))??;
    if let Err(error) = check_far(&outcome) {
        report.failed_outside(&error.context(format!("far host of {name}")));
        detail(format_args!("see {}", far_log.display()));
    }
    Ok(())
}

/// A far host ends as the near one does, or leaves.
fn check_far(outcome: &Outcome) -> Result<()> {
    if outcome.console.contains(LEAVING) && outcome.status.success() {
        return Ok(());
    }
    let mut said = said::all(&outcome.console, "", in_machine::MARKER);
    if let Some(reason) = said.find_map(|text| text.strip_prefix("failed: ")) {
        bail!("{reason}");
    }
    outcome.check(LIMIT)
}

/// The two machines of a pair, near one first.
fn machines(context: &Context, pair: &Pair, cases: &[&str], dir: &Path) -> Result<[Machine; 2]> {
    let rounds = context.rounds;
    let accel = |host: Host| host.accel().name();
    let near_arguments = format!(
        "{} {} {} {rounds} {}",
        pair.name(),
        accel(pair.near),
        accel(pair.far),
        cases.join(" ")
    );
    let socket = dir.join("ethernet");
    // A guest has the same kernel wherever it is.
    let guest = pair.near.products(context)?.host_kernel.vmlinux();
    let machine = |host: Host, part: &str, role: &str, arguments: &str| -> Result<Machine> {
        let share = dir.join(part);
        let products = host.products(context)?;
        fill(&products, host, &share, &format!("{part} {arguments}"))?;
        copy(&guest, &share.join("guest.kernel"))?;
        let socket = socket.display();
        Ok(Machine {
            net: Some(format!("stream,{role}={socket},mtu={MTU},lockstep")),
            smp: 2,
            memory_mib: MEMORY_MIB,
            drives: vec![products.userland_drive()],
            share: Some(share),
            ..host.machine(&products)
        })
    };
    Ok([
        machine(pair.near, "near", "listen", &near_arguments)?,
        machine(pair.far, "far", "connect", accel(pair.far))?,
    ])
}

/// What a host finds in its shared folder.
fn fill(products: &Products, host: Host, share: &Path, arguments: &str) -> Result<()> {
    make_share(share, SCRIPT)?;
    let prepare = share.join("prepare");
    fs::write(&prepare, PREPARE).with_context(|| format!("cannot write {}", prepare.display()))?;
    let tests = share.join("hosts");
    fs::create_dir_all(&tests).with_context(|| format!("cannot create {}", tests.display()))?;
    let texts = FILES.iter().map(|(name, text)| (tests.join(name), *text));
    for (path, text) in texts.chain([(share.join("arguments"), arguments)]) {
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(kvm) = host.kvm() {
        copy(&kvm.kvm_ko(products)?, &share.join("kvm.ko"))?;
    }
    let backend = backend::make(products)?;
    for file in [backend.library(), backend.launcher()] {
        copy(&file, &share.join(file.file_name().unwrap_or_default()))?;
    }
    copy(&products.initramfs.guest(), &share.join("guest.initrd"))
}

/// Two hosts that talk to each other, twice: both end in the same states.
fn repeats(context: &Context, run: &Path) -> Result<Verdict> {
    let dir = run.join("repeats");
    let pair = pair(DISTRIBUTION, DISTRIBUTION, &["ping"]);
    let machines = machines(context, &pair, pair.cases, &dir)?.map(|machine| Machine {
        hash: true,
        ..machine
    });
    for part in ["near", "far"] {
        settle(&dir.join(part))?;
    }
    let mut ends = Vec::new();
    for round in ["first", "second"] {
        let outcomes = std::thread::scope(|scope| {
            let threads: Vec<_> = machines
                .iter()
                .zip(["near", "far"])
                .map(|(machine, part)| {
                    let log = dir.join(format!("{round}-{part}.log"));
                    scope.spawn(move || machine.run(&context.simulator, &log, LIMIT, |_| {}))
                })
                .collect();
            let outcomes = threads.into_iter().map(|thread| thread.join());
            outcomes.collect::<Vec<_>>()
        });
        let mut states = Vec::new();
        for outcome in outcomes {
            let outcome = outcome.map_err(|_| anyhow!("the thread that runs a machine died"))??;
            outcome
                .check(LIMIT)
                .with_context(|| format!("see {}", dir.display()))?;
            let state = outcome.line_with(" instructions, state ");
            states.push(state.ok_or_else(|| anyhow!("no state is said"))?.to_owned());
        }
        ends.push(states);
    }
    let [first, second] = ends.as_slice() else {
        bail!("{} rounds instead of two", ends.len());
    };
    if first != second {
        bail!("{first:?}, then {second:?}, see {}", dir.display());
    }
    Ok(Verdict::Passed)
}

/// Reads all files of a share once: the machine's own first reading would change the
/// time of access, which the second run would see.
fn settle(share: &Path) -> Result<()> {
    for dir in [share.to_owned(), share.join("hosts")] {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.is_file() {
                fs::read(path)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_picks_pairs_and_cases() {
        let chosen = |only: &str| {
            let report = Report::new(Some(only.to_owned()));
            PAIRS
                .iter()
                .map(|pair| pair.wanted(&report).len())
                .sum::<usize>()
        };
        assert_eq!(chosen("near=rust/rust,far=rust/rust"), 9);
        assert_eq!(chosen("host-dies"), 3);
        assert_eq!(chosen("libvirt-stranger"), 5);
        assert_eq!(chosen("repeats"), 0);
    }
}
