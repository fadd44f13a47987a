// SPDX-License-Identifier: Apache-2.0 OR MIT

//! GDB and LLDB, in a root of their own. Made when a test asks for them.

use std::path::Path;

use anyhow::Result;

use super::debian::Tree;
use super::{CannotBeHad, Products, packages};
use crate::cache::Key;
use crate::progress::Step;
use crate::toolroot::ToolRoot;

const PACKAGES: &str = include_str!("../../../configs/debuggers.packages");

impl Products {
    /// The root with the debuggers, made if it is not there yet, in which `visible` are where
    /// they are outside; [`CannotBeHad`] without a network.
    pub(crate) fn debuggers(&self, visible: &[&Path]) -> Result<ToolRoot> {
        let key = Key::new(1).with("packages", PACKAGES);
        let cache = self.cache.apart("debuggers")?;
        let dir = cache.product("debuggers", &key, |dir| {
            let log = self.cache.logs()?.join("debuggers.log");
            let mut step = Step::start("debuggers: fetching and unpacking packages");
            Tree {
                variant: "apt",
                architectures: "amd64",
                packages: &packages(PACKAGES),
                exclude: &[],
                include: &[],
            }
            .make(dir, &mut step, &log)
            .map_err(|error| {
                CannotBeHad("the debuggers of configs/debuggers.packages cannot be had").or(error)
            })?;
            step.done();
            Ok(())
        })?;
        Ok(ToolRoot::new(&dir, visible))
    }
}
