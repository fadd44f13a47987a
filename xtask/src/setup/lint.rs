// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Tools that read the checkout's own files: shellcheck, ruff, codespell and clippy as
//! the toolchain root's rustc has it. They run inside the toolchain root, which has the
//! libraries that they need. Made when a test asks for them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::debian::Tree;
use super::extra::Extra;
use super::{CannotBeHad, Products, packages, workspace};
use crate::cache::Key;
use crate::toolroot::ToolRoot;

const PACKAGES: &str = include_str!("../../../configs/lint.packages");

/// What is kept of the packages and of those that they depend on.
const INCLUDE: &[&str] = &[
    "/usr/bin/shellcheck",
    "/usr/bin/ruff",
    "/usr/bin/codespell",
    "/usr/bin/clippy-driver",
    "/usr/lib/python3/dist-packages/*",
];

/// Where the tools are bound inside the toolchain root.
const INSIDE: &str = "/kvm-la/lint";

/// Where the checkout is bound inside the toolchain root.
const CHECKOUT: &str = "/kvm-la/workspace";

pub(crate) struct LintTools(PathBuf);

impl Products {
    /// The tools, made if they are not there yet; [`CannotBeHad`] without a network.
    pub(crate) fn lint_tools(&self) -> Result<LintTools> {
        // Clippy goes with the toolchain root's compiler.
        let key = Key::new(1)
            .with("toolchain", self.tools.name())
            .with("packages", PACKAGES)
            .with("include", INCLUDE.join(" "));
        let dir = Extra {
            folder: "lint",
            product: "lint",
            key,
            contents: "tools for scripts",
            missing: CannotBeHad("the tools of configs/lint.packages cannot be had"),
            tree: Tree {
                variant: "extract",
                architectures: "amd64",
                packages: &packages(PACKAGES),
                exclude: &["/*"],
                include: INCLUDE,
            },
        }
        .get(&self.cache)?;
        Ok(LintTools(dir))
    }
}

impl LintTools {
    /// The same root with the tools bound into it.
    pub(crate) fn bound_into(&self, root: ToolRoot) -> ToolRoot {
        root.with_bind(&self.0, Path::new(INSIDE))
    }

    /// A tool's name in a root that they are bound into.
    pub(crate) fn path(&self, name: &str) -> String {
        format!("{INSIDE}/usr/bin/{name}")
    }

    /// A command that runs a tool in the checkout.
    pub(crate) fn command(&self, products: &Products, name: &str) -> Result<Command> {
        let root = self
            .bound_into(products.tools.clone())
            .with_bind(&workspace()?, Path::new(CHECKOUT));
        let mut command = root.command_in(Path::new(CHECKOUT), self.path(name));
        command.env(
            "PYTHONPATH",
            format!("{INSIDE}/usr/lib/python3/dist-packages"),
        );
        Ok(command)
    }
}
