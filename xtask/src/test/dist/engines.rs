// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A case of the suite `dist`: lvz-sim compiles for arm64 too, and its code does what the
//! interpreter does. Under QEMU's emulation of such a computer.

use std::process::Stdio;

use anyhow::{Context as _, Result, bail};

use super::super::host::parse_result;
use super::super::report::Verdict;
use crate::cargo::{self, ARM64};
use crate::setup::workspace;
use crate::toolroot::ToolRoot;

pub(super) fn run(root: &ToolRoot) -> Result<Verdict> {
    let workspace = workspace()?;
    let fetched = cargo::fetch(&workspace).stdin(Stdio::null()).status();
    if !fetched.context("cannot run cargo")?.success() {
        bail!("the crates that Cargo.lock names cannot be had");
    }
    // The profile of the package, most of which is built already.
    let mut test = cargo::cargo_for(root, &workspace, &ARM64, ["test", "dist"])?;
    test.env(ARM64.variable("RUNNER"), "qemu-aarch64");
    test.args(["--package", "lvz-sim", "--test", "engines"]);
    let output = test
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let result = text.lines().find_map(parse_result);
    match result {
        Some((passed, 0, skipped)) if output.status.success() => Ok(Verdict::Counted {
            passed,
            failed: 0,
            skipped,
        }),
        _ => bail!("cargo test ended with {}\n{text}", output.status),
    }
}
