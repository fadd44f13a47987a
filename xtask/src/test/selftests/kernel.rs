// SPDX-License-Identifier: Apache-2.0 OR MIT

//! KVM's selftests of the kernel source, built for LoongArch.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::cache::Key;
use crate::progress::Step;
use crate::setup::{MAKE_VARIABLES, Products};
use crate::toolroot::{KERNEL_SOURCE, ToolRoot};

/// Where the product is bound inside the root.
const INSIDE: &str = "/kvm-la/selftests";

/// Their directory in the kernel source.
const DIRECTORY: &str = "tools/testing/selftests/kvm";

/// A rule that prints the programs, each with OUTPUT before it.
const LIST_RULE: &str = r"--eval=kvm-la-list: ; @printf '%s\n' $(TEST_GEN_PROGS)";

/// The files of the programs that the kernel's Makefile has for LoongArch, in its
/// order.
pub(super) fn list(products: &Products) -> Result<Vec<String>> {
    let dir = product(products, "kvm-selftests-list", |dir| {
        let tools = products.kernel_tools().with_bind(dir, Path::new(INSIDE));
        // What the Makefile makes of its conditions and of what it includes.
        let output = make_programs(&tools)
            .args(["-s", LIST_RULE, "kvm-la-list"])
            .output()
            .context("cannot run make in the toolchain root")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let files: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix(INSIDE)?.strip_prefix('/'))
            .collect();
        ensure!(
            output.status.success() && !files.is_empty(),
            "{DIRECTORY} of Linux {} lists no TEST_GEN_PROGS for LoongArch: {}",
            products.series,
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(fs::write(dir.join("list"), files.join("\n"))?)
    })?;
    let text = fs::read_to_string(dir.join("list"))?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// The directory that holds the programs by these names; built if the kernel, or
/// the toolchain, is not that of an earlier build.
pub(super) fn build(products: &Products, files: &[String]) -> Result<PathBuf> {
    product(products, "kvm-selftests", |dir| {
        compile(products, dir)?;
        for file in files {
            ensure!(
                dir.join(file).is_file(),
                "{DIRECTORY} of Linux {} lists {file}, but make did not build it",
                products.series
            );
        }
        Ok(())
    })
}

fn product(
    products: &Products,
    name: &str,
    make: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let key = Key::new(1).with("kernel", products.host_kernel.name());
    let cache = &products.cache;
    let dir = cache.product(name, &key, make)?;
    Ok(dir)
}

fn compile(products: &Products, dir: &Path) -> Result<()> {
    let log = products.cache.logs()?.join("kvm-selftests.log");
    // One build's lines, not those of all builds before it.
    fs::write(&log, b"").with_context(|| format!("cannot write {}", log.display()))?;
    let tools = products.kernel_tools().with_bind(dir, Path::new(INSIDE));
    let mut step = Step::start("KVM selftests: building");
    let mut headers = make(&tools, KERNEL_SOURCE);
    headers.args([
        &format!("O={INSIDE}/headers"),
        &format!("INSTALL_HDR_PATH={INSIDE}/usr"),
        "headers_install",
    ]);
    fs::create_dir(dir.join("headers"))?;
    step.run(headers, &log)?;
    let jobs = std::thread::available_parallelism().map_or(1, |n| n.get());
    let mut programs = make_programs(&tools);
    programs.args([
        &format!("-j{jobs}"),
        &format!("KHDR_INCLUDES=-isystem {INSIDE}/usr/include"),
        // The host's userland is not the one that they are linked against.
        "LDFLAGS=-static",
    ]);
    step.run(programs, &log)?;
    step.done();
    Ok(())
}

fn make_programs(tools: &ToolRoot) -> Command {
    let mut make = make(tools, &format!("{KERNEL_SOURCE}/{DIRECTORY}"));
    make.arg(format!("OUTPUT={INSIDE}"));
    make
}

fn make(tools: &ToolRoot, directory: &str) -> Command {
    let mut make = tools.command_in(Path::new(INSIDE), "make");
    make.args(MAKE_VARIABLES).args(["-C", directory]);
    make
}
