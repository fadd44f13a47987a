// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The toolchain root: cross compilers, QEMU and the kernel's source.

use anyhow::Result;
use std::path::Path;

use super::debian::Tree;
use super::packages;
use crate::cache::{Cache, Key};
use crate::progress::Step;
use crate::toolroot::ToolRoot;

const PACKAGES: &str = include_str!("../../../configs/toolchain.packages");

/// What packages hold besides what is of use here: QEMU's other targets, Rust's source
/// but for its library, Clang's static libraries, and what a compiler that runs on
/// LoongArch is linked with.
const EXCLUDE: &[&str] = &[
    "/usr/bin/qemu-*",
    "/usr/src/rustc-*",
    "/usr/lib/llvm-*.a",
    "/usr/lib/loongarch64-linux-gnu/libLLVM*",
    "/usr/lib/loongarch64-linux-gnu/librustc_driver*",
];
const INCLUDE: &[&str] = &[
    "/usr/src/rustc-*/library/*",
    "/usr/bin/qemu-loongarch64*",
    "/usr/bin/qemu-system-loongarch64",
    "/usr/bin/qemu-img",
];

/// The root's name in the cache.
const PRODUCT: &str = "toolchain";

fn key() -> Key {
    Key::new(1)
        .with("packages", PACKAGES)
        .with("exclude", EXCLUDE.join(" "))
        .with("include", INCLUDE.join(" "))
}

/// Whether the root is there.
pub(crate) fn is_made(cache: &Cache) -> bool {
    cache.get(PRODUCT, &key()).is_some()
}

/// Makes the root if it is not there yet.
pub(crate) fn make(cache: &Cache, visible: &[&Path], log: &Path) -> Result<(ToolRoot, Key)> {
    let key = key();
    let dir = cache.get_or_make(PRODUCT, &key, |dir| {
        let mut step = Step::start("toolchain root: fetching and unpacking packages");
        let tree = Tree {
            variant: "apt",
            architectures: "amd64,loong64",
            packages: &packages(PACKAGES),
            exclude: EXCLUDE,
            include: INCLUDE,
        };
        tree.make(dir, &mut step, log)?;
        step.done();
        Ok(())
    })?;
    Ok((ToolRoot::new(&dir, visible), key))
}
