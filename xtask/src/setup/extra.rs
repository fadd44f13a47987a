// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Trees of packages that only some tests need. Made when one of these asks for them.

use std::path::PathBuf;

use anyhow::Result;

use super::CannotBeHad;
use super::debian::Tree;
use crate::cache::{Cache, Key};
use crate::progress::Step;

/// A tree with a lock of its own: a run that wants the other products need not wait.
pub(super) struct Extra<'a> {
    /// The folder in the cache, and the log's name.
    pub(super) folder: &'static str,
    /// The product's name in the folder.
    pub(super) product: &'static str,
    /// What it is made from.
    pub(super) key: Key,
    /// What a step says that it fetches.
    pub(super) contents: &'static str,
    /// What is said without a network.
    pub(super) missing: CannotBeHad,
    pub(super) tree: Tree<'a>,
}

impl Extra<'_> {
    /// The tree's directory, made if it is not there yet; `missing` without a network.
    pub(super) fn get(self, cache: &Cache) -> Result<PathBuf> {
        let log = cache.logs()?.join(format!("{}.log", self.folder));
        let cache = cache.apart(self.folder)?;
        cache.product(self.product, &self.key, |dir| {
            let mut step = Step::start(format!("{}: fetching and unpacking", self.contents));
            self.tree
                .make(dir, &mut step, &log)
                .map_err(|error| self.missing.or(error))?;
            step.done();
            Ok(())
        })
    }
}
