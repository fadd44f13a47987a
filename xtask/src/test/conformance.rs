// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Suite `conformance`: the image set of the bare-metal programs, as others use it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::Context;
use super::report::{Report, Verdict, detail};
use crate::cargo::cargo;
use crate::conformance::{self, RUNNER};
use crate::machine::Simulator;
use crate::setup::workspace;

/// Programs about LVZ that need nothing but LVZ, and those for a CPU that has all.
const LVZ_PROGRAMS: u64 = 41;
const LARGER_LVZ_PROGRAMS: u64 = 44;

/// Readings that such a CPU shows, without what it lacks.
const READINGS: usize = 25;
const LARGER_READINGS: usize = 27;

/// The EFI program leaves out what starts CPUs or changes interrupt controllers.
const EFI_LVZ_PROGRAMS: u64 = 39;

pub(super) fn run(context: &Context, report: &mut Report) -> Result<()> {
    report.case("verdicts", || verdicts(context));
    let set = Set::new(context)?;
    report.case("lvz-sim", || {
        let seen = set.simulated("")?;
        seen.all_of("base", None)?;
        seen.all_of("lvz", Some(LVZ_PROGRAMS))?;
        seen.readings("default", READINGS)
    });
    report.case("lvz-sim,cpu=la664", || {
        let seen = set.simulated("--cpu la664,avec=on")?;
        seen.all_of("base", None)?;
        seen.all_of("lvz", Some(LARGER_LVZ_PROGRAMS))?;
        seen.readings("default", LARGER_READINGS)
    });
    // Readings that leave each other alone.
    report.case("lvz-sim,readings", || {
        let others = "hvcl-user=exit,toci2-cache=existing,shot-tval=frozen,save8=present";
        let seen = set.simulated(&format!("--lvz {others}"))?;
        seen.readings("other", others.split(',').count())
    });
    report.case("qemu", || {
        let qemu = "qemu-system-loongarch64 -machine virt -cpu la464 -m 512M -smp {cpus} \
                    -display none -nodefaults -serial stdio -kernel {}";
        let seen = set.run(&["--emulator", qemu, "--timeout", "120"])?;
        seen.base_alone()
    });
    report.case("qemu,efi", || {
        let qemu = format!(
            "qemu-system-loongarch64 -machine virt -cpu la464 -m 1G -display none -nodefaults \
             -serial stdio -bios {} -nic none -device virtio-blk-pci,drive=disk \
             -drive if=none,id=disk,format=raw,readonly=on,file=fat:{{}}",
            context.products.firmware_code().display()
        );
        let seen = set.run(&["--efi", &qemu, "--timeout", "120"])?;
        seen.base_alone()
    });
    report.case("lvz-sim,efi", || {
        let disk = set.disk()?;
        // What a shell does with the directory's name: nothing.
        let command = format!(
            "sh -c 'exec {} run --exit-with-parent --machine virt --memory 1G --firmware {} \
             --drive {},readonly # {{}}'",
            set.simulator()?.display(),
            context.products.firmware_code().display(),
            disk.display(),
        );
        let seen = set.run(&["--efi", &command, "--timeout", "120"])?;
        seen.all_of("base", None)?;
        seen.all_of("lvz", Some(EFI_LVZ_PROGRAMS))?;
        Ok(Verdict::Passed)
    });
    report.case("archive", || set.archive());
    report.case("library,ci", || ci(&set));
    fs::remove_dir_all(&set.dir)?;
    Ok(())
}

