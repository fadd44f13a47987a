// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Suite `machine`: a QEMU with a guest, driven over QMP from the KVM host: its
//! state saved, moved and looked at. docs/machine-tests.md says what each case
//! shows.
//!
//! The cases are Python, in tests/machine; one host runs those of one
//! module and one backend.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::report::Report;
use super::{Context, Tier, in_machine};
use crate::backend;
use crate::machine::{Machine, make_share};
use crate::nested::{Stack, copy};

/// The script that the host's init runs.
const SCRIPT: &str = include_str!("../../../tests/machine/run");

/// The driver and the cases.
const FILES: &[(&str, &str)] = &[
    ("main.py", include_str!("../../../tests/machine/main.py")),
    ("verdict.py", in_machine::VERDICT),
    ("case.py", include_str!("../../../tests/machine/case.py")),
    ("qemu.py", include_str!("../../../tests/machine/qemu.py")),
    (
        "steady.py",
        include_str!("../../../tests/machine/steady.py"),
    ),
    ("state.py", include_str!("../../../tests/machine/state.py")),
    ("shell.py", include_str!("../../../tests/machine/shell.py")),
    ("gdb.py", include_str!("../../../tests/machine/gdb.py")),
    (
        "stepping.py",
        include_str!("../../../tests/machine/stepping.py"),
    ),
    (
        "registers.py",
        include_str!("../../../tests/machine/registers.py"),
    ),
    ("reset.py", include_str!("../../../tests/machine/reset.py")),
    ("idle.py", include_str!("../../../tests/machine/idle.py")),
    ("dirty.py", include_str!("../../../tests/machine/dirty.py")),
    (
        "hotplug.py",
        include_str!("../../../tests/machine/hotplug.py"),
    ),
    ("disks.py", include_str!("../../../tests/machine/disks.py")),
    (
        "initrd.py",
        include_str!("../../../tests/machine/initrd.py"),
    ),
    ("kexec.py", include_str!("../../../tests/machine/kexec.py")),
    ("debug.py", include_str!("../../../tests/machine/debug.py")),
    (
        "messages.py",
        include_str!("../../../tests/machine/messages.py"),
    ),
    (
        "migration.py",
        include_str!("../../../tests/machine/migration.py"),
    ),
    ("units.py", include_str!("../../../tests/machine/units.py")),
];

/// The cases with breakpoints in user space. Whether the instruction that KVM uses
/// for them works there is not known of hardware (docs/lvz.md, Q-8): these run
/// under the reading that it does.
const USER: &str = "user";
const USER_READING: &str = "hvcl-user=exit";

/// The cases that exchange the host's module.
const MODULES: &str = "modules";

/// How long one host may take: fifty moves with one CPU take half an hour.
const LIMIT: Duration = Duration::from_secs(2 * 60 * 60);

/// RAM of the host, in MiB: two guests, and what is saved of them.
const MEMORY_MIB: u32 = 2560;

pub(super) fn run(context: &Context, report: &mut Report) -> Result<()> {
    let run = context.products.cache.new_run("machine")?;
    let failures = report.failures();
    // CI's share is about the run's own stacks; the others are the oracle.
    let mixes: Vec<(Stack, Stack)> = if context.runs(Tier::Full) {
        Stack::ALL
            .iter()
            .flat_map(|kvm| Stack::ALL.iter().map(|accel| (*kvm, *accel)))
            .collect()
    } else {
        vec![(context.kvm, context.accel)]
    };
    for mix in &mixes {
        host(context, report, &run, *mix, "mix")?;
    }
    for mix in &mixes {
        host(context, report, &run, *mix, USER)?;
    }
    // The units of the guests that these are about: no other model has them.
    if context
        .simulator
        .cpu()
        .is_some_and(|cpu| cpu.starts_with("la664"))
    {
        for mix in &mixes {
            host(context, report, &run, *mix, MODULES)?;
        }
    }
    // What one module's hosts put aside, the other's take up.
    if mixes.len() > 1 {
        for mix in &mixes {
            host(context, report, &run, *mix, "resume")?;
        }
    }
    if report.failures() == failures {
        fs::remove_dir_all(&run)?;
    }
    Ok(())
}

