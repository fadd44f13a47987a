// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Suite `linux`: Linux on the simulated machine, without virtualization.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use super::report::{Report, Verdict, detail};
use super::{Context, user_network};
use crate::machine::{Drive, Machine, Simulator, make_share};
use crate::nested::copy;
use crate::said::{self, said};
use crate::setup::{DISTRIBUTION_PARAMETERS, Products};
use crate::workload;

const SCRIPT: &str = include_str!("../../../tests/guest/linux-workload");
const WATCHPOINTS: &str = include_str!("../../../tests/guest/watchpoints.py");

/// The check of watchpoints, where CPU and kernel have them, and how many of each kind
/// la664 has.
const WATCHPOINTS_CHECK: &str = "watchpoints";
const WATCHPOINTS_NUMBER: &str = "8";

/// How long one machine may take.
const LIMIT: Duration = Duration::from_secs(40 * 60);

/// A check of what a board has, beside those of the script.
struct BoardCheck {
    name: &'static str,
    /// Shell commands that succeed where it is well.
    commands: &'static str,
}

/// Drives interrupt by messages, on PCI: each message of a function has an interrupt of its
/// own.
const MESSAGES: BoardCheck = BoardCheck {
    name: "messages",
    commands: "awk '/MSI/ && /req/ { n += $2 } END { exit !n }' /proc/interrupts",
};

/// Linux's driver for the bridge's PCI has found it, the chip's UART interrupts by the LIOINTC
/// while it is open, and the bridge's, which has this output, by the PCH-PIC.
const BRIDGE: BoardCheck = BoardCheck {
    name: "bridge",
    commands: "[ -e /sys/bus/platform/drivers/loongson-pci/1a000000.pcie ] \
        && { echo >&3; awk '/liointc/ && /ttyS0/ { n += $2 } END { exit !n }' /proc/interrupts; \
        } 3>/dev/ttyS0 \
        && awk '/PCH PIC/ && /ttyS1/ { n += $2 } END { exit !n }' /proc/interrupts",
};

/// What the checks' lines begin with.
const MARKER: &str = "KVM-LA-CHECK";

/// The size of the disk for the file system check, in MiB.
const DISK_MIB: u64 = 64;

/// What the computation starts from.
const SEED: u64 = 2;

impl BoardCheck {
    fn script(&self) -> String {
        let Self { name, commands } = self;
        format!("{{ {commands}; }} && echo {MARKER} {name} ok || echo {MARKER} {name} FAILED\n")
    }
}

/// One machine of the suite.
struct Case {
    name: &'static str,
    smp: u32,
    distribution: bool,
    /// lvz-sim's board, if it is not the default, and what is checked of it.
    board: Option<&'static str>,
    checks: &'static [BoardCheck],
}

/// The default board with the small kernel.
const SMALL: Case = Case {
    name: "",
    smp: 1,
    distribution: false,
    board: None,
    checks: &[],
};

const CASES: &[Case] = &[
    Case {
        name: "smp=1",
        ..SMALL
    },
    Case {
        name: "smp=2",
        smp: 2,
        ..SMALL
    },
    Case {
        name: "smp=4",
        smp: 4,
        ..SMALL
    },
    Case {
        name: "distribution-kernel",
        smp: 2,
        distribution: true,
        ..SMALL
    },
    Case {
        name: "pci",
        board: Some("virt"),
        checks: &[MESSAGES],
        ..SMALL
    },
    Case {
        name: "3a5000",
        smp: 2,
        board: Some("3a5000"),
        checks: &[MESSAGES, BRIDGE],
        ..SMALL
    },
];

pub(super) fn run(context: &Context, report: &mut Report) -> Result<()> {
    for case in CASES {
        report.case(case.name, || boot(context, case));
    }
    report.case("user-network", || user_network::run(context, None));
    report.case("user-network,pci", || {
        user_network::run(context, Some("virt"))
    });
    Ok(())
}