/// The library's example, a CI job, with a program of the set as a hypervisor.
fn ci(set: &Set<'_>) -> Result<Verdict> {
    let example = example("ci")?;
    let image = |name: &str| set.dir.join("images").join(name).display().to_string();
    let (clean, found) = (image("base-timer.elf"), image("lvz-e01_caps.elf"));
    let beside = format!("{}@0x88000000", set.dir.join("manifest.json").display());
    for (arguments, status, says) in [
        (&["end 0x", &clean, &beside][..], 0, ""),
        (&["no such line", &clean], 1, "the machine ended"),
        (
            &["no such line", &clean, "--seconds", "0"],
            1,
            "0 seconds are over",
        ),
        (
            &["end 0x", &clean, "--instructions", "0"],
            1,
            "0 instructions are over",
        ),
        (&["end 0x", &found], 1, "lint:"),
        (&["end 0x", "/nowhere/kernel"], 2, "cannot read it"),
        (&["end 0x", &clean, "/nowhere/file"], 2, "cannot read it"),
    ] {
        let output = Command::new(&example)
            .args(arguments)
            .output()
            .with_context(|| format!("cannot run {}", example.display()))?;
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.code() != Some(status) || !said.contains(says) {
            bail!("with {arguments:?} it ended with {}: {said}", output.status);
        }
    }
    Ok(Verdict::Passed)
}

/// An example of the workspace, built with all of it: `cargo test` has built it so.
fn example(name: &str) -> Result<PathBuf> {
    let workspace = workspace()?;
    let status = Command::new(cargo())
        .current_dir(&workspace)
        .args(["build", "--quiet", "--locked", "--workspace", "--examples"])
        .status()
        .context("cannot run cargo")?;
    if !status.success() {
        bail!("cargo could not build the example {name}");
    }
    Ok(workspace.join("target/debug/examples").join(name))
}

/// The runner's own tests: machines that fail in every way.
fn verdicts(context: &Context) -> Result<Verdict> {
    let dir = workspace()?.join("tests/conformance");
    let mut python = context.products.tools.command("python3")?;
    python
        .args(["-B", "-m", "unittest", "--quiet", "test_run"])
        .env("PYTHONPATH", &dir);
    let output = python.output().context("cannot run python3")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(Verdict::Passed)
}

/// A set, and what to run it with.
struct Set<'a> {
    context: &'a Context,
    dir: PathBuf,
}

impl<'a> Set<'a> {
    fn new(context: &'a Context) -> Result<Self> {
        let dir = context.products.cache.new_run("conformance")?;
        conformance::write(&context.products, &dir)?;
        Ok(Self { context, dir })
    }

    fn simulator(&self) -> Result<&Path> {
        match &self.context.simulator {
            Simulator::LvzSim { program, .. } => Ok(program),
            Simulator::Tcg(_) => bail!("the suite needs lvz-sim"),
        }
    }

    /// The archive of a set is the same file at any time, and what is in it runs. The set can
    /// be written to a directory that the tools do not see.
    fn archive(&self) -> Result<Verdict> {
        let fresh = PathBuf::from(format!("/var/tmp/kvm-la-conformance-{}", process::id()));
        let unpacked = self.dir.join("unpacked");
        let mut archives = Vec::new();
        for name in ["first.tar.gz", "second.tar.gz"] {
            let file = self.dir.join(name);
            conformance::write(&self.context.products, &fresh)?;
            conformance::pack(&fresh, &file)?;
            fs::remove_dir_all(&fresh)?;
            archives.push(file);
        }
        if fs::read(&archives[0])? != fs::read(&archives[1])? {
            bail!("two archives of one set differ");
        }
        fs::create_dir(&unpacked)?;
        let status = Command::new("tar")
            .args(["--extract", "--file"])
            .arg(&archives[0])
            .arg("--directory")
            .arg(&unpacked)
            .status()
            .context("cannot run tar")?;
        if !status.success() {
            bail!("tar could not unpack the archive");
        }
        let set = Set {
            context: self.context,
            dir: unpacked.join("lvz-conformance"),
        };
        set.simulated("")?.all_of("lvz", Some(LVZ_PROGRAMS))?;
        Ok(Verdict::Passed)
    }

