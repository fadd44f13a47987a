// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Suites `libvirt` and `clients`: libvirt manages domains of either stack on a KVM
//! host, and what else looks at them or serves them. docs/libvirt.md says what each
//! case shows.
//!
//! The cases are Python, in tests/libvirt and tests/clients; one host runs all of a
//! group.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::report::Report;
use super::{Context, counted, in_machine};
use crate::backend;
use crate::machine::{Machine, make_share};
use crate::nested::copy;

type File = (&'static str, &'static str);

/// The script that the host's init runs.
const SCRIPT: &str = include_str!("../../../tests/libvirt/run");

/// What makes a KVM host ready for libvirt.
pub(super) const PREPARE: &str = include_str!("../../../tests/libvirt/prepare");

const DRIVER: &[File] = &[
    ("verdict.py", in_machine::VERDICT),
    ("qemu.py", include_str!("../../../tests/machine/qemu.py")),
    ("shell.py", include_str!("../../../tests/machine/shell.py")),
    (
        "steady.py",
        include_str!("../../../tests/machine/steady.py"),
    ),
    ("main.py", include_str!("../../../tests/libvirt/main.py")),
    ("case.py", include_str!("../../../tests/libvirt/case.py")),
    ("virsh.py", include_str!("../../../tests/libvirt/virsh.py")),
    (
        "domain.py",
        include_str!("../../../tests/libvirt/domain.py"),
    ),
    (
        "userland.py",
        include_str!("../../../tests/libvirt/userland.py"),
    ),
];

/// The modules with cases of the suite `libvirt`, in the order of a run.
const LIBVIRT: &[File] = &[
    (
        "lifecycle",
        include_str!("../../../tests/libvirt/lifecycle.py"),
    ),
    ("saving", include_str!("../../../tests/libvirt/saving.py")),
    ("tuning", include_str!("../../../tests/libvirt/tuning.py")),
    ("hotplug", include_str!("../../../tests/libvirt/hotplug.py")),
    ("network", include_str!("../../../tests/libvirt/network.py")),
    (
        "refusals",
        include_str!("../../../tests/libvirt/refusals.py"),
    ),
    (
        "migration",
        include_str!("../../../tests/libvirt/migration.py"),
    ),
    (
        "firmware",
        include_str!("../../../tests/libvirt/firmware.py"),
    ),
];

/// Those of the suite `clients`.
const CLIENTS: &[File] = &[
    ("guests", include_str!("../../../tests/clients/guests.py")),
    (
        "counters",
        include_str!("../../../tests/clients/counters.py"),
    ),
];

/// The case whose guest must be the only one of the run.
const COUNTED: &[File] = &[("counted", include_str!("../../../tests/clients/counted.py"))];

/// The case that compares what it counted with what the simulator did.
const COMPARED: &str = "counted-as-by-the-simulator";

/// How long a host may take.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// RAM of the host, in MiB: guests, what is saved of them, and libvirt.
const MEMORY_MIB: u32 = 4096;

/// Runs the suite `libvirt`. Like the other it needs a kernel and a userland of its
/// own: it runs only when it is named.
pub(super) fn libvirt(context: &Context, report: &mut Report) -> Result<()> {
    suite(context, report, "libvirt", |host, report| {
        let only = report.only().unwrap_or_default().to_owned();
        host.run(report, "libvirt", LIBVIRT, &only, None).map(drop)
    })
}

/// Runs the suite `clients`.
pub(super) fn clients(context: &Context, report: &mut Report) -> Result<()> {
    suite(context, report, "clients", |host, report| {
        let only = report.only().unwrap_or_default().to_owned();
        let stats = host.run.join("stats.json");
        // The comparison needs the run, whatever it is called.
        let counted_only = match report.wants(COMPARED) {
            true => "",
            false => &only,
        };
        let log = host.run(report, "counted", COUNTED, counted_only, Some(&stats))?;
        if let Some(log) = log {
            report.case(COMPARED, || counted::compare(&log, &stats));
        }
        host.run(report, "clients", CLIENTS, &only, None).map(drop)
    })
}

fn suite(
    context: &Context,
    report: &mut Report,
    name: &str,
    run: impl FnOnce(&Host<'_>, &mut Report) -> Result<()>,
) -> Result<()> {
    let host = Host {
        context,
        run: context.products.cache.new_run(name)?,
    };
    let failures = report.failures();
    run(&host, report)?;
    if report.failures() == failures {
        fs::remove_dir_all(&host.run)?;
    }
    Ok(())
}

/// What the hosts of a suite have.
struct Host<'a> {
    context: &'a Context,
    run: PathBuf,
}

impl Host<'_> {
    /// Boots a host that runs a group of cases, those of some modules whose names have all
    /// parts of `only`; its console's log. If there is no such case there is no host.
    fn run(
        &self,
        report: &mut Report,
        group: &str,
        modules: &[File],
        only: &str,
        stats: Option<&Path>,
    ) -> Result<Option<PathBuf>> {
        let context = self.context;
        let share = self.run.join("share");
        make_share(&share, SCRIPT)?;
        write(&share.join("prepare"), PREPARE)?;
        let folder = new_folder(&share.join("cases"))?;
        let names: Vec<&str> = modules.iter().map(|(name, _)| *name).collect();
        let names = names.join(",");
        for (name, text) in DRIVER {
            write(&folder.join(name), text)?;
        }
        for (name, text) in modules {
            write(&folder.join(format!("{name}.py")), text)?;
        }
        let (kvm, accel) = (context.kvm.name(), context.accel.name());
        let arguments = format!("{names} {kvm} {accel} {only}\n");
        if in_machine::names(context, &folder, &arguments)?.is_empty() {
            return Ok(None);
        }
        let products = &context.products.with_clients()?;
        write(&share.join("arguments"), &arguments)?;
        copy(&context.kvm.kvm_ko(products)?, &share.join("kvm.ko"))?;
        let backend = backend::make(products)?;
        for file in [backend.library(), backend.launcher()] {
            copy(&file, &share.join(file.file_name().unwrap_or_default()))?;
        }
        let guests = new_folder(&share.join("guests"))?;
        let initramfs = &products.initramfs;
        for (source, name) in [
            (products.host_kernel.vmlinux(), "guest.kernel"),
            (initramfs.guest(), "guest.initrd"),
            (
                products.distribution_kernel.vmlinuz(),
                "distribution.kernel",
            ),
            (initramfs.guest_with_modules(), "distribution.initrd"),
        ] {
            copy(&source, &guests.join(name))?;
        }
        let machine = Machine {
            kernel: products.host_kernel.vmlinux(),
            initrd: Some(initramfs.host()),
            smp: 2,
            memory_mib: MEMORY_MIB,
            drives: vec![products.userland_drive()],
            share: Some(share),
            stats: stats.map(Path::to_owned),
            ..Machine::default()
        };
        let log = self.run.join(format!("console-{group}.log"));
        let title = format!("kvm={kvm},accel={accel},{group}");
        in_machine::run(context, report, &machine, &log, LIMIT, &title)?;
        Ok(Some(log))
    }
}

/// Makes a folder that is not there or empty.
fn new_folder(path: &Path) -> Result<PathBuf> {
    if path.exists() {
        fs::remove_dir_all(path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))?;
    Ok(path.to_owned())
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
