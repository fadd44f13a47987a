// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Suite `backend`: the Rust backend finds its way into the distribution's QEMU,
//! and changes nothing in a QEMU that does not use it.
//!
//! Most of it needs no machine: qemu-loongarch64 runs QEMU itself as a program.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};

use super::Context;
use super::checks;
use super::report::{Report, Verdict, detail};
use crate::backend::{self, Backend};
use crate::bench::backend as bench;
use crate::machine::{Machine, make_share};
use crate::nested::copy;

const SCRIPT: &str = include_str!("../../../tests/guest/backend-test");

/// What the script's lines begin with.
const MARKER: &str = "KVM-LA-BACKEND";

/// How long the KVM host may take.
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// How long QEMU may take that only answers questions, in seconds.
const PATIENCE: &str = "120";
/// What timeout(1) ends with if that is not enough.
const TIMED_OUT: i32 = 124;

/// What the backend's own lines begin with.
const OWN_LINE: &str = "accel-kvm-la: ";

/// A symbol that the backend needs, and what a QEMU without it has instead.
const SYMBOL: &[u8] = b"\0vmstate_cpu_common\0";
const CHANGED: &[u8] = b"\0vmstate_cpu_cXmmon\0";

/// Builds whose structures were decoded by hand: Debian's 11.1.2 and 11.1.3.
const DECODED: &[&str] = &[
    "6c6027f9a2ac4c9c7c8cd3eaa5048fece061b592",
    "5b527efd9533220c39a759898ca777b103116332",
];

/// Where their fields are.
const OFFSETS: &[(&str, usize)] = &[
    ("halted", 804),
    ("cpu_index", 792),
    ("thread", 168),
    ("thread_id", 176),
    ("unplug", 197),
    ("exit_request", 199),
    ("singlestep_flags", 212),
    ("random_seed", 232),
    ("kvm_fd", 728),
    ("kvm_run", 744),
    ("vcpu_dirty", 812),
    ("gpr", 0x40e0),
    ("pc", 0x41e0),
    ("fpr", 0x41f0),
    ("cf", 0x45f0),
    ("fcsr0", 0x45f8),
    ("lbt_scr0", 0x4600),
    ("lbt_eflags", 0x4620),
    ("lbt_ftop", 0x4624),
    ("cpucfg", 0x4628),
    ("CSR_CRMD", 0x4690),
    ("CSR_ESTAT", 0x46b8),
    ("CSR_RVACFG", 0x4738),
    ("CSR_CPUID", 0x4740),
    ("CSR_PRCFG1", 0x4748),
    ("CSR_SAVE", 0x4760),
    ("CSR_TCFG", 0x47e8),
    ("CSR_TLBRPRMD", 0x4858),
    ("CSR_DMW", 0x4898),
    ("CSR_PERFCTRL", 0x48b8),
    ("CSR_PERFCNTR", 0x4938),
    ("CSR_MSGIS", 0x49d0),
    ("stealtime_guest_addr", 0x4a00),
    ("perf_event_num", 0x4a08),
    ("pmu", 0x11098),
    ("ptw", 0x1109c),
    ("lsx", 0x110a0),
    ("lasx", 0x110a4),
    ("msgint", 0x110a8),
    ("kvm_state_counter", 0x110d0),
];

/// Questions that management software asks, with answers that do not differ
/// from run to run.
const QUESTIONS: &str = r#"{"execute":"qmp_capabilities"}
{"execute":"query-kvm"}
{"execute":"query-status"}
{"execute":"qom-list-types","arguments":{"implements":"accel"}}
{"execute":"query-cpu-definitions"}
{"execute":"query-cpu-model-expansion","arguments":{"type":"full","model":{"name":"max"}}}
{"execute":"qom-list-properties","arguments":{"typename":"kvm-accel"}}
{"execute":"quit"}
"#;

/// Command lines that must do the same with and without the backend.
const UNCHANGED: &[(&str, &[&str])] = &[
    ("version", &["--version"]),
    ("accel-help", &["-accel", "help"]),
    ("cpu-help", &["-cpu", "help"]),
    ("machine-help", &["-machine", "help"]),
    ("device-help", &["-device", "help"]),
    ("kvm-options", &["-accel", "kvm,help"]),
    (
        "probe",
        &["-machine", "none,accel=kvm:tcg", "-qmp", "stdio"],
    ),
    (
        "tcg",
        &[
            "-machine", "virt", "-cpu", "max", "-accel", "tcg", "-S", "-qmp", "stdio",
        ],
    ),
    (
        "no-kvm",
        &[
            "-machine", "virt", "-cpu", "max", "-accel", "kvm", "-qmp", "stdio",
        ],
    ),
    ("bad-option", &["-accel", "kvm,no-such-option=1"]),
];