/// One host that runs the cases of one group.
fn host(
    context: &Context,
    report: &mut Report,
    run: &Path,
    (kvm, accel): (Stack, Stack),
    group: &str,
) -> Result<()> {
    let mix = format!("kvm={},accel={}", kvm.name(), accel.name());
    // A filter that names another mix needs no host.
    if report.only().is_some_and(|only| names_another(only, &mix)) {
        return Ok(());
    }
    let share = run.join("share");
    let arguments = arguments(context, report.only(), (kvm, accel), group);
    let tests = write_tests(&share, &arguments)?;
    if in_machine::names(context, &tests, &arguments)?.is_empty() {
        return Ok(());
    }
    fill_share(context, &share, kvm, group)?;
    let products = &context.products;
    let machine = Machine {
        kernel: products.host_kernel.vmlinux(),
        initrd: Some(products.initramfs.host()),
        smp: 2,
        memory_mib: MEMORY_MIB,
        drives: vec![products.userland_drive()],
        share: Some(share),
        lvz: (group == USER).then(|| USER_READING.to_owned()),
        ..Machine::default()
    };
    let log = run.join(format!("console-{mix}-{group}.log").replace([',', '='], "-"));
    in_machine::run(
        context,
        report,
        &machine,
        &log,
        LIMIT,
        &format!("{mix}, {group}"),
    )
}

/// What main.py is told: the tests of `group` that are chosen.
fn arguments(
    context: &Context,
    only: Option<&str>,
    (kvm, accel): (Stack, Stack),
    group: &str,
) -> String {
    let tier = match (context.everything, context.runs(Tier::Full)) {
        (true, _) => "everything",
        (false, true) => "full",
        (false, false) => "ci",
    };
    let only = only.unwrap_or_default();
    format!("{} {} {group} {tier} {only}\n", kvm.name(), accel.name())
}

/// Makes the share with the tests and what they are told; the folder of the tests.
fn write_tests(share: &Path, arguments: &str) -> Result<PathBuf> {
    make_share(share, SCRIPT)?;
    let tests = share.join("machine");
    fs::create_dir_all(&tests).with_context(|| format!("cannot create {}", tests.display()))?;
    for (name, text) in FILES {
        fs::write(tests.join(name), text)
            .with_context(|| format!("cannot write in {}", tests.display()))?;
    }
    fs::write(share.join("arguments"), arguments)?;
    Ok(tests)
}

/// What the host runs beside the tests: modules, backend and guests.
fn fill_share(context: &Context, share: &Path, kvm: Stack, group: &str) -> Result<()> {
    let products = &context.products;
    copy(&kvm.kvm_ko(products)?, &share.join("kvm.ko"))?;
    if group == MODULES {
        for stack in Stack::ALL {
            let name = format!("kvm-{}.ko", stack.name());
            copy(&stack.kvm_ko(products)?, &share.join(name))?;
        }
    }
    let backend = backend::make(products)?;
    for file in [backend.library(), backend.launcher()] {
        copy(&file, &share.join(file.file_name().unwrap_or_default()))?;
    }
    copy(&products.host_kernel.vmlinux(), &share.join("guest.kernel"))?;
    copy(&products.initramfs.guest(), &share.join("guest.initrd"))?;
    let modules = share.join("modules");
    fs::create_dir_all(&modules).context("cannot create a folder for modules")?;
    copy(&firmware(context), &share.join("firmware.fd"))?;
    copy(
        &products.distribution_kernel.vmlinuz(),
        &share.join("distribution.kernel"),
    )?;
    // In the order in which they are to be loaded.
    for (number, module) in products.distribution_kernel.modules()?.iter().enumerate() {
        let name = module.file_name().unwrap_or_default().to_string_lossy();
        copy(module, &modules.join(format!("{number:02}-{name}")))?;
    }
    Ok(())
}

/// Debian's UEFI firmware for guests, whose ACPI tables they get CPUs by.
fn firmware(context: &Context) -> PathBuf {
    let root = context.products.tools.dir();
    root.join("usr/share/qemu-efi-loongarch64/QEMU_EFI.fd")
}

/// Whether a filter has a `kvm=` or `accel=` that this mix is not.
fn names_another(only: &str, mix: &str) -> bool {
    only.split(',')
        .filter(|part| {
            Stack::ALL.iter().any(|stack| {
                *part == format!("kvm={}", stack.name())
                    || *part == format!("accel={}", stack.name())
            })
        })
        .any(|part| !mix.split(',').any(|own| own == part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_for_one_mix_needs_no_other_host() {
        let mix = "kvm=rust,accel=upstream";
        assert!(!names_another("savevm", mix));
        assert!(!names_another("accel=upstream,smp=2", mix));
        assert!(names_another("accel=rust", mix));
        assert!(names_another("kvm=upstream,accel=upstream", mix));
    }
}
