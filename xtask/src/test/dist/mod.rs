// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Suite `dist`: each Debian package is installed, used, upgraded to a higher version
//! and removed, in a root of its kind or on the simulated machine.

mod engines;
mod kernel;

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::report::{Report, Verdict};
use super::{Context, checks};
use crate::dist::{Dist, Identity};
use crate::machine::{Drive, Machine, make_share};
use crate::nested::{Stack, copy};
use crate::setup::dpkg_userland::{self, DpkgUserland};
use crate::setup::{clean_root, workspace};
use crate::toolroot::{KERNEL_BUILD, KERNEL_SOURCE, ToolRoot};

/// What the checks' lines begin with.
const MARKER: &str = "KVM-LA-DIST";

/// What every script begins with.
const CHECKS: &str = include_str!("checks.sh");

/// Where a root sees the packages, and what a simulator boots.
const PACKAGES: &str = "/kvm-la/packages";
const BOOT: &str = "/kvm-la/boot";

/// A case.
type Case = fn(&Context, &Packages) -> Result<Verdict>;

const CASES: &[(&str, Case)] = &[
    ("lvz-sim:amd64", |context, packages| {
        let root = clean_root(&packages.dist.cache)?;
        lvz_sim(context, packages, "lvz-sim:amd64", &root, &[])
    }),
    ("lvz-sim:arm64", |context, packages| {
        on_arm64(packages, |root| {
            lvz_sim(context, packages, "lvz-sim:arm64", root, &["qemu-aarch64"])
        })
    }),
    ("engines:arm64", |_, packages| {
        on_arm64(packages, engines::run)
    }),
    ("kvm-la-dkms", |context, packages| {
        module_source(context, packages, "whole")
    }),
    ("kvm-la-dkms,headers", |context, packages| {
        module_source(context, packages, "headers")
    }),
    ("qemu-kvm-la", backend),
    (KERNEL, kernel::run),
    ("lintian", |_, packages| lintian(packages)),
    ("reproducible", |_, packages| reproducible(packages)),
];

/// The case whose build takes longer than all else.
const KERNEL: &str = "linux-image:minimal";

pub(super) fn run(context: &Context, report: &mut Report) -> Result<()> {
    let named = report
        .only()
        .is_some_and(|only| only.contains("linux-image"));
    let cases = CASES
        .iter()
        .filter(|(name, _)| *name != KERNEL || context.everything || named);
    if !report.wants_any(cases.clone().map(|(name, _)| *name)) {
        return Ok(());
    }
    let packages = Packages::new()?;
    for (name, case) in cases {
        report.case(name, || case(context, &packages));
    }
    Ok(())
}

/// Runs something in the packaging root, which has the libraries for arm64 too, and whose
/// dpkg knows them.
fn on_arm64(
    packages: &Packages,
    run: impl FnOnce(&ToolRoot) -> Result<Verdict>,
) -> Result<Verdict> {
    let root = &packages.dist.root;
    if !root.dir().join(QEMU_ARM64).is_file() {
        return Ok(Verdict::Skipped(format!(
            "the packaging root has no {QEMU_ARM64}"
        )));
    }
    run(root)
}

/// What runs programs for arm64.
const QEMU_ARM64: &str = "usr/bin/qemu-aarch64";

/// The packages of this checkout, in two versions.
struct Packages {
    dist: Dist,
    old: Identity,
    new: Identity,
    /// The module that DKMS built of one, if that case has run.
    module: OnceCell<Vec<u8>>,
}

impl Packages {
    fn new() -> Result<Self> {
        let old = Identity::of_checkout(&workspace()?)?;
        let new = Identity {
            version: format!("{}+upgrade", old.version),
            ..old.clone()
        };
        Ok(Self {
            dist: Dist::new()?,
            old,
            new,
            module: OnceCell::new(),
        })
    }

