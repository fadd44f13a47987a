// SPDX-License-Identifier: GPL-2.0-or-later
//! Suite `hosts`: two KVM hosts, a simulator each, in one Ethernet and in lock-step.
//! The near one runs the cases (tests/hosts), the far one does what it is asked for.
//! docs/machine-tests.md says what each case shows.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};

use super::report::{Report, Verdict};
use super::{Context, Tier, in_machine};
use crate::backend;
use crate::machine::{Machine, Outcome, make_share};
use crate::nested::{Stack, copy};
use crate::setup::{DISTRIBUTION_PARAMETERS, Products};

/// The script that each host's init runs.
const SCRIPT: &str = include_str!("../../../tests/hosts/run");

/// Both sides of the cases, and what they have from the suite `machine`.
const FILES: &[(&str, &str)] = &[
    ("near.py", include_str!("../../../tests/hosts/near.py")),
    ("far.py", include_str!("../../../tests/hosts/far.py")),
    ("remote.py", include_str!("../../../tests/hosts/remote.py")),
    ("cases.py", include_str!("../../../tests/hosts/cases.py")),
    ("verdict.py", in_machine::VERDICT),
    ("case.py", include_str!("../../guest/machine/case.py")),
    ("qemu.py", include_str!("../../guest/machine/qemu.py")),
    ("steady.py", include_str!("../../guest/machine/steady.py")),
    ("state.py", include_str!("../../guest/machine/state.py")),
    (
        "migration.py",
        include_str!("../../guest/machine/migration.py"),
    ),
];

/// What the far host says when it goes away on purpose.
const LEAVES: &str = "KVM-LA-HOST leaves";

/// How long two hosts may take.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// RAM of a host, in MiB.
const MEMORY_MIB: u32 = 1024;

/// MTU of the Ethernet: the fewer frames, the fewer instructions for as much memory.
const MTU: u32 = 65_535;

/// A host's kernel, and who made what runs guests on it.
#[derive(Clone, Copy)]
enum Host {
    /// The KVM host kernel that has a network, with either kvm.ko.
    Ours(Stack, Stack),
    /// The distribution's kernel, whose KVM is built in, with either backend.
    Distribution(Stack),
}

impl Host {
    fn name(self) -> String {
        match self {
            Self::Ours(kvm, accel) => format!("{}/{}", kvm.name(), accel.name()),
            Self::Distribution(accel) => format!("distribution/{}", accel.name()),
        }
    }

    fn accel(self) -> Stack {
        match self {
            Self::Ours(_, accel) | Self::Distribution(accel) => accel,
        }
    }

