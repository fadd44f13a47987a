// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Cases of the suite `host`: the files of the checkout that no Rust tool reads.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use super::Context;
use super::report::{Report, Verdict};
use crate::setup::{CannotBeHad, LintTools, Products, workspace};
use crate::sources::Sources;

/// Runs a maintainer script with hooks.
const KERNEL_HOOKS: &str = include_str!("kernel-hooks.sh");

pub(super) fn run(context: &Context, report: &mut Report) {
    let products = &context.products;
    report.case("shell scripts", || with_tools(products, shell));
    report.case("Python", || with_tools(products, python));
    report.case("spelling", || with_tools(products, spelling));
    report.case("kernel hooks", || kernel_hooks(products));
}

/// A case that needs the tools is skipped where there are none.
pub(super) fn with_tools(
    products: &Products,
    check: impl FnOnce(&Products, &LintTools) -> Result<Verdict>,
) -> Result<Verdict> {
    match products.lint_tools() {
        Ok(tools) => check(products, &tools),
        Err(error) if error.is::<CannotBeHad>() => Ok(Verdict::Skipped(format!("{error:#}"))),
        Err(error) => Err(error),
    }
}

/// shellcheck over every script. One without a line that names its shell is run by
/// Debian's `sh`, which is dash, on the workstation or in a machine.
fn shell(products: &Products, tools: &LintTools) -> Result<Verdict> {
    let sources = Sources::read(&workspace()?, &[""])?;
    let scripts = sources
        .files()
        .filter(|(name, text)| is_shell_script(name, text));
    let (named, unnamed): (Vec<_>, Vec<_>) = scripts.partition(|(_, text)| text.starts_with(b"#!"));
    for (options, scripts) in [(&[] as &[&str], named), (&["--shell=dash"], unnamed)] {
        ensure!(!scripts.is_empty(), "no script is found");
        let mut command = tools.command(products, "shellcheck")?;
        command.arg("--format=gcc").args(options);
        command.args(scripts.into_iter().map(|(name, _)| name));
        must_pass(command)?;
    }
    Ok(Verdict::Passed)
}

fn is_shell_script(name: &Path, text: &[u8]) -> bool {
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    match name.extension().and_then(OsStr::to_str) {
        Some("sh") => true,
        // What runs in the machines is pasted together and starts nowhere by itself.
        None if name.starts_with("tests/guest") => true,
        _ => first.starts_with(b"#!") && first.ends_with(b"sh"),
    }
}

/// ruff's rules of ruff.toml over every Python file.
fn python(products: &Products, tools: &LintTools) -> Result<Verdict> {
    let mut command = tools.command(products, "ruff")?;
    command.args([
        "check",
        "--no-cache",
        "--quiet",
        "--output-format=concise",
        ".",
    ]);
    must_pass(command)?;
    Ok(Verdict::Passed)
}

/// Common misspellings; .codespellrc has the words that are names here.
fn spelling(products: &Products, tools: &LintTools) -> Result<Verdict> {
    let mut command = tools.command(products, "codespell")?;
    command.arg(".");
    must_pass(command)?;
    Ok(Verdict::Passed)
}

/// The maintainer scripts of the kernel's package run each hook once. In the toolchain root,
/// whose run-parts is that of the release which the package is for.
fn kernel_hooks(products: &Products) -> Result<Verdict> {
    let file = workspace()?.join("packaging/linux-image-kvm-la/maintainer-script");
    let script =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    for name in ["preinst", "postinst", "prerm", "postrm"] {
        let text = script
            .replace("@SCRIPT@", name)
            .replace("/etc/kernel/", "/hooks/etc/")
            .replace("/usr/share/kernel/", "/hooks/usr/")
            .replace("@RELEASE@", "7.0");
        let mut sh = products.tools.apart().command_in(Path::new("/"), "sh");
        sh.args(["-c", KERNEL_HOOKS, "sh", name, &text]);
        must_pass(sh)?;
    }
    Ok(Verdict::Passed)
}

/// Runs a tool whose output is what it found wrong.
fn must_pass(mut command: Command) -> Result<()> {
    let output = command.output().context("cannot run unshare")?;
    let (said, error) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    if !output.status.success() {
        bail!("\n{said}{error}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_shell_script;
    use std::path::Path;

    #[test]
    fn scripts_are_told_by_name_or_first_line() {
        for (name, text, is_script) in [
            ("a/b.sh", "# no shell is named\n", true),
            ("a/run", "#!/usr/bin/env bash\n", true),
            ("a/init", "#!/bin/busybox sh\nx", true),
            ("tests/guest/run-guest", "guest() {\n", true),
            ("tests/guest/workload.rs", "fn main\n", false),
            ("a/rules", "#!/usr/bin/make -f\n", false),
            ("a/case.py", "#!/usr/bin/env python3\n", false),
        ] {
            assert_eq!(
                is_shell_script(Path::new(name), text.as_bytes()),
                is_script,
                "{name}"
            );
        }
    }
}
