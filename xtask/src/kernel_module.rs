// SPDX-License-Identifier: Apache-2.0 OR MIT

//! This project's kvm.ko: `kernel-module/` with the crates it is made of, built
//! against the KVM host's kernel inside the toolchain root.
//!
//! Kbuild writes beside the sources, so they are copied into the cache first: a
//! checkout stays as it is, and what a `make` in it left behind is not used.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::cache::Key;
use crate::progress::{Step, is_kbuild_progress};
use crate::setup::{LintTools, MAKE_VARIABLES, Products, workspace};
use crate::sources::Sources;
use crate::toolroot::{KERNEL_BUILD, ToolRoot};

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
    let dir = cache.product("kvm-module", &key, |dir| build(products, &files, dir))?;
    Ok(dir.join("kvm.ko"))
}

fn build(products: &Products, files: &Sources, dir: &Path) -> Result<()> {
    let tree = dir.join("tree");
    files.write(&tree)?;
    let log = products.cache.logs()?.join("kvm-module.log");
    // One build's lines, not those of all builds before it.
    fs::write(&log, b"").with_context(|| format!("cannot write {}", log.display()))?;
    let make = make(products.kernel_tools(), &tree);
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

/// Builds the module, and the two crates in it, by the kernel's `make CLIPPY=1`, which
/// lints with the kernel's own choice. An error has what clippy said.
pub(crate) fn clippy(products: &Products, lint: &LintTools) -> Result<()> {
    let dir = products.cache.new_run("clippy")?;
    let tree = dir.join("tree");
    Sources::read(&workspace()?, SOURCES)?.write(&tree)?;
    let mut make = make(lint.bound_into(products.kernel_tools()), &tree);
    make.arg("CLIPPY=1")
        .arg(format!("CLIPPY_DRIVER={}", lint.path("clippy-driver")));
    let mut step = Step::start("kvm.ko: building with clippy");
    let (status, lines) = step.outcome(make, &dir.join("build.log"))?;
    let said: Vec<&str> = lines
        .iter()
        .map(String::as_str)
        .filter(|line| !is_kbuild_progress(line))
        .collect();
    if !status.success() || !said.is_empty() {
        bail!("make CLIPPY=1 ({status}) says:\n{}", said.join("\n"));
    }
    step.done();
    fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))
}

/// make in kernel-module/ of a copy of the sources.
fn make(tools: ToolRoot, tree: &Path) -> Command {
    let tools = tools.with_bind(tree, Path::new(INSIDE));
    let mut make = tools.command_in(Path::new(INSIDE), "make");
    make.args(MAKE_VARIABLES);
    make.args(["-C", "kernel-module"]);
    make.arg(format!("KDIR={KERNEL_BUILD}"));
    let jobs = std::thread::available_parallelism().map_or(1, |n| n.get());
    make.args([&format!("-j{jobs}"), "modules"]);
    make
}
