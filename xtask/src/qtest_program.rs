// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The program of tests/qtest, built for LoongArch.

use std::path::PathBuf;

use anyhow::Result;

use crate::cargo::{self, Package};
use crate::setup::Products;

const PACKAGE: Package = Package {
    title: "qtest program",
    name: "qtest-kvm",
    product: "qtest-program",
    sources: &["tests/qtest", "tests/kvm", "la-arch"],
    profile: "release",
    targets: &["--bins"],
    files: &["qtest-kvm"],
};

/// The directory with the program; built if its sources, or the toolchain, are not
/// those of an earlier build.
pub(crate) fn build(products: &Products) -> Result<PathBuf> {
    cargo::make(products, &PACKAGE)
}
