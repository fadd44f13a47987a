// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Suite `firmware`: the distribution's UEFI firmware on lvz-sim, what it boots, and ACPI
//! with and without it. docs/platform.md says what the machine has for that.

mod refusals;
mod session;

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::report::{Report, Verdict};
use super::{Context, determinism};
use crate::machine::{Machine, Simulator, make_share, run_command};
use crate::setup::CannotBeHad;
use session::Session;

/// How long one machine may take.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// Parts of the scripts that a host's init runs.
const PCI: &str = include_str!("../../../tests/guest/acpi-test");
const MESSAGES: &str = include_str!("../../../tests/guest/avec-test");

/// The boot entry that the first start makes.
const ENTRY: &str = "kept-entry";

/// The one that is made before the simulator is killed.
const LAST_ENTRY: &str = "last-entry";

/// A case that starts the disk, with its variables in a file.
type Later = fn(&Context, &Path, &Path) -> Result<Verdict>;

/// The cases that go on from what the case `disk` leaves.
const LATER: &[(&str, Later)] = &[
    ("variables", kept),
    ("button", button),
    ("variables,killed", killed),
];

pub(super) fn run(context: &Context, report: &mut Report) -> Result<()> {
    let Simulator::LvzSim { program, .. } = &context.simulator else {
        bail!("the firmware is lvz-sim's");
    };
    let run = context.products.cache.new_run("firmware")?;
    let failures = report.failures();
    report.case("refusals", || refusals::run(context, program, &run));
    report.case("acpi", || skipped_without(tables(context, &run)));
    report.case("avec", || {
        let simulator = context.simulator.with_cpu("la664,avec=on");
        script(
            context,
            &simulator,
            &run,
            "avec",
            MESSAGES,
            &["--acpi".into()],
        )
    });
    report.case("kernel", || {
        let options = firmware_options(context, None);
        script(context, &context.simulator, &run, "kernel", PCI, &options)
    });
    report.case("boot-manager", || boot_manager(context, &run));
    report.case("snapshot", || {
        let variables = volatile(&context.products.firmware_variables());
        let machine = Machine {
            initrd: Some(context.products.initramfs.guest()),
            append: "kvm-la.seed=3".to_owned(),
            options: firmware_options(context, Some(variables)),
            ..kernel(context)
        };
        determinism::snapshot(context, "firmware", &machine)
    });
    let variables = run.join("vars.fd");
    fs::copy(context.products.firmware_variables(), &variables)?;
    if report.wants_any(
        ["disk"]
            .into_iter()
            .chain(LATER.iter().map(|(name, _)| *name)),
    ) {
        report.needed_case("disk", || skipped_without(disk(context, &run, &variables)));
    }
    for (name, case) in LATER {
        report.case(name, || skipped_without(case(context, &run, &variables)));
    }
    if report.failures() == failures {
        fs::remove_dir_all(&run)?;
    }
    Ok(())
}

/// A case that needs packages is skipped where there are none.
fn skipped_without(verdict: Result<Verdict>) -> Result<Verdict> {
    match verdict {
        Err(error) if error.is::<CannotBeHad>() => Ok(Verdict::Skipped(format!("{error:#}"))),
        other => other,
    }
}

/// Options that start the firmware, with the flash of its variables.
fn firmware_options(context: &Context, variables: Option<OsString>) -> Vec<OsString> {
    let mut options = vec![
        "--firmware".into(),
        context.products.firmware_code().into_os_string(),
    ];
    if let Some(variables) = variables {
        options.extend(["--firmware-vars".into(), variables]);
    }
    options
}

fn volatile(file: &Path) -> OsString {
    let mut option = file.as_os_str().to_owned();
    option.push(",volatile");
    option
}

/// A machine with the distribution's kernel, and its devices on PCI.
fn kernel(context: &Context) -> Machine {
    Machine {
        kernel: context.products.distribution_kernel.vmlinuz(),
        smp: 2,
        memory_mib: 1024,
        board: Some("virt"),
        ..Machine::default()
    }
}

