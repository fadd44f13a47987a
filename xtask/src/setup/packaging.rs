// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What only packages need: the root in which they are made, and the clean one
//! into which a test installs them. Made when they are asked for.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::debian::Tree;
use super::{packages, visible};
use crate::cache::{Cache, Key};
use crate::progress::Step;
use crate::toolroot::ToolRoot;

const PACKAGES: &str = include_str!("../../../configs/packaging.packages");

/// What Debian's smallest system lacks that a test looks at packages with.
const CLEAN: &str = "man-db";

/// dpkg's settings by which mmdebstrap leaves files out. They stay in the tree, where
/// they would keep files of our packages from being installed.
const SETTINGS: &str = "etc/dpkg/dpkg.cfg.d/99mmdebstrap";

/// The root with Debian's packaging tools.
pub(crate) fn packaging_root(cache: &Cache) -> Result<ToolRoot> {
    root(
        cache,
        "packaging",
        Key::new(1).with("packages", PACKAGES),
        &Tree {
            variant: "apt",
            architectures: "amd64,arm64,loong64",
            packages: &packages(PACKAGES),
            exclude: &["/usr/bin/qemu-*"],
            // Every tree leaves lintian's own data out.
            include: &["/usr/bin/qemu-aarch64", "/usr/share/lintian/*"],
        },
    )
}

/// A root with nothing but Debian's essential packages, and man.
pub(crate) fn clean_root(cache: &Cache) -> Result<ToolRoot> {
    root(
        cache,
        "clean",
        Key::new(1).with("packages", CLEAN),
        &Tree {
            variant: "essential",
            architectures: "amd64",
            packages: &packages(CLEAN),
            exclude: &[],
            include: &[],
        },
    )
}

fn root(cache: &Cache, product: &str, key: Key, tree: &Tree<'_>) -> Result<ToolRoot> {
    let dir = cache.product(product, &key, |dir| {
        let log = cache.logs()?.join(format!("{product}.log"));
        let mut step = Step::start(format!("{product} root: fetching and unpacking packages"));
        tree.make(dir, &mut step, &log)?;
        match fs::remove_file(dir.join(SETTINGS)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {SETTINGS}"))?;
            }
            _ => {}
        }
        step.done();
        Ok(())
    })?;
    let visible = visible(cache)?;
    Ok(ToolRoot::new(
        &dir,
        &visible.each_ref().map(PathBuf::as_path),
    ))
}