    /// Puts both versions of a package into a directory, as old.deb and new.deb.
    fn put(&self, name: &str, dir: &Path) -> Result<()> {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        copy(&self.dist.build(name, &self.old)?, &dir.join("old.deb"))?;
        copy(&self.dist.build(name, &self.new)?, &dir.join("new.deb"))
    }
}

const LVZ_SIM: &str = include_str!("lvz-sim.sh");

fn lvz_sim(
    context: &Context,
    packages: &Packages,
    name: &str,
    root: &ToolRoot,
    runner: &[&str],
) -> Result<Verdict> {
    let run = packages.dist.cache.new_run("lvz-sim")?;
    packages.put(name, &run.join("packages"))?;
    let boot = run.join("boot");
    fs::create_dir(&boot)?;
    copy(
        &context.products.host_kernel.vmlinux(),
        &boot.join("kernel"),
    )?;
    copy(&context.products.initramfs.guest(), &boot.join("initrd"))?;
    let root = root
        .apart()
        .with_bind(&run.join("packages"), Path::new(PACKAGES))
        .with_bind(&boot, Path::new(BOOT));
    let mut arguments = vec![packages.old.version.as_str(), packages.new.version.as_str()];
    arguments.extend(runner);
    let verdict = script(&root, LVZ_SIM, &arguments, &run)?;
    if !verdict.is_failure() {
        fs::remove_dir_all(&run)?;
    }
    Ok(verdict)
}

const MODULE_SOURCE: &str = include_str!("module-source.sh");

/// DKMS builds the module in the toolchain root.
fn module_source(context: &Context, packages: &Packages, headers: &str) -> Result<Verdict> {
    let run = packages.dist.cache.new_run("kvm-la-dkms")?;
    packages.put("kvm-la-dkms", &run.join("packages"))?;
    let kernel = &context.products.host_kernel;
    let root = context
        .products
        .tools
        .apart()
        .with_bind(&run.join("packages"), Path::new(PACKAGES))
        .with_bind(packages.dist.root.dir(), Path::new("/kvm-la/packaging"))
        .with_bind(kernel.source(), Path::new(KERNEL_SOURCE))
        .with_bind(&kernel.build(), Path::new(KERNEL_BUILD));
    let versions = [packages.old.version.as_str(), &packages.new.version];
    let verdict = script(
        &root,
        MODULE_SOURCE,
        &[versions[0], versions[1], headers],
        &run,
    )?;
    if !verdict.is_failure() {
        let module = fs::read(run.join("packages/kvm.ko")).context("the script left no module")?;
        packages.module.get_or_init(|| module);
        fs::remove_dir_all(&run)?;
    }
    Ok(verdict)
}

const BACKEND: &str = include_str!("../../../../tests/guest/dist-test");

/// How long the simulated machine may take.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// The backend on a Debian that runs, with the kvm.ko that DKMS built, if it did.
fn backend(context: &Context, packages: &Packages) -> Result<Verdict> {
    let products = &context.products;
    let run = packages.dist.cache.new_run("qemu-kvm-la")?;
    let share = run.join("share");
    packages.put("qemu-kvm-la", &share)?;
    let debian = debian(context, packages)?;
    copy(&debian.newer_qemu(), &share.join("qemu.deb"))?;
    match packages.module.get() {
        Some(module) => fs::write(share.join("kvm.ko"), module)?,
        None => copy(&Stack::Rust.kvm_ko(products)?, &share.join("kvm.ko"))?,
    }
    copy(&products.host_kernel.vmlinux(), &share.join("guest.kernel"))?;
    copy(&products.initramfs.guest(), &share.join("guest.initrd"))?;
    let versions = [packages.old.version.as_str(), &packages.new.version];
    let verdict = on_debian(context, &debian, &run, BACKEND, &versions)?;
    if !verdict.is_failure() {
        fs::remove_dir_all(&run)?;
    }
    Ok(verdict)
}

/// A Debian for the simulated machine with a dpkg that works.
fn debian(context: &Context, packages: &Packages) -> Result<DpkgUserland> {
    let (cache, root) = (&packages.dist.cache, &packages.dist.root);
    dpkg_userland::make(&context.products, cache, root)
}

