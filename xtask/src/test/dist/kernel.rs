// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The kernel package: installed and removed on a Debian that runs, then booted as a
//! KVM host on which the module that it brought runs a guest.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::{LIMIT, Packages, debian, on_debian};
use crate::initramfs;
use crate::nested::{Guest, Nested, Stack, copy};
use crate::setup::DISTRIBUTION_PARAMETERS;
use crate::test::Context;
use crate::test::report::Verdict;

const PACKAGE: &str = "linux-image:minimal";

const SCRIPT: &str = include_str!("../../../../tests/guest/dist-kernel");

/// The drivers that a simulated machine needs before its first file system.
const DRIVERS: &[&str] = &[
    "virtio_mmio",
    "virtio_blk",
    "virtio_rng",
    "9pnet_virtio",
    "9p",
    "ext4",
    "overlay",
];

pub(super) fn run(context: &Context, packages: &Packages) -> Result<Verdict> {
    let run = packages.dist.cache.new_run("linux-image")?;
    let share = run.join("share");
    packages.put(PACKAGE, &share)?;
    let release = release(&packages.dist.build(PACKAGE, &packages.old)?)?;
    let mut arguments = vec![
        release.as_str(),
        &packages.old.version,
        &packages.new.version,
    ];
    arguments.extend(DRIVERS);
    let verdict = on_debian(
        context,
        &debian(context, packages)?,
        &run,
        SCRIPT,
        &arguments,
    )?;
    if verdict.is_failure() {
        return Ok(verdict);
    }
    boot(context, packages, &run)?;
    fs::remove_dir_all(&run)?;
    Ok(verdict)
}

/// The release of a package's kernel, by the name of its file.
fn release(package: &Path) -> Result<String> {
    let name = package.file_name().unwrap_or_default().to_string_lossy();
    match name
        .split_once('_')
        .and_then(|(name, _)| name.strip_prefix("linux-image-"))
    {
        Some(release) => Ok(release.to_owned()),
        None => bail!("{name} is no package of a kernel"),
    }
}

/// Boots the kernel that the script left in the run's folder; a guest runs on it.
fn boot(context: &Context, packages: &Packages, run: &Path) -> Result<()> {
    let left = run.join("share");
    let mut modules = modules(packages, &left.join("modules"))?;
    // The last one is what the script asked for last.
    let kvm = modules.pop().context("the script left no module")?;
    let initrd = run.join("initrd");
    initramfs::with_modules(&context.products.initramfs.host(), &modules, &initrd)?;
    let nested = Nested {
        kvm: Stack::Rust,
        accel: Stack::Rust,
        host_smp: 2,
        kernel_irqchip: true,
        guests: vec![Guest::default()],
        interactive: false,
        copy_share: false,
    };
    let share = run.join("host");
    let mut machine = nested.machine(&context.products, &share)?;
    copy(&kvm, &share.join("kvm.ko"))?;
    machine.kernel = left.join("kernel");
    machine.initrd = Some(initrd);
    machine.append = DISTRIBUTION_PARAMETERS.to_owned();
    let log = run.join("host.log");
    nested.pass(&machine, &context.simulator, &log, LIMIT)
}

/// The modules that the script left, in their order, without compression.
fn modules(packages: &Packages, dir: &Path) -> Result<Vec<PathBuf>> {
    let order = fs::read_to_string(dir.join("order")).context("the script left no modules")?;
    let mut files = Vec::new();
    for name in order.lines() {
        let file = dir.join(name);
        if let Some(plain) = name.strip_suffix(".xz") {
            let inside = Path::new("/kvm-la/modules");
            let root = packages.dist.root.clone().with_bind(dir, inside);
            let status = root
                .command_in(inside, "xz")
                .args(["--decompress", name])
                .status()?;
            if !status.success() {
                bail!("xz cannot decompress {}", file.display());
            }
            files.push(dir.join(plain));
        } else {
            files.push(file);
        }
    }
    Ok(files)
}
