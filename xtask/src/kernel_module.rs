// SPDX-License-Identifier: Apache-2.0 OR MIT

//! This project's kvm.ko: `kernel-module/` with the crates it is made of, built
//! against the KVM host's kernel inside the toolchain root.
//!
//! Kbuild writes beside the sources, so they are copied into the cache first: a
//! checkout stays as it is, and what a `make` in it left behind is not used.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::cache::Key;
use crate::progress::Step;
use crate::setup::{MAKE_VARIABLES, Products, workspace};
use crate::sources::Sources;
use crate::toolroot::KERNEL_BUILD;

/// The directories of the checkout that the module is made of.
pub(crate) const SOURCES: &[&str] = &["kernel-module", "kvm-core", "la-arch"];

/// Where the copy is bound inside the root. A fixed place: the compilers write
/// it into the module.
pub(crate) const INSIDE: &str = "/kvm-la/module";

/// The module for the KVM host's kernel; built if its sources, or that kernel,
/// are not those of an earlier build.
pub(crate) fn kvm_ko(products: &Products) -> Result<PathBuf> {
    let workspace = workspace()?;
    let files = Sources::read(&workspace, SOURCES)?;
    let key = files.add_to(Key::new(1).with("kernel", products.host_kernel.name()));
    let cache = &products.cache;
    let lock = cache.lock()?;
    let dir = match cache.get("kvm-module", &key) {
        Some(dir) => dir,
        None => cache.make("kvm-module", &key, |dir| build(products, &files, dir))?,
    };
    drop(lock);
    Ok(dir.join("kvm.ko"))
}

fn build(products: &Products, files: &Sources, dir: &Path) -> Result<()> {
    let tree = dir.join("tree");
    files.write(&tree)?;
    let log = products.cache.logs()?.join("kvm-module.log");
    // One build's lines, not those of all builds before it.
    fs::write(&log, b"").with_context(|| format!("cannot write {}", log.display()))?;
    let tools = products.kernel_tools().with_bind(&tree, Path::new(INSIDE));
    let mut make = tools.command_in(Path::new(INSIDE), "make");
    make.args(MAKE_VARIABLES);
    make.args(["-C", "kernel-module"]);
    make.arg(format!("KDIR={KERNEL_BUILD}"));
    let jobs = std::thread::available_parallelism().map_or(1, |n| n.get());
    make.args([&format!("-j{jobs}"), "modules"]);
    let mut step = Step::start("kvm.ko: building");
    step.compile(make, &log, &format!("{INSIDE}/"))
        .with_context(|| {
            let series = products.series;
            format!("no kvm.ko for Linux {series} (--kernel chooses another series)")
        })?;
    fs::rename(tree.join("kernel-module/kvm.ko"), dir.join("kvm.ko"))
        .context("the build of kernel-module made no kvm.ko")?;
    fs::remove_dir_all(&tree).with_context(|| format!("cannot remove {}", tree.display()))?;
    step.done();
    Ok(())
}