fn boot(context: &Context, case: &Case) -> Result<Verdict> {
    if matches!(context.simulator, Simulator::Tcg(_))
        && let Some(reason) = case.not_in_qemu()
    {
        return Ok(Verdict::Skipped(reason.to_owned()));
    }
    let run = context
        .products
        .cache
        .new_run(&format!("linux-{}", case.name))?;
    // The small kernel has none.
    let cpu = context.simulator.cpu().unwrap_or_default();
    let watched = case.distribution && cpu.starts_with("la664");
    let share = run.join("share");
    fill_share(context, case, &share, watched)?;
    let disk = run.join("disk");
    // Each kernel with the best that it has.
    let file_system = if case.distribution { "ext4" } else { "ext2" };
    make_disk(context, &disk, file_system)?;
    let machine = case.machine(&context.products, share, disk.clone());
    let log = run.join("console.log");
    let mut last = std::time::Instant::now();
    let outcome = machine.run(&context.simulator, &log, LIMIT, |line| {
        if let Some((_, check)) = said(line, MARKER) {
            detail(format_args!(
                "{check} ({:.0} s)",
                last.elapsed().as_secs_f64()
            ));
            last = std::time::Instant::now();
        }
    })?;
    let checks = case.checks.iter().map(|check| check.name);
    let more: Vec<&str> = checks.chain(watched.then_some(WATCHPOINTS_CHECK)).collect();
    let verdict = judge(&outcome.console, &more)
        .and_then(|()| outcome.check(LIMIT))
        .and_then(|()| check_disk(context, &disk));
    verdict.with_context(|| format!("see {}", log.display()))?;
    fs::remove_dir_all(&run)?;
    Ok(Verdict::Passed)
}

impl Case {
    /// Why QEMU cannot run it, if it cannot.
    fn not_in_qemu(&self) -> Option<&'static str> {
        if self.distribution {
            return Some(
                "QEMU's board has its disks on PCI, for which the distribution's kernel needs firmware",
            );
        }
        (self.board == Some("3a5000")).then_some("QEMU has no such board")
    }

    /// The machine with this shared folder and a disk to write to.
    fn machine(&self, products: &Products, share: PathBuf, disk: PathBuf) -> Machine {
        let mut machine = Machine {
            kernel: products.host_kernel.vmlinux(),
            initrd: Some(products.initramfs.host()),
            smp: self.smp,
            memory_mib: 1024,
            board: self.board,
            drives: vec![
                products.userland_drive(),
                Drive {
                    path: disk,
                    writable: true,
                },
            ],
            share: Some(share),
            ..Machine::default()
        };
        if self.distribution {
            machine.kernel = products.distribution_kernel.vmlinuz();
            machine.initrd = Some(products.initramfs.host_with_modules());
            machine.append = DISTRIBUTION_PARAMETERS.to_owned();
        }
        machine
    }
}

/// What the machine runs, and what its results are to be.
fn fill_share(context: &Context, case: &Case, share: &Path, watched: bool) -> Result<()> {
    let before: String = case.checks.iter().map(BoardCheck::script).collect();
    make_share(
        share,
        &format!("{before}exec bash /share/workload-script {}\n", case.smp),
    )?;
    fs::write(share.join("workload-script"), SCRIPT)?;
    copy(
        &context.products.initramfs.workload(),
        &share.join("workload"),
    )?;
    let expect = share.join("expect");
    write_expectations(&expect, case.smp)?;
    if watched {
        fs::write(share.join("watchpoints.py"), WATCHPOINTS)?;
        fs::write(expect.join(WATCHPOINTS_CHECK), WATCHPOINTS_NUMBER)?;
    }
    Ok(())
}

/// Every check of the script must have said that it is well, and those of `more`.
fn judge(console: &str, more: &[&'static str]) -> Result<()> {
    let names: Vec<&str> = SCRIPT
        .lines()
        .filter_map(|line| line.split("check ").nth(1).filter(|_| is_check(line)))
        .filter_map(|rest| rest.split_whitespace().next())
        .chain(more.iter().copied())
        .collect();
    let said = |name: &str, word: &str| {
        let wanted = format!("{name} {word}");
        said::all(console, "", MARKER).any(|text| text == wanted)
    };
    let failed: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| said(name, "FAILED"))
        .collect();
    if !failed.is_empty() {
        bail!("these checks failed: {}", failed.join(", "));
    }
    let missing: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| !said(name, "ok"))
        .collect();
    if !missing.is_empty() {
        bail!("these checks were not reached: {}", missing.join(", "));
    }
    Ok(())
}

