//! Suite `machine`: a QEMU with a guest, driven over QMP from the KVM host: its
//! state saved, moved and looked at. docs/machine-tests.md says what each case
//! shows.
//!
//! The cases are Python, in xtask/guest/machine; one host runs those of one
//! module and one backend.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};

use super::report::{Report, Verdict};
use super::{Context, Tier};
use crate::backend;
use crate::machine::{Machine, make_share};
use crate::nested::{Stack, copy};

/// The script that the host's init runs.
const SCRIPT: &str = include_str!("../../guest/machine/run");

/// The driver and the cases.
const FILES: &[(&str, &str)] = &[
    ("main.py", include_str!("../../guest/machine/main.py")),
    ("case.py", include_str!("../../guest/machine/case.py")),
    ("qemu.py", include_str!("../../guest/machine/qemu.py")),
    ("steady.py", include_str!("../../guest/machine/steady.py")),
    ("state.py", include_str!("../../guest/machine/state.py")),
    ("shell.py", include_str!("../../guest/machine/shell.py")),
    ("gdb.py", include_str!("../../guest/machine/gdb.py")),
    (
        "stepping.py",
        include_str!("../../guest/machine/stepping.py"),
    ),
    (
        "registers.py",
        include_str!("../../guest/machine/registers.py"),
    ),
    ("reset.py", include_str!("../../guest/machine/reset.py")),
    ("idle.py", include_str!("../../guest/machine/idle.py")),
    ("dirty.py", include_str!("../../guest/machine/dirty.py")),
    ("hotplug.py", include_str!("../../guest/machine/hotplug.py")),
    ("disks.py", include_str!("../../guest/machine/disks.py")),
    ("initrd.py", include_str!("../../guest/machine/initrd.py")),
    ("kexec.py", include_str!("../../guest/machine/kexec.py")),
    ("debug.py", include_str!("../../guest/machine/debug.py")),
    (
        "migration.py",
        include_str!("../../guest/machine/migration.py"),
    ),
];

/// The cases with breakpoints in user space. Whether the instruction that KVM uses
/// for them works there is not known of hardware (docs/lvz.md, Q-8): these run
/// under the reading that it does.
const USER: &str = "user";
const USER_READING: &str = "hvcl-user=exit";

/// What the lines about cases begin with.
const MARKER: &str = "KVM-LA-CASE ";

/// How long one host may take.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// RAM of the host, in MiB: two guests, and what is saved of them.
const MEMORY_MIB: u32 = 2560;

/// Runs the suite.
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
    let products = &context.products;
    let share = run.join("share");
    make_share(&share, SCRIPT)?;
    let tests = share.join("machine");
    fs::create_dir_all(&tests).with_context(|| format!("cannot create {}", tests.display()))?;
    for (name, text) in FILES {
        fs::write(tests.join(name), text)
            .with_context(|| format!("cannot write in {}", tests.display()))?;
    }
    let tier = match (context.everything, context.runs(Tier::Full)) {
        (true, _) => "everything",
        (false, true) => "full",
        (false, false) => "ci",
    };
    let only = report.only().unwrap_or_default();
    fs::write(
        share.join("arguments"),
        format!("{} {} {group} {tier} {only}\n", kvm.name(), accel.name()),
    )?;
    copy(&kvm.kvm_ko(products)?, &share.join("kvm.ko"))?;
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
    let failures = report.failures();
    let outcome = std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        let thread = scope.spawn(|| {
            let sender = sender;
            machine.run(&context.simulator, &log, LIMIT, |line| {
                // Nobody listens any more once the last case has ended.
                let _ = sender.send(line.to_owned());
            })
        });
        while let Some(name) = next_case(&receiver) {
            report.case(&name, || judge(&name, &receiver));
        }
        thread
            .join()
            .map_err(|_| anyhow!("the thread that runs the machine died"))?
    })?;
    if let Err(error) = check_script(&outcome.console).and_then(|()| outcome.check(LIMIT)) {
        report.failed_outside(&error.context(format!("{mix}, {group}")));
    }
    if report.failures() != failures {
        println!("    see {}", log.display());
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

/// What the script and the driver said of themselves.
fn check_script(console: &str) -> Result<()> {
    let said = |word: &str| {
        console
            .lines()
            .find_map(|line| line.trim_end().strip_prefix(MARKER)?.strip_prefix(word))
    };
    match (said("failed: "), said("all ended")) {
        (Some(reason), _) => bail!("{reason}"),
        (None, None) => bail!("the host did not come to the end of its cases"),
        (None, Some(_)) => Ok(()),
    }
}

/// The name of the next case that begins; none at the host's end.
fn next_case(lines: &mpsc::Receiver<String>) -> Option<String> {
    lines.iter().find_map(|line| {
        line.strip_prefix(MARKER)?
            .strip_suffix(" ...")
            .map(str::to_owned)
    })
}

/// Reads up to the end of a case that has begun.
fn judge(name: &str, lines: &mpsc::Receiver<String>) -> Result<Verdict> {
    for line in lines {
        let said = line
            .strip_prefix(MARKER)
            .and_then(|line| line.strip_prefix(name)?.strip_prefix(' '));
        match said {
            Some(said) if said == "ok" || said.starts_with("ok (") => return Ok(Verdict::Passed),
            Some(said) => {
                if let Some(reason) = said.strip_prefix("skipped: ") {
                    return Ok(Verdict::Skipped(reason.to_owned()));
                }
                bail!("{}", said.strip_prefix("FAILED ").unwrap_or(said));
            }
            None => {}
        }
    }
    bail!("the host ended before the case did")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str) -> Result<(String, Result<Verdict>)> {
        let (sender, receiver) = mpsc::channel();
        for line in text.lines() {
            sender.send(line.to_owned())?;
        }
        drop(sender);
        let name = next_case(&receiver).ok_or_else(|| anyhow!("no case"))?;
        let verdict = judge(&name, &receiver);
        Ok((name, verdict))
    }

    #[test]
    fn a_case_is_judged_by_its_last_line() -> Result<()> {
        let (name, verdict) =
            judged("noise\nKVM-LA-CASE a,b ...\n| x\nKVM-LA-CASE a,b ok (1.0 s)\n")?;
        assert_eq!(name, "a,b");
        assert!(matches!(verdict, Ok(Verdict::Passed)));
        let (_, verdict) = judged("KVM-LA-CASE a ...\nKVM-LA-CASE a FAILED Timeout: b\n")?;
        assert!(verdict.is_err_and(|error| error.to_string() == "Timeout: b"));
        let (_, verdict) = judged("KVM-LA-CASE a ...\nKVM-LA-CASE a skipped: why\n")?;
        assert!(matches!(verdict, Ok(Verdict::Skipped(why)) if why == "why"));
        let (_, verdict) = judged("KVM-LA-CASE a ...\nKVM-LA-CASE all ended\n")?;
        assert!(verdict.is_err());
        Ok(())
    }

    #[test]
    fn a_filter_for_one_mix_needs_no_other_host() {
        let mix = "kvm=rust,accel=upstream";
        assert!(!names_another("savevm", mix));
        assert!(!names_another("accel=upstream,smp=2", mix));
        assert!(names_another("accel=rust", mix));
        assert!(names_another("kvm=upstream,accel=upstream", mix));
    }

    #[test]
    fn the_script_must_come_to_its_end() {
        assert!(check_script("KVM-LA-CASE all ended\n").is_ok());
        assert!(check_script("KVM-LA-CASE a ...\n").is_err());
        assert!(check_script("KVM-LA-CASE all ended\nKVM-LA-CASE failed: rmmod\n").is_err());
    }
}
