// SPDX-License-Identifier: Apache-2.0 OR MIT

//! GDB and LLDB, in a root of their own. Made when a test asks for them.

use std::path::Path;

use anyhow::Result;

use super::debian::Tree;
use super::extra::Extra;
use super::{CannotBeHad, Products, packages};
use crate::cache::Key;
use crate::toolroot::ToolRoot;

const PACKAGES: &str = include_str!("../../../configs/debuggers.packages");

impl Products {
    /// The root with the debuggers, made if it is not there yet, in which `visible` are where
    /// they are outside; [`CannotBeHad`] without a network.
    pub(crate) fn debuggers(&self, visible: &[&Path]) -> Result<ToolRoot> {
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
        .get(&self.cache)?;
        Ok(ToolRoot::new(&dir, visible))
    }
}
