// SPDX-License-Identifier: Apache-2.0 OR MIT

//! This project's accelerator backend for QEMU and its launcher: `accel-kvm-la/`
//! built for LoongArch.

use std::path::PathBuf;

use anyhow::Result;

use crate::cargo::{self, Package};
use crate::setup::Products;

const PACKAGE: Package = Package {
    title: "QEMU backend",
    name: "accel-kvm-la",
    product: "backend",
    sources: &["accel-kvm-la", "la-arch"],
    // The workspace's profile for what runs inside QEMU.
    profile: "accel",
    targets: &["--lib", "--bins"],
    files: &["libaccel_kvm_la.so", "qemu-kvm-la"],
};

/// The backend's products.
#[derive(Clone)]
pub(crate) struct Backend {
    dir: PathBuf,
}

impl Backend {
    /// The library that is loaded into an unmodified QEMU.
    pub(crate) fn library(&self) -> PathBuf {
        self.dir.join("libaccel_kvm_la.so")
    }

    /// The program that runs QEMU with the library.
    pub(crate) fn launcher(&self) -> PathBuf {
        self.dir.join("qemu-kvm-la")
    }
}

/// The backend; built if its sources, or the toolchain, are not those of an
/// earlier build.
pub(crate) fn make(products: &Products) -> Result<Backend> {
    let dir = cargo::make(products, &PACKAGE)?;
    Ok(Backend { dir })
}