pub(super) fn run(context: &Context, report: &mut Report) -> Result<()> {
    let products = &context.products;
    let qemu = products
        .userland
        .tree()
        .join("usr/bin/qemu-system-loongarch64");
    let user = User {
        emulator: products.qemu_user(),
        tree: products.userland.tree(),
        backend: backend::make(products)?,
    };
    report.case("attach", || user.attach(&qemu));
    report.case("offsets", || user.offsets(&qemu));
    for (name, arguments) in UNCHANGED {
        report.case(&format!("unchanged,{name}"), || {
            user.unchanged(&qemu, &qemu, arguments)
        });
    }
    let run = products.cache.new_run("backend")?;
    let changed = run.join("qemu-system-loongarch64");
    change(&qemu, &changed)?;
    report.case("refusal", || user.refusal(&changed));
    for (name, arguments) in UNCHANGED {
        report.case(&format!("refused-is-silent,{name}"), || {
            user.unchanged(&qemu, &changed, arguments)
        });
    }
    report.case("kvm-host", || kvm_host(context, &user.backend, &changed));
    fs::remove_dir_all(&run)?;
    report.case("ioctls", || {
        detail(bench::check(products, &context.simulator, context.kvm)?);
        Ok(Verdict::Passed)
    });
    Ok(())
}

/// QEMU run by qemu-loongarch64.
struct User {
    emulator: PathBuf,
    tree: PathBuf,
    backend: Backend,
}

impl User {
    /// Runs QEMU to its end, with the backend if a level of its log is given.
    fn qemu(&self, qemu: &Path, log: Option<&str>, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new("timeout");
        command
            .arg(PATIENCE)
            .arg(&self.emulator)
            .arg("-L")
            .arg(&self.tree);
        if let Some(level) = log {
            let mut preload = std::ffi::OsString::from("LD_PRELOAD=");
            preload.push(self.backend.library());
            command.arg("-E").arg(preload);
            command.arg("-E").arg(format!("KVM_LA_LOG={level}"));
        }
        // Messages begin with the program's name: the same for all.
        command.arg("-0").arg("qemu").arg(qemu);
        command
            .args(["-nodefaults", "-display", "none"])
            .args(arguments);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run timeout")?;
        let mut stdin = child.stdin.take().ok_or_else(|| anyhow!("no input"))?;
        // A QEMU that is asked nothing may end before it has read this.
        let _ = stdin.write_all(QUESTIONS.as_bytes());
        drop(stdin);
        Ok(child.wait_with_output()?)
    }