    /// The machine, without what the suite adds.
    fn machine(self, products: &Products) -> Machine {
        match self {
            Self::Ours(..) => Machine {
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
const DISTRIBUTION: Host = Host::Distribution(Stack::Upstream);
const DISTRIBUTION_OURS: Host = Host::Distribution(Stack::Rust);

/// Near host, far host, which cases.
const PAIRS: &[(Host, Host, &str)] = &[
    (OURS, OURS, "moves"),
    (OURS, UPSTREAM, "moves"),
    (UPSTREAM, OURS, "moves"),
    (UPSTREAM, UPSTREAM, "moves"),
    (OURS, DISTRIBUTION, "moves"),
    (DISTRIBUTION_OURS, DISTRIBUTION, "moves"),
    (OURS, OURS, "leaves"),
    (UPSTREAM, UPSTREAM, "leaves"),
    (DISTRIBUTION_OURS, DISTRIBUTION, "leaves"),
];

/// Runs the suite.
pub(super) fn run(context: &Context, report: &mut Report) -> Result<()> {
    if !context.runs(Tier::Full) {
        return Ok(());
    }
    let run = context.products.cache.new_run("hosts")?;
    let failures = report.failures();
    report.case("repeats", || repeats(context, &run));
    for (number, pair) in PAIRS.iter().enumerate() {
        let title = title(*pair);
        if report
            .only()
            .is_some_and(|only| names_another(only, &title))
        {
            continue;
        }
        let own = [pair.0, pair.1]
            .iter()
            .any(|host| matches!(host, Host::Ours(..)));
        let clients = own.then(|| context.products.with_clients()).transpose()?;
        let products = clients.as_ref().unwrap_or(&context.products);
        let dir = run.join(number.to_string());
        let [near, far] = machines(context, products, report.only(), *pair, &dir)?;
        let log = dir.join("far.log");
        let (outcome, cases) = std::thread::scope(|scope| {
            let far = scope.spawn(|| far.run(&context.simulator, &log, LIMIT, |_| {}));
            let near_log = dir.join("near.log");
            let cases = in_machine::run(context, report, &near, &near_log, LIMIT, &title);
            (far.join(), cases)
        });
        cases?;
        let outcome = outcome.map_err(|_| anyhow!("the thread that runs a machine died"))??;
        if let Err(error) = check_far(&outcome) {
            report.failed_outside(&error.context(format!("far host of {title}")));
            println!("    see {}", log.display());
        }
    }
    if report.failures() == failures {
        fs::remove_dir_all(&run)?;
    }
    Ok(())
}

fn title((near, far, _): (Host, Host, &str)) -> String {
    format!("near={},far={}", near.name(), far.name())
}

/// Whether a filter has a `near=` or `far=` that this pair is not.
fn names_another(only: &str, title: &str) -> bool {
    only.split(',')
        .filter(|part| part.starts_with("near=") || part.starts_with("far="))
        .any(|part| !title.split(',').any(|own| own == part))
}

/// A far host ends as the near one does, or leaves.
fn check_far(outcome: &Outcome) -> Result<()> {
    if outcome.console.contains(LEAVES) && outcome.status.success() {
        return Ok(());
    }
    if let Some(reason) = outcome.line_with("KVM-LA-CASE failed: ") {
        bail!("{reason}");
    }
    outcome.check(LIMIT)
}

/// The two machines of a pair, near one first.
fn machines(
    context: &Context,
    products: &Products,
    only: Option<&str>,
    pair: (Host, Host, &str),
    dir: &Path,
) -> Result<[Machine; 2]> {
    let (near, far, group) = pair;
    let rounds = if context.everything { 20 } else { 3 };
    let accel = |host: Host| host.accel().name();
    let near_arguments = format!(
        "{} {} {} {group} {rounds} {}",
        title(pair),
        accel(near),
        accel(far),
        only.unwrap_or_default()
    );
    let socket = dir.join("ethernet");
    let machine = |host: Host, part: &str, role: &str, arguments: &str| -> Result<Machine> {
        let share = dir.join(part);
        fill(products, host, &share, &format!("{part} {arguments}"))?;
        let socket = socket.display();
        Ok(Machine {
            net: Some(format!("stream,{role}={socket},mtu={MTU},lockstep")),
            smp: 2,
            memory_mib: MEMORY_MIB,
            drives: vec![products.userland_drive()],
            share: Some(share),
            ..host.machine(products)
        })
    };
    Ok([
        machine(near, "near", "listen", &near_arguments)?,
        machine(far, "far", "connect", accel(far))?,
    ])
}

/// What a host finds in its shared folder.
fn fill(products: &Products, host: Host, share: &Path, arguments: &str) -> Result<()> {
    make_share(share, SCRIPT)?;
    let tests = share.join("hosts");
    fs::create_dir_all(&tests).with_context(|| format!("cannot create {}", tests.display()))?;
    let texts = FILES.iter().map(|(name, text)| (tests.join(name), *text));
    for (path, text) in texts.chain([(share.join("arguments"), arguments)]) {
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Host::Ours(kvm, _) = host {
        copy(&kvm.kvm_ko(products)?, &share.join("kvm.ko"))?;
    }
    let backend = backend::make(products)?;
    for file in [backend.library(), backend.launcher()] {
        copy(&file, &share.join(file.file_name().unwrap_or_default()))?;
    }
    copy(&products.host_kernel.vmlinux(), &share.join("guest.kernel"))?;
    copy(&products.initramfs.guest(), &share.join("guest.initrd"))
}

/// Two hosts that talk to each other, twice: both end in the same states.
fn repeats(context: &Context, run: &Path) -> Result<Verdict> {
    let dir = run.join("repeats");
    let pair = (DISTRIBUTION, DISTRIBUTION, "ping");
    let machines = machines(context, &context.products, None, pair, &dir)?;
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
    fn a_filter_for_one_pair_needs_no_other_hosts() {
        let title = title((OURS, DISTRIBUTION, "moves"));
        assert_eq!(title, "near=rust/rust,far=distribution/upstream");
        assert!(!names_another("live", &title));
        assert!(!names_another("near=rust/rust,live", &title));
        assert!(names_another("far=rust/rust", &title));
    }
}