/// Boots the distribution's kernel with the userland on its disk, where a script ends well.
fn script(
    context: &Context,
    simulator: &Simulator,
    run: &Path,
    name: &str,
    script: &str,
    options: &[OsString],
) -> Result<Verdict> {
    let share = run.join(format!("share-{name}"));
    make_share(&share, script)?;
    let machine = Machine {
        initrd: Some(context.products.initramfs.host_with_modules()),
        drives: vec![context.products.userland_drive()],
        share: Some(share),
        options: options.to_vec(),
        ..kernel(context)
    };
    let log = run.join(format!("{name}.log"));
    let outcome = machine.run(simulator, &log, LIMIT, |_| {})?;
    outcome
        .check(LIMIT)
        .with_context(|| format!("see {}", log.display()))?;
    Ok(Verdict::Passed)
}

/// Linux finds its disk by ACPI and powers off by it; ACPICA's disassembler reads the tables
/// that it has found.
fn tables(context: &Context, run: &Path) -> Result<Verdict> {
    script(
        context,
        &context.simulator,
        run,
        "acpi",
        PCI,
        &["--acpi".into()],
    )?;
    let tables = run.join("share-acpi/tables");
    let tools = context.products.firmware_tools()?;
    let mut read = 0;
    for entry in fs::read_dir(&tables).with_context(|| format!("no {}", tables.display()))? {
        let table = entry?.path();
        let mut iasl = tools.command("iasl")?;
        let output = iasl.arg("-d").arg(&table).output()?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let complaint = said.lines().find(|line| {
            ["rror", "arning", "nvalid"]
                .iter()
                .any(|word| line.contains(word))
        });
        if !output.status.success() || complaint.is_some() {
            bail!(
                "iasl cannot read {}: {}",
                table.display(),
                complaint.unwrap_or("no reason given")
            );
        }
        read += 1;
    }
    // FACP, APIC, PPTT, SRAT, SPCR, MCFG, DSDT, FACS.
    if read != 8 {
        bail!("Linux found {read} tables of 8");
    }
    Ok(Verdict::Passed)
}

/// A session with the firmware, and what it boots from `disk`.
fn start(
    context: &Context,
    log: &Path,
    disk: Option<&Path>,
    variables: OsString,
) -> Result<Session> {
    let Simulator::LvzSim { program, .. } = &context.simulator else {
        bail!("the firmware is lvz-sim's");
    };
    let mut command = run_command(program);
    command.args(["--machine", "virt", "--smp", "2", "--memory", "2G"]);
    command.args(context.simulator.chosen());
    command.args(firmware_options(context, Some(variables)));
    if let Some(disk) = disk {
        command.arg("--drive").arg(volatile(disk));
    }
    Session::start(command, log, LIMIT)
}

/// With nothing to boot the firmware comes to its own menu, and reads keys.
fn boot_manager(context: &Context, run: &Path) -> Result<Verdict> {
    let variables = volatile(&context.products.firmware_variables());
    let mut session = start(context, &run.join("boot-manager.log"), None, variables)?;
    session.expect("Press any key to enter the Boot Manager Menu")?;
    session.type_in("\r")?;
    // Its front page says what the machine is, and the way on.
    session.expect("Loongson-3A5000")?;
    session.expect("2048 MB RAM")?;
    session.expect("Boot Manager")?;
    Ok(Verdict::Passed)
}