    /// What the backend says while it goes in.
    fn log(&self, qemu: &Path) -> Result<String> {
        let output = self.qemu(qemu, Some("debug"), &["--version"])?;
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            bail!("QEMU ended with {}:\n{log}", output.status);
        }
        Ok(log)
    }

    fn attach(&self, qemu: &Path) -> Result<Verdict> {
        let log = self.log(qemu)?;
        // "N functions and N operations replaced"
        let counts: Option<(usize, usize)> = log.lines().find_map(|line| {
            let rest = line.strip_suffix(" operations replaced")?;
            let (rest, operations) = rest.rsplit_once(" functions and ")?;
            let functions = rest.rsplit(' ').next()?;
            Some((functions.parse().ok()?, operations.parse().ok()?))
        });
        match counts {
            Some((1.., 1..)) => Ok(Verdict::Passed),
            Some(_) => bail!("nothing was replaced:\n{log}"),
            None => bail!("the backend did not go in:\n{log}"),
        }
    }

    fn offsets(&self, qemu: &Path) -> Result<Verdict> {
        let log = self.log(qemu)?;
        if !DECODED.iter().any(|build| log.contains(build)) {
            return Ok(Verdict::Skipped(
                "this QEMU's structures were not decoded by hand".to_owned(),
            ));
        }
        let mut wrong = Vec::new();
        for (name, expected) in OFFSETS {
            let prefix = format!("{name} at 0x");
            let found = log
                .lines()
                .filter_map(|line| line.strip_prefix(OWN_LINE)?.split_once(": "))
                .find_map(|(_, said)| said.strip_prefix(prefix.as_str()))
                .and_then(|rest| rest.split(' ').next())
                .and_then(|digits| usize::from_str_radix(digits, 16).ok());
            if found != Some(*expected) {
                wrong.push(format!("{name} at {found:?}, not {expected}"));
            }
        }
        if wrong.is_empty() {
            Ok(Verdict::Passed)
        } else {
            bail!("{}", wrong.join(", "))
        }
    }

    /// `other` with the backend does what `stock` does without it.
    fn unchanged(&self, stock: &Path, other: &Path, arguments: &[&str]) -> Result<Verdict> {
        let stock = self.qemu(stock, None, arguments)?;
        let other = self.qemu(other, Some("off"), arguments)?;
        if stock.status != other.status {
            bail!(
                "{} without the backend, {} with it: {}",
                stock.status,
                other.status,
                String::from_utf8_lossy(&other.stderr)
            );
        }
        if stock.status.code() == Some(TIMED_OUT) {
            bail!("no end within {PATIENCE} s");
        }
        let of = |output: &Output| (lines(&output.stdout), lines(&output.stderr));
        let (stock, other) = (of(&stock), of(&other));
        if stock.0.is_empty() && stock.1.is_empty() {
            bail!("QEMU said nothing, so nothing was compared");
        }
        if stock != other {
            bail!("without the backend: {stock:?}\nwith it: {other:?}");
        }
        Ok(Verdict::Passed)
    }

    fn refusal(&self, changed: &Path) -> Result<Verdict> {
        let log = self.log(changed)?;
        if log.contains("replaced") {
            bail!("the backend went into a QEMU that lacks a symbol:\n{log}");
        }
        if !log.contains("it does not export vmstate_cpu_common") {
            bail!("the reason is not told:\n{log}");
        }
        Ok(Verdict::Passed)
    }
}

/// Lines without those that carry times.
fn lines(bytes: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(bytes)
        .lines()
        .filter(|line| !line.contains("\"timestamp\""))
        .map(str::to_owned)
        .collect()
}

/// Makes a QEMU that the backend cannot know.
fn change(qemu: &Path, changed: &Path) -> Result<()> {
    let mut bytes = fs::read(qemu).with_context(|| format!("cannot read {}", qemu.display()))?;
    let at = bytes
        .windows(SYMBOL.len())
        .position(|window| window == SYMBOL)
        .ok_or_else(|| anyhow!("{} does not export vmstate_cpu_common", qemu.display()))?;
    bytes
        .iter_mut()
        .skip(at)
        .zip(CHANGED)
        .for_each(|(byte, new)| *byte = *new);
    copy(qemu, changed)?;
    fs::write(changed, bytes).with_context(|| format!("cannot write {}", changed.display()))
}

/// The script on a KVM host.
fn kvm_host(context: &Context, backend: &Backend, changed: &Path) -> Result<Verdict> {
    let products = &context.products;
    let run = products.cache.new_run("backend-host")?;
    let share = run.join("share");
    make_share(&share, SCRIPT)?;
    copy(&context.kvm.kvm_ko(products)?, &share.join("kvm.ko"))?;
    copy(changed, &share.join("qemu-changed"))?;
    for file in [backend.library(), backend.launcher()] {
        copy(&file, &share.join(file.file_name().unwrap_or_default()))?;
    }
    let machine = Machine {
        kernel: products.host_kernel.vmlinux(),
        initrd: Some(products.initramfs.host()),
        smp: 1,
        memory_mib: 1536,
        drives: vec![products.userland_drive()],
        share: Some(share),
        ..Machine::default()
    };
    let log = run.join("console.log");
    let outcome = machine.run(&context.simulator, &log, LIMIT, |_| {})?;
    outcome
        .check(LIMIT)
        .with_context(|| format!("see {}", log.display()))?;
    let verdict = checks::verdict(&outcome.console, MARKER, &log)?;
    if !verdict.is_failure() {
        fs::remove_dir_all(&run)?;
    }
    Ok(verdict)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_changed_name_has_the_length_of_the_old() {
        assert_eq!(SYMBOL.len(), CHANGED.len());
    }
}
