// SPDX-License-Identifier: Apache-2.0 OR MIT

//! GDB and LLDB, in a root of their own. Made when a test or a user asks for them.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::debian::Tree;
use super::extra::Extra;
use super::{CannotBeHad, Products, mirror, packages, visible};
use crate::cache::{Cache, Key};
use crate::toolroot::ToolRoot;

const PACKAGES: &str = include_str!("../../../configs/debuggers.packages");

impl Products {
    /// The root with the debuggers, made if it is not there yet, in which `visible` are where
    /// they are outside; [`CannotBeHad`] without a network.
    pub(crate) fn debuggers(&self, visible: &[&Path]) -> Result<ToolRoot> {
        debuggers(&self.cache, visible)
    }
}

/// The same without the other products, for the current directory, the project, its cache and
/// temporary files.
pub(crate) fn debuggers_here() -> Result<ToolRoot> {
    mirror::from_environment()?;
    let cache = Cache::open()?;
    let here = env::current_dir().context("the current directory is gone")?;
    let mut seen = visible(&cache)?.to_vec();
    // A file system cannot be bound over all of the root.
    if here != Path::new("/") && !seen.iter().any(|dir| here.starts_with(dir)) {
        seen.insert(0, here);
    }
    let seen: Vec<&Path> = seen.iter().map(PathBuf::as_path).collect();
    debuggers(&cache, &seen)
}

fn debuggers(cache: &Cache, visible: &[&Path]) -> Result<ToolRoot> {
    let dir = Extra {
        folder: "debuggers",
        product: "debuggers",
        key: Key::new(1).with("packages", PACKAGES),
        contents: "debuggers",
        missing: CannotBeHad("the debuggers of configs/debuggers.packages cannot be had"),
        tree: Tree {
            variant: "apt",
            architectures: "amd64",
            packages: &packages(PACKAGES),
            exclude: &[],
            include: &[],
        },
    }
    .get(cache)?;
    Ok(ToolRoot::new(&dir, visible))
}