/// Whether a line of the script runs a check.
fn is_check(line: &str) -> bool {
    line.starts_with("check ") && !line.starts_with("check()")
}

/// What the workstation knows of the results.
fn write_expectations(dir: &Path, smp: u32) -> Result<()> {
    fs::create_dir_all(dir)?;
    let numbers: String = (1..=20_000).map(|n| format!("{n}\n")).collect();
    let digest = Sha256::digest(numbers.as_bytes());
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(dir.join("seq-sha256"), format!("{digest}\n"))?;
    fs::write(dir.join("cpus"), format!("{smp}\n"))?;
    fs::write(dir.join("seed"), format!("{SEED}\n"))?;
    fs::write(
        dir.join("digest"),
        format!("{:016x}\n", workload::digest(SEED)),
    )?;
    Ok(())
}

fn make_disk(context: &Context, disk: &Path, file_system: &str) -> Result<()> {
    let command = context
        .products
        .tools
        .command("mke2fs")
        .map(|mut command| {
            command
                .args(["-q", "-t", file_system])
                .arg(disk)
                .arg(format!("{DISK_MIB}M"));
            command
        })?;
    run_tool(command, "mke2fs").map(drop)
}

/// The file system must be clean, and hold what the machine said it wrote.
fn check_disk(context: &Context, disk: &Path) -> Result<()> {
    let tools = &context.products.tools;
    let mut e2fsck = tools.command("e2fsck")?;
    e2fsck.args(["-f", "-n"]).arg(disk);
    run_tool(e2fsck, "e2fsck")?;
    let read = |file: &str| -> Result<Vec<u8>> {
        let mut debugfs = tools.command("debugfs")?;
        debugfs.args(["-R", &format!("cat {file}")]).arg(disk);
        run_tool(debugfs, "debugfs")
    };
    let digest = format!("{:016x}\n", workload::digest(SEED));
    if read("/digest")? != digest.as_bytes() {
        bail!("the disk's file /digest is not what the machine computed");
    }
    let sums = String::from_utf8_lossy(&read("/sums")?).into_owned();
    let mut compared = 0;
    for line in sums.lines() {
        let Some((sum, file)) = line.split_once("  ./") else {
            continue;
        };
        // Reading each of some hundred files takes a process: every eighth will do,
        // and the large ones.
        if compared % 8 == 0 || file.starts_with("numbers") {
            let digest = Sha256::digest(read(&format!("/{file}"))?);
            let found: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            if found != sum {
                bail!("the disk's file /{file} differs from what the machine wrote");
            }
        }
        compared += 1;
    }
    if compared == 0 {
        bail!("the disk's list of checksums is empty");
    }
    Ok(())
}

/// Runs a tool to its end and returns what it printed.
fn run_tool(mut command: Command, name: &str) -> Result<Vec<u8>> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {name}"))?;
    if !output.status.success() {
        bail!(
            "{name} ended with {}: {} {}",
            output.status,
            String::from_utf8_lossy(&output.stdout).trim(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_says_nothing_is_missed() {
        let all: String = SCRIPT
            .lines()
            .filter(|line| is_check(line))
            .filter_map(|line| line.split_whitespace().nth(1))
            .map(|name| format!("{MARKER} {name} ok\r\n"))
            .collect();
        assert!(all.lines().count() > 10);
        assert!(judge(&all, &[]).is_ok());
        assert!(judge(&all, &[WATCHPOINTS_CHECK]).is_err());
        assert!(judge(&all.replace("cpus ok", ""), &[]).is_err());
        assert!(judge(&all.replace("cpus ok", "cpus FAILED"), &[]).is_err());
    }
}