/// The distribution's disk comes to its login. There is a KVM host, a guest in it, and a
/// boot entry is made; then a clean power-off.
fn disk(context: &Context, run: &Path, variables: &Path) -> Result<Verdict> {
    let mut session = start_disk(context, run, "disk", variables)?;
    log_in(&mut session)?;
    session.run("[ -c /dev/kvm ] && [ -e /sys/firmware/acpi/tables/MCFG ]")?;
    // Nothing that the system wants has failed.
    session.run("systemctl --failed --plain --no-legend | grep . && exit 1; true")?;
    mount_variables(&mut session)?;
    make_entry(&mut session, ENTRY)?;
    session.run(
        "timeout 600 qemu-system-loongarch64 -M virt -accel kvm -cpu max -m 512 -nographic \
         -kernel guest/kernel -initrd guest/initrd \
         -append 'console=ttyS0 quiet initcall_blacklist=i8042_init kvm-la.seed=3' \
         >/tmp/guest </dev/null && grep -q 'KVM-LA-GUEST power-off' /tmp/guest",
    )?;
    power_off(session)?;
    Ok(Verdict::Passed)
}

/// The next start is by the entry that the one before made; the machine comes back from a
/// reset too.
fn kept(context: &Context, run: &Path, variables: &Path) -> Result<Verdict> {
    let mut session = start_disk(context, run, "variables", variables)?;
    let entry = format!("\"{ENTRY}\" from HD(1,GPT");
    session.expect(&entry)?;
    log_in(&mut session)?;
    mount_variables(&mut session)?;
    session.run(&format!(
        "efibootmgr | grep -q \"^Boot$(efibootmgr | sed -n 's/BootCurrent: //p').* {ENTRY}\""
    ))?;
    session.type_in("reboot\r")?;
    session.expect(&entry)?;
    log_in(&mut session)?;
    power_off(session)?;
    Ok(Verdict::Passed)
}

/// The system powers off when the power button is pressed: what waits for the button is all
/// that it has for that.
fn button(context: &Context, run: &Path, variables: &Path) -> Result<Verdict> {
    let mut session = start_disk(context, run, "button", variables)?;
    log_in(&mut session)?;
    session.run(
        "for event in /dev/input/event*; do \
         (dd if=$event of=/dev/null bs=24 count=1 2>/dev/null && poweroff) & done; sleep 1",
    )?;
    // Ctrl-A p. What has not opened the device by then does not hear of it, hence the second.
    session.type_in("\x01p")?;
    session.expect("reboot: Power down")?;
    session.end()?;
    Ok(Verdict::Passed)
}

/// What was written to the flash outlives a simulator that is killed right afterwards.
fn killed(context: &Context, run: &Path, variables: &Path) -> Result<Verdict> {
    let mut session = start_disk(context, run, "killed", variables)?;
    log_in(&mut session)?;
    mount_variables(&mut session)?;
    make_entry(&mut session, LAST_ENTRY)?;
    // By SIGKILL.
    drop(session);
    let mut session = start_disk(context, run, "after-kill", variables)?;
    session.expect(&format!("\"{LAST_ENTRY}\" from HD(1,GPT"))?;
    Ok(Verdict::Passed)
}

fn start_disk(context: &Context, run: &Path, name: &str, variables: &Path) -> Result<Session> {
    let log = run.join(format!("{name}.log"));
    let variables = variables.as_os_str().to_owned();
    let disk = context.products.firmware_disk()?;
    start(context, &log, Some(&disk), variables)
}

fn log_in(session: &mut Session) -> Result<()> {
    session.expect("login: ")?;
    session.type_in("root\r")?;
    session.expect("# ")
}

/// Makes a boot entry, which comes first from now on.
fn make_entry(session: &mut Session, label: &str) -> Result<()> {
    session.run(&format!(
        "efibootmgr --create --disk /dev/vda --part 1 --label {label} \
         --loader '\\EFI\\systemd\\systemd-bootloongarch64.efi'"
    ))
}

/// The firmware's variables, as files.
fn mount_variables(session: &mut Session) -> Result<()> {
    session.run(
        "insmod /usr/lib/modules/*/kernel/fs/efivarfs/efivarfs.ko* && \
         mount -t efivarfs efivarfs /sys/firmware/efi/efivars",
    )
}

fn power_off(mut session: Session) -> Result<()> {
    session.type_in("poweroff\r")?;
    session.expect("reboot: Power down")?;
    session.end()
}
