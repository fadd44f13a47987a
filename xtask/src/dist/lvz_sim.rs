// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The package of the simulator: the program, its man pages, documents and the shells'
//! completions.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::package::Contents;
use super::{Dist, copyright};
use crate::cargo::{self, AMD64, Package, Target};
use crate::setup::workspace;

const NAME: &str = "lvz-sim";

/// The program that writes the manual and the completions.
const MANUAL: &str = "lvz-sim-manual";

/// What its help and its messages name, and what those documents lead to.
const DOCUMENTS: &[&str] = &[
    "simulator.md",
    "platform.md",
    "debugging.md",
    "lvz.md",
    "lbt.md",
    "conformance.md",
];

const PACKAGE: Package = Package {
    title: "lvz-sim",
    name: NAME,
    product: "lvz-sim",
    sources: &["lvz-sim", "la-arch"],
    profile: "dist",
    targets: &["--bins", "--features", "manual"],
    files: &[NAME, MANUAL],
};

/// The contents of the package for a target.
pub(super) fn contents(dist: &Dist, target: &Target) -> Result<Contents> {
    let built = cargo::make_for(&dist.cache, &PACKAGE, &dist.root, target)?;
    let mut contents = Contents {
        folder: NAME,
        name: NAME.to_owned(),
        architecture: target.architecture,
        files: BTreeMap::new(),
        copyright: copyright::of_program(&workspace()?, NAME, target.triple)?,
        words: Vec::new(),
    };
    contents.add("bin/lvz-sim", &built.join(NAME))?;
    for name in DOCUMENTS {
        let file = Path::new("docs").join(name);
        contents.add(&file, &workspace()?.join(&file))?;
    }
    // Both are the same whatever the target: the packaging root can run this one.
    let native = cargo::make_for(&dist.cache, &PACKAGE, &dist.root, &AMD64)?;
    let manual = dist.cache.new_run("manual")?;
    let output = dist
        .root
        .command(native.join(MANUAL))?
        .arg(&manual)
        .output()
        .with_context(|| format!("cannot run {MANUAL}"))?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    contents.add_tree(&manual)?;
    fs::remove_dir_all(&manual).with_context(|| format!("cannot remove {}", manual.display()))?;
    Ok(contents)
}
