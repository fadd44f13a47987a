// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The workspace's packages, as their manifests have them.

use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::cargo::cargo;
use crate::setup::workspace;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// A package.
#[derive(Deserialize)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) rust_version: Option<String>,
    pub(super) default_run: Option<String>,
    pub(super) targets: Vec<Target>,
}

/// A library, a program, a test or an example of a package.
#[derive(Deserialize)]
pub(super) struct Target {
    pub(super) kind: Vec<String>,
}

/// All of the workspace.
pub(super) fn packages() -> Result<Vec<Package>> {
    let output = Command::new(cargo())
        .current_dir(workspace()?)
        .args(["metadata", "--no-deps", "--locked", "--format-version", "1"])
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).context("cargo metadata is of an unknown form")?;
    Ok(metadata.packages)
}