/// Runs a script of checks on the simulated machine, with the folder `share` of the
/// run's directory.
fn on_debian(
    context: &Context,
    debian: &DpkgUserland,
    run: &Path,
    text: &str,
    arguments: &[&str],
) -> Result<Verdict> {
    let share = run.join("share");
    let arguments = arguments.join(" ");
    make_share(&share, &format!("set -- {arguments}\n{CHECKS}\n{text}"))?;
    let machine = Machine {
        kernel: context.products.host_kernel.vmlinux(),
        initrd: Some(context.products.initramfs.host()),
        smp: 1,
        memory_mib: 2048,
        drives: vec![Drive {
            path: debian.image(),
            writable: false,
        }],
        share: Some(share),
        ..Machine::default()
    };
    let log = run.join("console.log");
    let outcome = machine.run(&context.simulator, &log, LIMIT, |_| {})?;
    outcome
        .check(LIMIT)
        .with_context(|| format!("see {}", log.display()))?;
    checks::verdict(&outcome.console, MARKER, &log)
}

/// Runs a script of checks in a root, its output into a log of the run's directory.
fn script(root: &ToolRoot, text: &str, arguments: &[&str], run: &Path) -> Result<Verdict> {
    let log = run.join("log");
    let mut shell = root.command_in(Path::new("/"), "sh");
    shell
        .args(["-c", &format!("{CHECKS}\n{text}"), "sh"])
        .args(arguments);
    let (output, status) = output(shell)?;
    fs::write(&log, &output).with_context(|| format!("cannot write {}", log.display()))?;
    if !status.success() {
        bail!("the script ended with {status}, see {}", log.display());
    }
    checks::verdict(&output, MARKER, &log)
}

/// What a command prints, of both kinds in the order that it has, and how it ends.
fn output(mut command: Command) -> Result<(String, ExitStatus)> {
    let (reader, writer) = std::io::pipe()?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    // It holds the pipe's writing end too.
    drop(command);
    let text = std::io::read_to_string(reader)?;
    Ok((text, child.wait()?))
}

/// Debian's own check of packages finds nothing.
fn lintian(packages: &Packages) -> Result<Verdict> {
    let root = &packages.dist.root;
    if !root.dir().join("usr/bin/lintian").is_file() {
        return Ok(Verdict::Skipped(
            "the packaging root has no lintian".to_owned(),
        ));
    }
    let files = packages.all()?;
    let mut lintian = root.command("lintian")?;
    lintian.args(["--fail-on", "error,warning", "--display-level", ">=warning"]);
    // About an upload to Debian, which these are not made for, and its maintainers.
    lintian.args([
        "--suppress-tags",
        "initial-upload-closes-no-bugs,bogus-mail-host",
    ]);
    let (text, status) = output({
        lintian.args(&files);
        lintian
    })?;
    if !status.success()
        || text
            .lines()
            .any(|line| line.starts_with("E:") || line.starts_with("W:"))
    {
        bail!("lintian ended with {status}:\n{}", text.trim_end());
    }
    Ok(Verdict::Passed)
}

/// The same checkout gives the same packages, byte for byte.
fn reproducible(packages: &Packages) -> Result<Verdict> {
    let again = packages.dist.cache.apart("again")?;
    for name in Dist::names() {
        let first = packages.dist.build(name, &packages.old)?;
        let second = packages.dist.build_in(&again, name, &packages.old)?;
        if fs::read(&first)? != fs::read(&second)? {
            bail!("{} and {} differ", first.display(), second.display());
        }
    }
    fs::remove_dir_all(again.dir())?;
    Ok(Verdict::Passed)
}

impl Packages {
    fn all(&self) -> Result<Vec<PathBuf>> {
        Dist::names()
            .map(|name| self.dist.build(name, &self.old))
            .collect()
    }
}