    /// The files of the EFI program as a disk.
    fn disk(&self) -> Result<PathBuf> {
        let disk = self.dir.join("disk");
        let mut convert = self.context.products.tools.command("qemu-img")?;
        convert
            .args(["convert", "-f", "vvfat", "-O", "raw"])
            .arg(format!("fat:{}", self.dir.join("esp").display()))
            .arg(&disk);
        let output = convert.output().context("cannot run qemu-img")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("qemu-img could not make the disk: {said}");
        }
        Ok(disk)
    }

    /// Runs the set on the simulator with further options.
    fn simulated(&self, options: &str) -> Result<Seen> {
        let program = self.simulator()?.display();
        let command = format!(
            "{program} run --exit-with-parent --memory 512M --smp {{cpus}} {options} --kernel {{}}"
        );
        self.run(&["--emulator", &command])
    }

    /// Runs the set; the runner is a program of the toolchain root, as QEMU is.
    fn run(&self, arguments: &[&str]) -> Result<Seen> {
        let result = self.dir.join("result.json");
        if result.exists() {
            // A run that fails must not be judged by the one before it.
            fs::remove_file(&result)?;
        }
        let mut command: Command = self.context.products.tools.command("python3")?;
        command.arg("-B").arg(self.dir.join(RUNNER)).args(arguments);
        command.args(["--jobs", "2", "--json"]).arg(&result);
        let output = command.output().context("cannot run python3")?;
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            // Its row and what is wrong, not each check.
            if !line.starts_with(' ') && !line.is_empty() {
                detail(format_args!("{line}"));
            }
        }
        // 1 is for checks that failed, which are not always a failure here.
        if !matches!(output.status.code(), Some(0 | 1)) {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim_end());
        }
        Seen::read(&result)
    }
}

/// The runner's JSON.
struct Seen(Value);

impl Seen {
    fn read(file: &Path) -> Result<Self> {
        Ok(Self(serde_json::from_str(&fs::read_to_string(file)?)?))
    }

    fn count(&self, group: &str, what: &str) -> Result<u64> {
        let count = self.0.get(group).and_then(|group| group.get(what));
        count
            .and_then(Value::as_u64)
            .with_context(|| format!("the result has no {what} of {group}"))
    }

    /// All programs of a group passed: so many, if that is known.
    fn all_of(&self, group: &str, programs: Option<u64>) -> Result<()> {
        let passed = self.count(group, "passed")?;
        let all = self.count(group, "programs")?;
        if passed != all || all == 0 || programs.is_some_and(|wanted| all != wanted) {
            bail!("{passed} of {all} {group} programs passed, {programs:?} are there");
        }
        let checks = [
            self.count(group, "checks_passed")?,
            self.count(group, "checks_reached")?,
            self.count(group, "checks")?,
        ];
        if checks != [checks[0]; 3] {
            bail!("checks of {group} passed, reached, and there: {checks:?}");
        }
        Ok(())
    }

    /// So many readings are of this kind, and the others are the default.
    fn readings(&self, kind: &str, wanted: usize) -> Result<Verdict> {
        let readings = self.0.get("readings").and_then(Value::as_object);
        let readings = readings.context("the result has no readings")?;
        let of_kind = readings.values().filter(|&which| which == kind).count();
        let known = |which: &Value| which == kind || which == "default";
        if of_kind != wanted || !readings.values().all(known) {
            bail!("readings: {readings:?}");
        }
        Ok(Verdict::Passed)
    }

    /// A machine without LVZ: it ran the other programs, each of them to an end that says
    /// something, and some passed.
    fn base_alone(&self) -> Result<Verdict> {
        if self.count("lvz", "programs")? != 0 || self.count("base", "passed")? == 0 {
            bail!("an LVZ program ran, or no other passed");
        }
        let programs = self.0.get("programs").and_then(Value::as_array);
        for program in programs.context("the result has no programs")? {
            let field = |name| {
                program
                    .get(name)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            let (name, verdict, why) = (field("name"), field("verdict"), field("why"));
            let ran =
                !name.starts_with("lvz/") && ["passed", "failed", "exception"].contains(&verdict);
            if !ran && verdict != "skipped" {
                bail!("{name}: {verdict} {why}");
            }
        }
        Ok(Verdict::Passed)
    }
}
